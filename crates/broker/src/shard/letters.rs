//! What other shards want.

use super::Shard;
use crate::event::ShardId;
use crate::mail::{Letter, Mail};
use crate::message::Head;

/// Mail of more memory than this is freed and not written into again.
const SPARE_MAIL_BYTES_MAX: usize = 256 * 1024;
/// Emptied mails that are kept to be written into.
const SPARE_MAILS_MAX: usize = 8;

impl Shard {
    pub(super) fn on_mail(&mut self, from: ShardId, mut mail: Mail) {
        let mut at = 0;
        for letter in mail.letters.drain(..) {
            let Letter::PublishCopied { head, len_bytes } = letter else {
                self.on_letter(from, letter);
                continue;
            };
            let end = at + len_bytes as usize;
            self.route_copied(&head, mail.bytes.get(at..end).unwrap_or_default());
            at = end;
        }
        if self.spare_mail.len() < SPARE_MAILS_MAX && mail.capacity_bytes() <= SPARE_MAIL_BYTES_MAX
        {
            mail.clear();
            self.spare_mail.push(mail);
        }
    }

    /// Routes a message of another shard that lies in its mail.
    fn route_copied(&mut self, head: &Head, bytes: &[u8]) {
        let cut = head.cut(bytes);
        let properties = [cut.properties];
        self.route_parts_here(head.parts(cut, &properties));
    }

    pub(super) fn on_letter(&mut self, from: ShardId, letter: Letter) {
        match letter {
            Letter::Publish { message } => self.route_here(&message),
            // Its bytes are in the mail: see `on_mail`.
            Letter::PublishCopied { .. } => {}
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
                session,
                is_online,
                room,
            } => self.members.tell(session, is_online, room),
            Letter::Settled { group, session } => self.on_settled(&group, session),
            Letter::Stats(stats) => self.on_stats(from, *stats),
        }
    }
}
