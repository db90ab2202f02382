//! Holds content on disk against a .torrent. Never writes.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Parser;
use serde_json::{Value, json};
use tinytorrent_examples::{
    Common, Failure, Outcome, Output, interrupt_flag, read_torrent_file, run, start,
};
use tinytorrent_metainfo::{
    FileFault, FileFaultKind, Metainfo, Progress, VerifyError, VerifyOptions, VerifyReport,
};

/// Compares content on disk with a .torrent.
///
/// Exit code 0 if every file is there, as long as it should be, and every piece is right; 1 if not, 2
/// if the torrent is invalid. Symbolic links are followed, as `create` does.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The .torrent
    #[arg(value_name = "TORRENT")]
    torrent: PathBuf,

    /// The folder that holds the torrent's file or folder
    #[arg(value_name = "CONTENT_DIR")]
    folder: PathBuf,

    /// Threads that read and hash
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let options: Options = start();
    run(&options.common, || {
        // Before anything that can wait, so that a signal ends that too.
        interrupt_flag();
        let out = options.common.output();
        let metainfo = read(&options)?;
        let report = verify(&options, out, &metainfo)?;
        tell(out, &metainfo, &report);
        if report.is_complete() { Ok(()) } else { Err(incomplete(&report)) }
    })
}

fn read(options: &Options) -> Result<Metainfo, Failure> {
    let bytes = read_torrent_file(&options.torrent)?;
    let path = options.torrent.display();
    let invalid = |error| Failure::invalid_input(format!("{path} is no torrent"), &error);
    let metainfo = Metainfo::from_bytes_lenient(&bytes).map_err(invalid)?;
    metainfo.warnings().iter().for_each(|warning| tracing::info!(%warning, "torrent"));
    Ok(metainfo)
}

fn verify(options: &Options, out: Output, metainfo: &Metainfo) -> Result<VerifyReport, Failure> {
    let bar = out.progress_bar(0);
    let flag = interrupt_flag();
    let observer = |progress: Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        if flag.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut verification = VerifyOptions::new();
    verification.threads(options.threads).follow_links(true);
    let report = verification.verify(metainfo, &options.folder, &observer);
    bar.finish_and_clear();
    report.map_err(|error| match error {
        VerifyError::Cancelled => Failure::Interrupted,
        error @ VerifyError::Inconsistent { .. } => {
            Failure::invalid_input(options.torrent.display(), &error)
        }
        error => Failure::could_not("cannot verify", &error),
    })
}

fn incomplete(report: &VerifyReport) -> Failure {
    let count = report.pieces().piece_count();
    match (count - report.pieces().count(), report.faults().len()) {
        (0, 1) => Failure::CouldNot("a file is not as it should be".to_owned()),
        (0, files) => Failure::CouldNot(format!("{files} files are not as they should be")),
        (bad, _) => Failure::CouldNot(format!("{bad} of {count} pieces are missing or wrong")),
    }
}

fn tell(out: Output, metainfo: &Metainfo, report: &VerifyReport) {
    for fault in report.faults() {
        out.say(format!("{}: {}", report.path(metainfo, fault).display(), describe(fault)));
    }
    let (good, count) = (report.pieces().count(), report.pieces().piece_count());
    out.say(format!("{good} of {count} pieces are right"));
    let verified = json!({
        "event": "verified",
        "complete": report.is_complete(),
        "pieces_right": good,
        "piece_count": count,
        "total_size": metainfo.layout().total_length(),
    });
    let faults = report.faults().iter().map(|fault| to_json(fault, &report.path(metainfo, fault)));
    out.event_with_list(&verified, "faults", faults);
}

fn to_json(fault: &FileFault, path: &Path) -> Value {
    json!({
        "index": fault.file.get(),
        "path": path.to_string_lossy(),
        "what": word(fault.kind),
        "pieces": fault.pieces.iter().map(run_json).collect::<Vec<_>>(),
    })
}

/// A piece, or the first and the last of several in a row: a torrent of a few bytes can have millions of
/// pieces that are missing.
fn run_json(run: &Range<u32>) -> Value {
    match run.len() {
        1 => json!(run.start),
        _ => json!([run.start, run.end - 1]),
    }
}

fn describe(fault: &FileFault) -> String {
    let kind = fault.kind;
    match fault.piece_count() {
        0 => kind.to_string(),
        1 => format!("{kind}, piece {}", ranges(&fault.pieces)),
        _ => format!("{kind}, pieces {}", ranges(&fault.pieces)),
    }
}

/// The kind for programs: a word that stays.
fn word(kind: FileFaultKind) -> &'static str {
    match kind {
        FileFaultKind::Missing => "missing",
        FileFaultKind::Short => "too short",
        FileFaultKind::Long => "too long",
        FileFaultKind::Link => "link",
        FileFaultKind::Unreadable(_) => "unreadable",
        _ => "wrong",
    }
}

/// Ranges as people write them: `0, 2-4`.
fn ranges(runs: &[Range<u32>]) -> String {
    let runs = runs.iter().map(|run| match run.len() {
        1 => run.start.to_string(),
        _ => format!("{}-{}", run.start, run.end - 1),
    });
    runs.collect::<Vec<_>>().join(", ")
}
