//! Holds content on disk against a .torrent. Never writes.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Parser;
use serde_json::{Value, json};
use tinytorrent_examples::{
    Common, Failure, Outcome, Output, interrupt_flag, read_torrent_file, run,
};
use tinytorrent_metainfo::{
    FileFault, FileFaultKind, Metainfo, Progress, VerifyError, VerifyOptions, VerifyReport,
};

/// Holds content on disk against a .torrent.
///
/// Exit code 0 if every piece is right, 1 if one is missing or wrong, 2 if the torrent is invalid.
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
    let options = Options::parse();
    run(&options.common, || {
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
    let report = verification.threads(options.threads).verify(metainfo, &options.folder, &observer);
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
    let bad = count - report.pieces().count();
    Failure::CouldNot(format!("{bad} of {count} pieces are missing or wrong"))
}

fn tell(out: Output, metainfo: &Metainfo, report: &VerifyReport) {
    for fault in report.faults() {
        out.say(format!("{}: {}", path(metainfo, fault), describe(fault)));
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
    let faults = report.faults().iter().map(|fault| to_json(metainfo, fault));
    out.event_with_list(&verified, "faults", faults);
}

fn to_json(metainfo: &Metainfo, fault: &FileFault) -> Value {
    json!({
        "index": fault.file.get(),
        "path": path(metainfo, fault),
        "what": word(fault.kind),
        "pieces": fault.pieces,
    })
}

fn path(metainfo: &Metainfo, fault: &FileFault) -> String {
    let file = metainfo.layout().file(fault.file.get());
    file.map(|file| file.path.to_string()).unwrap_or_default()
}

fn describe(fault: &FileFault) -> String {
    let word = word(fault.kind);
    match fault.pieces.len() {
        0 => word.to_owned(),
        1 => format!("{word}, piece {}", fault.pieces[0]),
        _ => format!("{word}, pieces {}", ranges(&fault.pieces)),
    }
}

fn word(kind: FileFaultKind) -> &'static str {
    match kind {
        FileFaultKind::Missing => "missing",
        FileFaultKind::Short => "too short",
        FileFaultKind::Long => "too long",
        _ => "wrong",
    }
}

/// Ascending numbers as people write them: `0, 2-4`.
fn ranges(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next).map(|run| match run {
        [only] => only.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(", ")
}
