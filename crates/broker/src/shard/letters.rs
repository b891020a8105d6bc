//! What other shards want.

use super::Shard;
use crate::id::ShardId;
use crate::journal::Owner;
use crate::mail::{ExchangeRef, Letter, Mail};
use crate::message::Head;

/// Mail of more memory than this is freed and not written into again.
const SPARE_MAIL_BYTES_MAX: usize = 512 * 1024;
/// Emptied mails that are kept to be written into.
const SPARE_MAILS_MAX: usize = 8;

impl Shard {
    pub(super) fn on_mail(&mut self, from: ShardId, mut mail: Mail) {
        // The sender may have woken up later than this shard: what comes of its letters comes after them.
        self.now = self.now.or_later(mail.sent);
        let mut bytes = mail.bytes.as_slice();
        let mut next = |len_bytes: u32| {
            let (next, rest) = bytes
                .split_at_checked(len_bytes as usize)
                .unwrap_or_default();
            bytes = rest;
            next
        };
        let mut stored = mail.stored.as_slice();
        for letter in mail.letters.drain(..) {
            match letter {
                Letter::PublishCopied {
                    head,
                    len_bytes,
                    exchange,
                } => self.route_copied(&head, next(len_bytes), exchange),
                Letter::AnsweredCopied {
                    number,
                    record,
                    len_bytes,
                } => self.on_answered_copied(number, Owner::There(from, record), next(len_bytes)),
                Letter::Stored { count } => {
                    let (records, rest) = stored
                        .split_at_checked(count as usize)
                        .unwrap_or((stored, &[]));
                    stored = rest;
                    self.on_stored(records);
                }
                letter => self.on_letter(from, letter),
            }
        }
        if self.spare_mail.len() < SPARE_MAILS_MAX && mail.capacity_bytes() <= SPARE_MAIL_BYTES_MAX
        {
            mail.clear();
            self.spare_mail.push(mail);
        }
    }

    /// Routes a message of another shard that lies in its mail.
    fn route_copied(&mut self, head: &Head, bytes: &[u8], exchange: Option<ExchangeRef>) {
        let cut = head.cut(bytes);
        let properties = [cut.properties];
        self.route_parts_here(head.parts(cut, &properties), exchange);
    }

    pub(super) fn on_letter(&mut self, from: ShardId, letter: Letter) {
        match letter {
            Letter::Publish { message, exchange } => self.route_here(&message, exchange),
            // What they tell is in the mail: see `on_mail`.
            Letter::PublishCopied { .. }
            | Letter::AnsweredCopied { .. }
            | Letter::Stored { .. } => {}
            Letter::Interest {
                filter,
                is_interested,
                is_durable,
                ticket,
            } => {
                self.filters
                    .set_remote(&filter, from, is_interested, is_durable);
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
            Letter::Retain { message, exchange } => self.on_retain_of(message, exchange),
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
                is_durable,
                ticket,
            } => self.on_group(from, &group, (exists, is_durable), ticket),
            Letter::Share {
                group,
                message,
                not,
                exchange,
            } => self.on_share(&group, &message, not, exchange),
            Letter::Assign {
                group,
                message,
                session,
                refused,
                exchange,
            } => self.on_assign(&group, message, session, refused, exchange),
            Letter::Refused {
                group,
                message,
                refused,
                exchange,
            } => self.on_refused(&group, &message, refused, exchange),
            Letter::MemberState {
                session,
                is_online,
                room,
            } => self.members.tell(session, is_online, room),
            Letter::Settled { group, session } => self.on_settled(&group, session),
            Letter::Answered { number, drafts } => self.on_answered(number, drafts),
            Letter::Moved { mark } => {
                self.journal.reach(mark);
                self.exchanges.has_moved = true;
            }
            Letter::Stats(stats) => self.on_stats(from, *stats),
        }
    }
}
