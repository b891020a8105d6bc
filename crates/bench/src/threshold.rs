//! Conditions on a report under which a run counts as failed: `p99>20ms`, `loss>0`.

use std::str::FromStr;

use crate::report::Report;

/// A condition that must not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    metric: Metric,
    comparison: Comparison,
    /// In the metric's own unit: microseconds, bytes, a share of 1, or a number.
    value: f64,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Quantile(f64),
    LatencyMin,
    LatencyMean,
    LatencyMax,
    Lost,
    LostShare,
    Duplicated,
    Reordered,
    Refused,
    FailedClients,
    Sent,
    Received,
    SentPerSec,
    ReceivedPerSec,
    BrokerCpu,
    BrokerRss,
    Lag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
    Equal,
    NotEqual,
}

/// What a value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Time,
    Bytes,
    Number,
}

/// Why a condition cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdFault {
    /// It has no comparison.
    #[error("a condition is METRIC, one of > >= < <= == !=, and a value: p99>20ms")]
    NoComparison,
    /// It names nothing that is measured.
    #[error("{0} is not measured; there are {METRICS}")]
    UnknownMetric(String),
    /// Its value is no number.
    #[error("{0} is no number")]
    NotANumber(String),
    /// Its unit is not one of the metric's.
    #[error("{metric} takes {units}, not {unit}")]
    Unit {
        /// The metric.
        metric: String,
        /// The unit given.
        unit: String,
        /// The units that there are.
        units: &'static str,
    },
}

const METRICS: &str = "p50, p90, p99, p99.9 (any p), min, mean, max, loss, duplicates, reordered, \
                       refused, failed, sent, received, send-rate, rate, cpu, rss, lag";

/// Longer operators first.
const COMPARISONS: [(&str, Comparison); 7] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    (">", Comparison::Above),
    ("<", Comparison::Below),
    ("=", Comparison::Equal),
];

/// What a condition came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// It does not hold.
    Passed,
    /// It holds: the run failed. With the value found, in the condition's unit.
    Hit(f64),
    /// The run did not measure it, which does not count as passed.
    NotMeasured,
}

impl Threshold {
    /// The condition as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Holds the condition against a report.
    pub fn check(&self, report: &Report) -> Finding {
        let Some(found) = self.metric.of(report) else {
            return Finding::NotMeasured;
        };
        if self.comparison.holds(found, self.value) {
            Finding::Hit(found)
        } else {
            Finding::Passed
        }
    }

    /// A value of this condition's metric, for people.
    pub fn show(&self, value: f64) -> String {
        match (self.metric, self.metric.unit()) {
            (Metric::LostShare, _) => format!("{:.4} %", value * 100.0),
            (_, Unit::Time) => format!("{:.3} ms", value / 1000.0),
            (_, Unit::Bytes) => format!("{:.1} MB", value / 1e6),
            (_, Unit::Number) => format!("{value:.0}"),
        }
    }
}

impl FromStr for Threshold {
    type Err = ThresholdFault;

    fn from_str(text: &str) -> Result<Self, ThresholdFault> {
        let at = text.find(['<', '>', '=', '!']);
        let at = at.ok_or(ThresholdFault::NoComparison)?;
        let (name, rest) = text.split_at(at);
        let found = COMPARISONS
            .iter()
            .find_map(|(sign, comparison)| Some((rest.strip_prefix(sign)?, *comparison)));
        let (value, comparison) = found.ok_or(ThresholdFault::NoComparison)?;
        let name = name.trim();
        let unknown = || ThresholdFault::UnknownMetric(name.to_owned());
        let metric = Metric::parse(name).ok_or_else(unknown)?;
        let (metric, value) = metric.value(name, value.trim())?;
        Ok(Self {
            text: text.trim().to_owned(),
            metric,
            comparison,
            value,
        })
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "counts are whole numbers in here")]
    fn holds(self, found: f64, value: f64) -> bool {
        match self {
            Self::Above => found > value,
            Self::AtLeast => found >= value,
            Self::Below => found < value,
            Self::AtMost => found <= value,
            Self::Equal => found == value,
            Self::NotEqual => found != value,
        }
    }
}

