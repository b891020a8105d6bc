//! What a thread counts during a stage.

use hdrhistogram::Histogram;

use crate::clock::SECOND_NS;

/// Times above this are counted as this.
const TIME_NS_MAX: u64 = 3600 * SECOND_NS;

/// A histogram of times with three significant digits.
#[derive(Clone)]
pub(crate) struct Times {
    histogram: Histogram<u64>,
}

impl std::fmt::Debug for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Thousands of counts say nothing to a reader.
        write!(f, "Times({})", self.histogram.len())
    }
}

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, TIME_NS_MAX, 3);
        Self {
            histogram: histogram.expect("bounds that a histogram can have"),
        }
    }
}

impl Times {
    /// Takes note of a time.
    #[inline]
    pub(crate) fn record(&mut self, time_ns: u64) {
        self.histogram.saturating_record(time_ns.max(1));
    }

    /// Adds the times of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        let added = self.histogram.add(&other.histogram);
        assert!(added.is_ok(), "histograms of one shape");
    }

    /// Everything noted.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

/// The counts of a stage. Of several threads they add up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Messages handed to a connection.
    pub(crate) sent: u64,
    /// Deliveries that these call for, by QoS of delivery.
    pub(crate) owed: [u64; 3],
    /// Messages whose handshake is complete.
    pub(crate) acknowledged: u64,
    /// Messages that the broker refused in an acknowledgement.
    pub(crate) refused: u64,
    /// The code of one of these refusals.
    pub(crate) refused_code: u8,
    /// Messages that arrived, duplicates and all.
    pub(crate) received: u64,
    /// Those among them that arrived for the first time, by QoS.
    pub(crate) unique: [u64; 3],
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    /// Messages of other runs, or for other subscribers.
    pub(crate) foreign: u64,
    /// Messages with the RETAIN flag.
    pub(crate) retained: u64,
    pub(crate) payload_bytes: u64,
    /// 0 before the first.
    pub(crate) first_arrival_ns: u64,
    pub(crate) last_arrival_ns: u64,
    pub(crate) last_sent_ns: u64,
    pub(crate) last_acknowledged_ns: u64,
    /// Sessions that the broker had kept.
    pub(crate) sessions_present: u64,
    pub(crate) latency: Times,
    /// From the due time of a message to the end of its handshake.
    pub(crate) acknowledgements: Times,
    /// Open loop: how late messages were handed to their connection.
    pub(crate) lag: Times,
    /// From the due time of a connection to its CONNACK.
    pub(crate) connects: Times,
    pub(crate) last_connect_ns: u64,
    /// Processor time of the thread that used most.
    pub(crate) thread_cpu_ns_max: u64,
    /// Processor time of all threads.
    pub(crate) thread_cpu_ns: u64,
}

impl Tally {
    /// Adds the counts of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.refused_code = self.refused_code.max(other.refused_code);
        self.received += other.received;
        for qos in 0..3 {
            self.owed[qos] += other.owed[qos];
            self.unique[qos] += other.unique[qos];
        }
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.foreign += other.foreign;
        self.retained += other.retained;
        self.payload_bytes += other.payload_bytes;
        self.first_arrival_ns = match (self.first_arrival_ns, other.first_arrival_ns) {
            (0, at) | (at, 0) => at,
            (one, another) => one.min(another),
        };
        self.last_arrival_ns = self.last_arrival_ns.max(other.last_arrival_ns);
        self.last_sent_ns = self.last_sent_ns.max(other.last_sent_ns);
        self.last_acknowledged_ns = self.last_acknowledged_ns.max(other.last_acknowledged_ns);
        self.sessions_present += other.sessions_present;
        self.latency.add(&other.latency);
        self.acknowledgements.add(&other.acknowledgements);
        self.lag.add(&other.lag);
        self.connects.add(&other.connects);
        self.last_connect_ns = self.last_connect_ns.max(other.last_connect_ns);
        self.thread_cpu_ns_max = self.thread_cpu_ns_max.max(other.thread_cpu_ns_max);
        self.thread_cpu_ns += other.thread_cpu_ns;
    }

    /// Deliveries of all QoS that are called for.
    pub(crate) fn owed_in_all(&self) -> u64 {
        self.owed.iter().sum()
    }

    /// First arrivals of all QoS.
    pub(crate) fn unique_in_all(&self) -> u64 {
        self.unique.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_beyond_the_scale_are_kept_at_its_ends() {
        let mut times = Times::default();
        times.record(0);
        times.record(u64::MAX);
        assert_eq!(times.histogram().len(), 2);
    }

    #[test]
    fn the_first_arrival_of_several_threads_is_the_earliest() {
        let at = |first_arrival_ns| Tally {
            first_arrival_ns,
            ..Tally::default()
        };
        for (one, another, first) in [(0, 5, 5), (5, 0, 5), (5, 3, 3), (0, 0, 0)] {
            let mut sum = at(one);
            sum.add(&at(another));
            assert_eq!(sum.first_arrival_ns, first);
        }
    }
}
