//! Makes a .torrent from a file or folder.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tinytorrent_examples::{
    Common, Failure, Mode, NewFile, Outcome, Output, format_size, interrupt_flag, parse_size,
    parse_tier, parse_tracker, parse_web_seed, run, say_on_stderr, start,
};
use tinytorrent_metainfo::{
    CreateError, CreateNote, CreateNoteKind, CreateOptions, CreatePlan, HostPort, LinkPolicy,
    Magnet, Metainfo, OutputConflict, Progress, Version,
};

/// Makes a .torrent from a file or folder.
///
/// Files come in the order of their paths, so that the same content and options give the same bytes
/// on every machine, but for the date. Pipes, sockets, devices and empty folders are left out, which is
/// said; whatever else cannot be part of a torrent is named before anything is hashed.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The file or folder
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// File to write the torrent to, outside of the folder that it is made of; - is standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// Replace FILE if it exists; never one of the files that the torrent is made of
    #[arg(long)]
    force: bool,

    /// A tracker, in a tier of its own (repeatable)
    #[arg(long = "tracker", value_name = "URL", value_parser = parse_tracker)]
    trackers: Vec<String>,

    /// Trackers that make a tier, after those of --tracker (repeatable)
    #[arg(long = "tier", value_name = "URL,URL", value_parser = parse_tier)]
    tiers: Vec<Vec<String>>,

    /// SHA-1 pieces, which every client knows (the default)
    #[arg(long, conflicts_with_all = ["v2", "hybrid"])]
    v1: bool,

    /// SHA-256 merkle trees (BEP 52)
    #[arg(long, conflicts_with = "hybrid")]
    v2: bool,

    /// Both, for clients of either kind
    #[arg(long)]
    hybrid: bool,

    /// Bytes of a piece, such as 256KiB: a power of two; by default at most 2,048 pieces
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    piece_length: Option<u64>,

    /// Peers come from the trackers only
    #[arg(long)]
    private: bool,

    /// A text that gives the torrent an info-hash of its own
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,

    /// Comment on the torrent
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,

    /// URL of the content over HTTP (repeatable)
    #[arg(long = "web-seed", value_name = "URL", value_parser = parse_web_seed)]
    web_seeds: Vec<String>,

    /// A node of the distributed hash table to start from (repeatable)
    #[arg(long = "node", value_name = "HOST:PORT")]
    nodes: Vec<HostPort>,

    /// The name in the torrent, in place of the file's or folder's own
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Symbolic links below PATH: links in the torrent too, which must stay inside the folder; the
    /// content that they lead to; or nothing
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Links::Keep)]
    links: Links,

    /// Leave the date out, so that nothing but content and options counts
    #[arg(long)]
    no_creation_date: bool,

    /// Threads that read and hash
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Links {
    Follow,
    Keep,
    Skip,
}

fn main() -> Outcome {
    let options: Options = start();
    run(&options.common, || {
        // Before anything that can wait, so that a signal ends that too.
        interrupt_flag();
        let out =
            if is_stdout(&options.output) { quiet(&options)? } else { options.common.output() };
        let plan = creation(&options)?.plan(&options.path).map_err(|e| explain(&options, e))?;
        let output = open_output(&options, &plan)?;
        if !options.common.quiet {
            plan.notes().iter().for_each(|note| say_on_stderr("note", note));
        }
        let metainfo = create(&options, out, &plan)?;
        write(output.as_ref(), &metainfo.to_bytes())?;
        tell(&options, out, &plan, &metainfo);
        Ok(())
    })
}

fn is_stdout(output: &Path) -> bool {
    output == Path::new("-") || output == Path::new("/dev/stdout")
}

/// Standard output is for the torrent alone.
fn quiet(options: &Options) -> Result<Output, Failure> {
    match options.common.json {
        true => Err(Failure::InvalidInput("--json and a torrent on standard output".to_owned())),
        false => Ok(Output::new(Mode::Quiet)),
    }
}

/// Makes sure that the torrent can be written, and destroys nothing, before anything is hashed.
fn open_output(options: &Options, plan: &CreatePlan) -> Result<Option<NewFile>, Failure> {
    if is_stdout(&options.output) {
        return Ok(None);
    }
    let refuse = |reason: &str| {
        Err(Failure::CouldNot(format!("cannot write {}: {reason}", options.output.display())))
    };
    match plan.output_conflict(&options.output) {
        Ok(Some(OutputConflict::Source)) => refuse("it is one of the files of the torrent"),
        Ok(Some(_)) => refuse("it lies in the folder of the torrent; write it elsewhere"),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::could_not(format!("cannot write {}", options.output.display()), &error))
        }
        // What is not there is named where the file is tried.
        Ok(None) | Err(_) => NewFile::at(&options.output, options.force).map(Some),
    }
}