impl Metric {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "min" => Self::LatencyMin,
            "mean" | "avg" => Self::LatencyMean,
            "max" => Self::LatencyMax,
            "loss" | "lost" => Self::Lost,
            "duplicates" | "duplicated" | "dup" => Self::Duplicated,
            "reordered" | "order" => Self::Reordered,
            "refused" => Self::Refused,
            "failed" | "errors" => Self::FailedClients,
            "sent" => Self::Sent,
            "received" => Self::Received,
            "send-rate" => Self::SentPerSec,
            "rate" => Self::ReceivedPerSec,
            "cpu" => Self::BrokerCpu,
            "rss" => Self::BrokerRss,
            "lag" => Self::Lag,
            // p999 is p99.9, as people write it.
            "p999" => Self::Quantile(0.999),
            "p9999" => Self::Quantile(0.9999),
            _ => {
                let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
                if !(0.0..=100.0).contains(&percent) {
                    return None;
                }
                Self::Quantile(percent / 100.0)
            }
        })
    }

    fn unit(self) -> Unit {
        match self {
            Self::Quantile(_)
            | Self::LatencyMin
            | Self::LatencyMean
            | Self::LatencyMax
            | Self::BrokerCpu
            | Self::Lag => Unit::Time,
            Self::BrokerRss => Unit::Bytes,
            Self::Lost
            | Self::LostShare
            | Self::Duplicated
            | Self::Reordered
            | Self::Refused
            | Self::FailedClients
            | Self::Sent
            | Self::Received
            | Self::SentPerSec
            | Self::ReceivedPerSec => Unit::Number,
        }
    }

    /// Reads a value with its unit; a loss in percent is another metric than one in messages.
    fn value(self, name: &str, text: &str) -> Result<(Self, f64), ThresholdFault> {
        let digits = text
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_'))
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: f64 = number
            .replace('_', "")
            .parse()
            .map_err(|_| ThresholdFault::NotANumber(text.to_owned()))?;
        let unit = unit.trim();
        if self == Self::Lost && unit == "%" {
            return Ok((Self::LostShare, number / 100.0));
        }
        let (factor, units) = match self.unit() {
            Unit::Time => (time_factor(unit), "us, ms or s"),
            Unit::Bytes => (bytes_factor(unit), "kB, MB, GB, KiB, MiB or GiB"),
            Unit::Number => (number_factor(unit), "a number, also with k or M"),
        };
        let factor = factor.ok_or_else(|| ThresholdFault::Unit {
            metric: name.to_owned(),
            unit: if unit.is_empty() { "none" } else { unit }.to_owned(),
            units,
        })?;
        Ok((self, number * factor))
    }

    fn of(self, report: &Report) -> Option<f64> {
        let counts = &report.counts;
        let latency = report.latency.as_ref();
        let delivers = counts.expected > 0 || counts.received > 0;
        let of_deliveries = |value: f64| delivers.then_some(value);
        match self {
            Self::Quantile(quantile) => report.quantile_us(quantile),
            Self::LatencyMin => latency.map(|l| l.min_us),
            Self::LatencyMean => latency.map(|l| l.mean_us),
            Self::LatencyMax => latency.map(|l| l.max_us),
            Self::Lost => of_deliveries(counts.lost as f64),
            Self::LostShare => of_deliveries(counts.lost as f64 / counts.expected.max(1) as f64),
            Self::Duplicated => of_deliveries(counts.duplicated as f64),
            Self::Reordered => of_deliveries(counts.reordered as f64),
            Self::Refused => Some(counts.refused as f64),
            Self::FailedClients => Some(counts.failed_clients as f64),
            Self::Sent => Some(counts.sent as f64),
            Self::Received => Some(counts.received as f64),
            Self::SentPerSec => Some(counts.sent_per_sec),
            Self::ReceivedPerSec => of_deliveries(counts.received_per_sec),
            Self::BrokerCpu => report.broker_use.map(|b| b.cpu_us_per_item),
            Self::BrokerRss => report.broker_use.map(|b| b.rss_bytes_peak as f64),
            Self::Lag => report.generator.lag_p99_us,
        }
    }
}

fn time_factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "us" | "µs" | "μs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    })
}

fn bytes_factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    })
}

fn number_factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "/s" => 1.0,
        "k" | "k/s" => 1e3,
        "M" | "M/s" => 1e6,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, metric: Metric, comparison: Comparison, value: f64) {
        let threshold: Threshold = text.parse().unwrap();
        let expected = Threshold {
            text: text.to_owned(),
            metric,
            comparison,
            value,
        };
        assert_eq!(threshold, expected);
    }

    #[test]
    fn conditions_name_a_metric_a_comparison_and_a_value() {
        use Comparison as C;
        check("p99>20ms", Metric::Quantile(0.99), C::Above, 20_000.0);
        check(
            "p99.9 >= 1.5 s",
            Metric::Quantile(99.9 / 100.0),
            C::AtLeast,
            1.5e6,
        );
        check("p999<300us", Metric::Quantile(0.999), C::Below, 300.0);
        check("loss>0", Metric::Lost, C::Above, 0.0);
        check("loss > 0.1%", Metric::LostShare, C::Above, 0.1 / 100.0);
        check("rate<10k", Metric::ReceivedPerSec, C::Below, 10_000.0);
        check("sent!=1_000", Metric::Sent, C::NotEqual, 1000.0);
        check("received=5", Metric::Received, C::Equal, 5.0);
        check("cpu<=5us", Metric::BrokerCpu, C::AtMost, 5.0);
        check("rss>64MiB", Metric::BrokerRss, C::Above, 67_108_864.0);
    }

    #[test]
    fn faulty_conditions_say_what_is_wrong() {
        let fault = |text: &str| text.parse::<Threshold>().unwrap_err();
        assert_eq!(fault("p99"), ThresholdFault::NoComparison);
        assert_eq!(fault("p99!5ms"), ThresholdFault::NoComparison);
        for name in ["speed", "p", "p101", "pNaN", ""] {
            let expected = ThresholdFault::UnknownMetric(name.to_owned());
            assert_eq!(fault(&format!("{name}>1")), expected);
        }
        for value in ["", "x", "-1", "1.2.3"] {
            let expected = ThresholdFault::NotANumber(value.to_owned());
            assert_eq!(fault(&format!("loss>{value}")), expected);
        }
        for condition in ["p99>5", "p99>5MB", "loss>5ms", "rss>5", "rate<5%"] {
            assert!(matches!(fault(condition), ThresholdFault::Unit { .. }));
        }
    }

    #[test]
    fn each_comparison_is_what_its_sign_says() {
        for (sign, below, equal, above) in [
            (">", false, false, true),
            (">=", false, true, true),
            ("<", true, false, false),
            ("<=", true, true, false),
            ("==", false, true, false),
            ("!=", true, false, true),
        ] {
            let threshold: Threshold = format!("loss{sign}5").parse().unwrap();
            let holds = |found| threshold.comparison.holds(found, threshold.value);
            let found = [holds(4.0), holds(5.0), holds(6.0)];
            assert_eq!(found, [below, equal, above], "{sign}");
        }
    }
}
