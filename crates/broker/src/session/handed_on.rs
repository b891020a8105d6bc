//! Copies of shared groups that a session has given away and that the store may still have as its own.

use std::collections::BTreeMap;

use columba_codec::QoS;

use crate::mail::GroupRef;

/// Those copies, by the number of the membership that they came by.
#[derive(Debug, Default)]
pub(crate) struct HandedOn(BTreeMap<u32, OnTheWay>);

/// Copies that came by one membership.
#[derive(Debug)]
pub(crate) struct OnTheWay {
    pub(crate) group: GroupRef,
    /// QoS of the last of them.
    pub(crate) qos: QoS,
    /// How many are in no batch yet with what their new owners have.
    open: u32,
    /// The batch with the last of the others.
    ticket: u64,
}

impl HandedOn {
    /// Forgets what is with its new owners on disk, all up to a batch.
    pub(crate) fn forget(&mut self, durable: u64) {
        self.0.retain(|_, of| of.open > 0 || of.ticket > durable);
    }

    /// Another copy goes to its group.
    pub(crate) fn give(&mut self, membership: u32, group: &GroupRef, qos: QoS) {
        let of = self.0.entry(membership).or_insert_with(|| OnTheWay {
            group: group.clone(),
            qos,
            open: 0,
            ticket: 0,
        });
        of.qos = qos;
        of.open += 1;
    }

    /// One of them is in a batch with what its new owner has, or nobody has it.
    pub(crate) fn note_written(&mut self, membership: u32, ticket: u64) {
        if let Some(of) = self.0.get_mut(&membership) {
            of.open = of.open.saturating_sub(1);
            of.ticket = ticket;
        }
    }

    /// What a crash may bring back to the session, if its end is in the batch that is being gathered and
    /// all up to another one is durable. What is in the same batch as the end is not.
    pub(crate) fn may_come_back(
        &self,
        durable: u64,
        gathered: u64,
    ) -> impl Iterator<Item = (u32, &OnTheWay)> {
        let is_elsewhere = move |ticket: u64| ticket > durable && ticket != gathered;
        let all = self.0.iter();
        all.filter(move |(_, of)| of.open > 0 || is_elsewhere(of.ticket))
            .map(|(membership, of)| (*membership, of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_on_its_way_until_the_batch_with_its_new_owners_record_is_durable() {
        let group = GroupRef {
            filter: "s".into(),
            name: "g".into(),
        };
        let mut handed = HandedOn::default();
        let count = |of: &HandedOn, durable, gathered| of.may_come_back(durable, gathered).count();
        handed.give(1, &group, QoS::AtLeastOnce);
        handed.give(1, &group, QoS::AtLeastOnce);
        handed.give(2, &group, QoS::ExactlyOnce);
        handed.note_written(1, 5);
        assert_eq!(count(&handed, 5, 6), 2);
        handed.note_written(1, 6);
        handed.note_written(2, 7);
        assert_eq!((count(&handed, 5, 7), count(&handed, 5, 8)), (1, 2));
        assert_eq!(count(&handed, 6, 8), 1);
        handed.forget(6);
        assert_eq!(handed.0.len(), 1);
        handed.forget(7);
        assert_eq!(handed.0.len(), 0);
    }
}
