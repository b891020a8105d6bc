//! What other shards want.

use super::Shard;
use crate::event::ShardId;
use crate::mail::Letter;

impl Shard {
    pub(super) fn on_letter(&mut self, from: ShardId, letter: Letter) {
        match letter {
            Letter::Publish { message } => self.route_here(&message),
            Letter::Interest {
                filter,
                is_interested,
                ticket,
            } => {
                self.filters.set_remote(&filter, from, is_interested);
                if let Some(ticket) = ticket {
                    self.post(
                        ticket.shard,
                        Letter::Applied {
                            number: ticket.number,
                        },
                    );
                }
            }
            Letter::Applied { number } => self.on_applied(number),
            Letter::Retain { message } => self.on_retain(message),
            Letter::RetainedFind { session, find } => self.on_retained_find(session, find),
            Letter::RetainedFound {
                session,
                number,
                page,
                next,
            } => {
                self.on_retained_found(session, number, page, next);
            }
            Letter::Join {
                group,
                member,
                ticket,
            } => self.on_join(&group, member, ticket),
            Letter::Leave { group, session } => self.on_leave(&group, session),
            Letter::Group {
                group,
                exists,
                ticket,
            } => self.on_group(from, &group, exists, ticket),
            Letter::Share {
                group,
                message,
                not,
            } => self.on_share(&group, &message, not),
            Letter::Assign {
                group,
                message,
                session,
                refused,
            } => self.on_assign(&group, message, session, refused),
            Letter::Refused {
                group,
                message,
                refused,
            } => self.on_refused(&group, &message, refused),
            Letter::MemberState {
                group,
                session,
                is_online,
                room,
            } => {
                self.on_member_state(&group, session, is_online, room);
            }
            Letter::Settled { group, session } => self.on_settled(&group, session),
            Letter::Stats(stats) => self.on_stats(from, *stats),
        }
    }
}
