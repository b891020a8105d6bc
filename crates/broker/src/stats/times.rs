//! How long messages take through the broker, as a histogram.

use columba_codec::QoS;

/// Where the buckets of [`DeliveryTimes`] end, in milliseconds; the last one has no end.
pub const DELIVERY_MS: [u64; 14] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000, 300_000, 3_600_000,
];

/// How long copies of messages took from the broker's having read the PUBLISH: with QoS 0 until they
/// were handed to the connection, with QoS 1 and 2 until the client had acknowledged them.
///
/// Only copies of messages that the flight recorder follows are measured, which are all while there
/// is not too much traffic, and then some of each topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryTimes([OfQoS; 3]);

/// Those of one QoS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OfQoS {
    buckets: [u64; DELIVERY_MS.len() + 1],
    sum_ms: u64,
}

impl DeliveryTimes {
    pub(crate) fn count(&mut self, qos: QoS, took_ms: u64) {
        let Some(of_qos) = self.0.get_mut(qos as usize) else {
            return;
        };
        let at = DELIVERY_MS.partition_point(|end_ms| *end_ms < took_ms);
        if let Some(bucket) = of_qos.buckets.get_mut(at) {
            *bucket += 1;
        }
        of_qos.sum_ms += took_ms;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            super::add_each(&mut mine.buckets, &theirs.buckets);
            mine.sum_ms += theirs.sum_ms;
        }
    }

    /// How many copies of a QoS took as long as each of [`DELIVERY_MS`] at most, then how many there
    /// were at all.
    pub fn cumulative(&self, qos: QoS) -> [u64; DELIVERY_MS.len() + 1] {
        let of_qos = self.0.get(qos as usize).copied().unwrap_or_default();
        let mut so_far = 0;
        of_qos.buckets.map(|count| {
            so_far += count;
            so_far
        })
    }

    /// How long all copies of a QoS took together, in milliseconds.
    pub fn sum_ms(&self, qos: QoS) -> u64 {
        self.0.get(qos as usize).map_or(0, |of| of.sum_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_does_not_end_before_it() {
        let mut times = DeliveryTimes::default();
        for ms in [0, 1, 2, 3, 3_600_000, 3_600_001] {
            times.count(QoS::AtLeastOnce, ms);
        }
        let mut sum = times;
        sum.add(&times);
        let counts = times.cumulative(QoS::AtLeastOnce);
        assert_eq!(counts[..4], [2, 3, 4, 4]);
        assert_eq!(counts[13..], [5, 6]);
        assert_eq!(sum.cumulative(QoS::AtLeastOnce)[14], 12);
        assert_eq!(
            sum.sum_ms(QoS::AtLeastOnce),
            2 * times.sum_ms(QoS::AtLeastOnce)
        );
        assert_eq!(times.sum_ms(QoS::AtLeastOnce), 7_200_007);
        assert_eq!(times.cumulative(QoS::AtMostOnce)[14], 0);
    }
}
