use tinytorrent_client::{Figures, Metric, MetricKind, Sample};

use crate::{Phase, Status};

/// The figures of the client in Prometheus' text format, with the torrents by what they do here.
pub(crate) fn metrics(status: &Status, figures: Figures) -> String {
    let mut phases = Metric::single(PHASES, "Torrents by what they do.", MetricKind::Gauge, 0.0);
    let sample = |phase: Phase| Sample {
        labels: [("state", phase.name().to_owned())].into(),
        value: status.count(phase) as f64,
    };
    phases.samples = Phase::ALL.into_iter().map(sample).collect();
    // The client has fewer states.
    let others = figures.into_iter().filter(|metric| metric.name != PHASES);
    others.chain([phases]).map(|metric| metric.to_string()).collect()
}

const PHASES: &str = "tinytorrent_torrents";

#[cfg(test)]
mod tests {
    use tinytorrent_client::{Client, ClientOptions, FigureDetail};

    use super::*;
    use crate::testing::{row, status};

    #[tokio::test]
    async fn each_metric_is_introduced_once_and_torrents_are_told_by_phase() {
        let mut options = ClientOptions::default();
        let client = Client::start(options.accept_peers(false).dht(false)).unwrap();
        let rows = vec![row(1, "a", Phase::Done), row(2, "b", Phase::Failed)];
        let text = metrics(&status(rows), client.figures(FigureDetail::Torrents));
        assert!(text.contains("tinytorrent_torrents{state=\"done\"} 1\n"), "{text}");
        assert!(text.contains("tinytorrent_torrents{state=\"seeding\"} 0\n"), "{text}");
        let types = text.lines().filter(|line| line.starts_with("# TYPE "));
        let mut types: Vec<_> = types.collect();
        let count = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), count);
    }
}
