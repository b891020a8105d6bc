//! Packet ids of a publisher and when their messages were due.

/// Messages on their way to an acknowledgement.
///
/// Ids are handed out in ascending order, as clients do, and one that is in use is passed over, so
/// a broker that leaves one unanswered cannot have it confused with a later one.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    slots: Vec<Slot>,
    next: u16,
    len: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// 0 while the slot is free.
    packet_id: u16,
    due_ns: u64,
}

impl InFlight {
    /// Room for `window` messages.
    pub(crate) fn new(window: u16) -> Self {
        let slots = usize::from(window.max(1)).next_power_of_two();
        Self {
            slots: vec![Slot::default(); slots],
            next: 1,
            len: 0,
        }
    }

    /// Messages in flight.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Takes an id for a message. The caller keeps to the window.
    #[inline]
    pub(crate) fn take(&mut self, due_ns: u64) -> u16 {
        assert!((self.len as usize) < self.slots.len(), "a window too wide");
        loop {
            let packet_id = self.next;
            self.next = self.next.checked_add(1).unwrap_or(1);
            let at = self.at(packet_id);
            if let Some(slot) = self.slots.get_mut(at)
                && slot.packet_id == 0
            {
                *slot = Slot { packet_id, due_ns };
                self.len += 1;
                return packet_id;
            }
        }
    }

    /// Whether this id is in flight.
    pub(crate) fn contains(&self, packet_id: u16) -> bool {
        let slot = self.slots.get(self.at(packet_id));
        packet_id != 0 && slot.is_some_and(|slot| slot.packet_id == packet_id)
    }

    /// Frees an id, and says when its message was due; `None` if it was not in flight.
    #[inline]
    pub(crate) fn free(&mut self, packet_id: u16) -> Option<u64> {
        let at = self.at(packet_id);
        let slot = self.slots.get_mut(at)?;
        if packet_id == 0 || slot.packet_id != packet_id {
            return None;
        }
        slot.packet_id = 0;
        self.len -= 1;
        Some(slot.due_ns)
    }

    fn at(&self, packet_id: u16) -> usize {
        usize::from(packet_id) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_and_start_again_at_1() {
        let mut inflight = InFlight::new(1);
        for expected in (1..=u16::MAX).chain(1..=3) {
            assert_eq!(inflight.take(5), expected);
            assert_eq!(inflight.free(expected), Some(5));
        }
    }

    #[test]
    fn an_unanswered_id_is_passed_over() {
        let mut inflight = InFlight::new(2);
        let stuck = inflight.take(1);
        for _ in 0..200_000 {
            let id = inflight.take(2);
            assert_ne!(id, stuck);
            assert!(inflight.contains(id));
            assert_eq!(inflight.free(id), Some(2));
        }
        assert_eq!(inflight.free(stuck), Some(1));
        assert_eq!(inflight.free(stuck), None);
        assert_eq!(inflight.free(0), None);
        assert_eq!(inflight.len(), 0);
    }
}