fn create(options: &Options, out: Output, plan: &CreatePlan) -> Result<Metainfo, Failure> {
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
    let created = plan.create(&observer);
    bar.finish_and_clear();
    created.map_err(|error| explain(options, error))
}

fn explain(options: &Options, error: CreateError) -> Failure {
    match error {
        CreateError::Cancelled => Failure::Interrupted,
        CreateError::Name { .. } if options.name.is_some() => {
            Failure::invalid_input("--name", &error)
        }
        CreateError::Name { .. } => Failure::could_not("--name is needed", &error),
        error => Failure::could_not(format!("no torrent of {}", options.path.display()), &error),
    }
}

fn creation(options: &Options) -> Result<CreateOptions, Failure> {
    let mut creation = CreateOptions::new();
    creation.version(match (options.v2, options.hybrid) {
        (true, _) => Version::V2,
        (_, true) => Version::Hybrid,
        _ => Version::V1,
    });
    if let Some(bytes) = options.piece_length {
        let invalid = |error| Failure::invalid_input("--piece-length", &error);
        creation.piece_length(bytes).map_err(invalid)?;
    }
    creation.private(options.private).threads(options.threads).created_by(CREATED_BY);
    options.trackers.iter().for_each(|url| _ = creation.tracker(url));
    options.tiers.iter().for_each(|urls| _ = creation.tier(urls));
    options.web_seeds.iter().for_each(|url| _ = creation.web_seed(url));
    options.nodes.iter().for_each(|node| _ = creation.node(node.clone()));
    options.source.iter().for_each(|source| _ = creation.source(source));
    options.comment.iter().for_each(|comment| _ = creation.comment(comment));
    options.name.iter().for_each(|name| _ = creation.name(name));
    creation.links(match options.links {
        Links::Follow => LinkPolicy::Follow,
        Links::Keep => LinkPolicy::Keep,
        Links::Skip => LinkPolicy::Skip,
    });
    if !options.no_creation_date {
        creation.creation_date(now());
    }
    Ok(creation)
}

const CREATED_BY: &str = concat!("tinytorrent ", env!("CARGO_PKG_VERSION"));

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

fn write(output: Option<&NewFile>, bytes: &[u8]) -> Result<(), Failure> {
    let Some(file) = output else {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        return written.map_err(|error| Failure::could_not("cannot write the torrent", &error));
    };
    file.write(bytes)
}

fn tell(options: &Options, out: Output, plan: &CreatePlan, metainfo: &Metainfo) {
    let (hashes, geometry) = (metainfo.hashes(), metainfo.info().geometry());
    let magnet = Magnet::from(metainfo).to_string();
    let v1 = hashes.v1().map(|hash| hash.to_string());
    let v2 = hashes.v2().map(|hash| hash.to_string());
    out.say(format!(
        "{}: {} in {} pieces of {}",
        options.output.display(),
        format_size(metainfo.layout().payload_length_total()),
        geometry.piece_count(),
        format_size(geometry.nominal_piece_length().into()),
    ));
    v1.iter().for_each(|hash| out.say(format!("info-hash v1: {hash}")));
    v2.iter().for_each(|hash| out.say(format!("info-hash v2: {hash}")));
    out.say(&magnet);
    out.event(&json!({
        "event": "created",
        "path": options.output.to_string_lossy(),
        "name": metainfo.info().name(),
        "info_hash_v1": v1,
        "info_hash_v2": v2,
        "total_size": metainfo.layout().total_length(),
        "piece_length": geometry.nominal_piece_length(),
        "piece_count": geometry.piece_count(),
        "magnet": magnet,
        "notes": plan.notes().iter().map(note_json).collect::<Vec<_>>(),
    }));
}

fn note_json(note: &CreateNote) -> Value {
    let what = match note.kind {
        CreateNoteKind::EmptyFolders => "empty_folders",
        CreateNoteKind::FollowedLinks => "followed_links",
        CreateNoteKind::SkippedLinks => "skipped_links",
        CreateNoteKind::SpecialFiles => "special_files",
        CreateNoteKind::UnportableNames => "unportable_names",
        _ => "other",
    };
    let paths: Vec<_> = note.paths.iter().map(|path| path.to_string_lossy()).collect();
    json!({ "what": what, "count": note.count, "paths": paths })
}
