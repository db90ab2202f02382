//! Plain numbers for exporters of metrics.

mod collect;
mod counts;
mod dht;
mod utp;

use std::fmt;
use std::sync::Arc;

pub(crate) use collect::{TorrentFigures, collect};
pub use counts::Counts;
pub(crate) use counts::SharedCounts;

/// The figures of a client at one moment, as a list that an exporter walks.
///
/// [`Client::figures`](crate::Client::figures) collects them. The list of metrics depends on the
/// [`FigureDetail`] alone, so that an exporter may register them once: a metric without samples is in it as well.
///
/// `Display` writes Prometheus' text format, version 0.0.4, so that the body of a response to `GET /metrics` is
/// `client.figures(FigureDetail::Torrents).to_string()`. Names and labels are stable.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Figures {
    metrics: Vec<Metric>,
}

/// A number with a name, for the client or for each torrent, tracker or peer.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Metric {
    /// The name, as Prometheus wants it: with a prefix and the unit, and with `_total` behind a counter.
    pub name: &'static str,
    /// The meaning in a sentence.
    pub help: &'static str,
    /// The kind.
    pub kind: MetricKind,
    /// The values, each with other labels.
    pub samples: Vec<Sample>,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MetricKind {
    /// A number that only grows. It begins again at zero when the client, or the torrent of its label, does.
    Counter,
    /// A number of the moment.
    Gauge,
}

/// A value of a metric.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Sample {
    /// Names and values that tell it from the other samples of the metric. Text of strangers in them is
    /// printable, but not escaped.
    pub labels: Arc<[(&'static str, String)]>,
    /// The value. Integers are exact up to 2^53.
    pub value: f64,
}

/// The detail of figures. Each is at the price of a sample for each torrent, tracker or peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FigureDetail {
    /// The client and its disk alone: some 55 metrics, whatever the number of torrents.
    Client,
    /// Each torrent and each of its trackers as well.
    #[default]
    Torrents,
    /// Each connected peer as well. Their addresses come and go, which makes for many time series: it is for a
    /// look by hand, and not for a database.
    Peers,
}

impl Figures {
    /// The metrics, in a fixed order.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The metric of this name.
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

impl Metric {
    /// A metric without labels.
    pub fn single(name: &'static str, help: &'static str, kind: MetricKind, value: f64) -> Self {
        let samples = vec![Sample { labels: Arc::default(), value }];
        Self { name, help, kind, samples }
    }
}

impl IntoIterator for Figures {
    type Item = Metric;
    type IntoIter = std::vec::IntoIter<Metric>;

    fn into_iter(self) -> Self::IntoIter {
        self.metrics.into_iter()
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        })
    }
}

/// Prometheus' text format, version 0.0.4.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.metrics.iter().try_for_each(|metric| metric.fmt(f))
    }
}

/// The lines of the metric in Prometheus' text format.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metric { name, help, kind, samples } = self;
        writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        for Sample { labels, value } in samples {
            f.write_str(name)?;
            for (at, (label, text)) in labels.iter().enumerate() {
                write!(f, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, Escaped(text))?;
            }
            writeln!(f, "{} {value}", if labels.is_empty() { "" } else { "}" })?;
        }
        Ok(())
    }
}

/// The value of a label, with a backslash before what would end it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => write!(f, "{other}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_leave_their_quotes() {
        let labels = [("name", "a \"b\" \\ c\nd".to_owned()), ("x", String::new())].into();
        let samples = vec![Sample { labels, value: 2.5 }];
        let metric = Metric { name: "n", help: "It is.", kind: MetricKind::Gauge, samples };
        assert_eq!(
            metric.to_string(),
            "# HELP n It is.\n# TYPE n gauge\nn{name=\"a \\\"b\\\" \\\\ c\\nd\",x=\"\"} 2.5\n"
        );
        let single = Metric::single("n_total", "It is.", MetricKind::Counter, 7.0);
        assert_eq!(
            single.to_string(),
            "# HELP n_total It is.\n# TYPE n_total counter\nn_total 7\n"
        );
    }
}
