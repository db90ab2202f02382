//! Shows what is in a .torrent or a magnet link.

use std::path::Path;

use clap::Parser;
use serde_json::{Value, json};
use tinytorrent_examples::{
    Common, Failure, Names, Outcome, Output, Source, format_size, read_torrent_file, run, start,
};
use tinytorrent_metainfo::{
    Error, ErrorKind, File, HostPort, KeyMagnet, Magnet, MagnetLink, Metainfo, ReadOptions,
    SafePath, TorrentKey, Version,
};
use tinytorrent_types::{InfoHashes, hex};

/// Shows what is in a .torrent or a magnet link.
///
/// The paths are those that would be written to disk. Exit code 0 if the torrent is as the BEPs
/// say, or with --lenient if it can be read at all; 2 if not.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// A .torrent or a magnet link
    #[arg(value_name = "TORRENT|MAGNET")]
    source: Source,

    /// Accept what is deployed, and list what is wrong with it
    #[arg(long)]
    lenient: bool,

    /// Names on disk, whose changes are listed
    #[arg(long, value_enum, default_value_t, value_name = "NAMES")]
    names: Names,

    #[command(flatten)]
    common: Common,
}

fn main() -> Outcome {
    let options: Options = start();
    run(&options.common, || {
        let out = options.common.output();
        match &options.source {
            Source::File(path) => inspect_file(path, &options, out),
            Source::Url(_) => Err(Failure::InvalidInput(
                "inspect reads files and magnet links; fetch the torrent first".to_owned(),
            )),
            Source::Magnet(link) => inspect_magnet(link, out),
            source => inspect_magnet(&source.bare_magnet().unwrap_or_default(), out),
        }
    })
}

fn inspect_file(path: &Path, options: &Options, out: Output) -> Result<(), Failure> {
    let bytes = read_torrent_file(path)?;
    let invalid = |error: Error| {
        Failure::invalid_input(format!("{} is no valid torrent", path.display()), &error)
    };
    let policy = options.names.into();
    let strict = ReadOptions::strict().path_policy(policy).read(&bytes);
    // Lenient reading alone finds all that is wrong.
    let shown = match &strict {
        Ok(_) => strict.clone(),
        Err(_) => ReadOptions::lenient().path_policy(policy).read(&bytes),
    };
    match &shown {
        Ok(metainfo) => tell_torrent(out, metainfo),
        Err(error) => {
            if let ErrorKind::IsMagnet(link) = error.kind() {
                return inspect_magnet(link, out);
            }
        }
    }
    if options.lenient {
        shown.map(drop).map_err(invalid)
    } else {
        strict.map(drop).map_err(invalid)
    }
}

fn tell_torrent(out: Output, metainfo: &Metainfo) {
    let (info, layout) = (metainfo.info(), metainfo.layout());
    out.say(format!("name: {}", info.name()));
    say_hashes(out, metainfo.hashes());
    out.say(format!(
        "content: {} in {} files, {} pieces of {}",
        format_size(layout.payload_length_total()),
        layout.files().filter(|file| !file.is_pad()).count(),
        info.geometry().piece_count(),
        format_size(info.geometry().nominal_piece_length().into()),
    ));
    if info.is_private() {
        out.say("private: yes");
    }
    say_some(out, "source", info.source());
    // A comment may have lines, and each line of ours begins with what it is about.
    say_some(out, "comment", metainfo.comment().map(one_line).as_deref());
    say_some(out, "created by", metainfo.created_by());
    for (tier, urls) in metainfo.trackers().iter().enumerate() {
        out.say(format!("trackers, tier {tier}: {}", urls.join(" ")));
    }
    say_list(out, "web seeds", metainfo.web_seeds());
    say_list(out, "http seeds", metainfo.http_seeds());
    say_list(out, "nodes", metainfo.nodes());
    for file in layout.files().filter(|file| !file.is_pad()) {
        out.say(format!("{:>5} {:>12} {}", file.index, format_size(file.length), file.path));
    }
    let warnings = metainfo.warnings();
    warnings.iter().for_each(|warning| out.say(format!("warning: {warning}")));
    if metainfo.warning_count() > warnings.len() {
        out.say(format!("and {} more warnings", metainfo.warning_count() - warnings.len()));
    }
    let files = layout.files().map(|file| file_to_json(metainfo, &file));
    out.event_with_list(&torrent_to_json(metainfo), "files", files);
}

/// All but the files.
fn torrent_to_json(metainfo: &Metainfo) -> Value {
    let (info, layout) = (metainfo.info(), metainfo.layout());
    let warnings = metainfo.warnings().iter().map(|warning| {
        json!({
            "offset": warning.offset,
            "path": warning.path.to_string(),
            "what": warning.kind.to_string(),
        })
    });
    json!({
        "name": info.name(),
        "version": version(info.version()),
        "info_hash_v1": metainfo.hashes().v1().map(|hash| hash.to_string()),
        "info_hash_v2": metainfo.hashes().v2().map(|hash| hash.to_string()),
        "total_size": layout.total_length(),
        "piece_length": info.geometry().nominal_piece_length(),
        "piece_count": info.geometry().piece_count(),
        "private": info.is_private(),
        "trackers": metainfo.trackers(),
        "web_seeds": metainfo.web_seeds(),
        "http_seeds": metainfo.http_seeds(),
        "nodes": nodes_to_json(metainfo.nodes()),
        "comment": metainfo.comment(),
        "created_by": metainfo.created_by(),
        "creation_date": metainfo.creation_date(),
        "source": info.source(),
        "magnet": Magnet::from(metainfo).to_string(),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}

fn file_to_json(metainfo: &Metainfo, file: &File<'_>) -> Value {
    json!({
        "index": file.index.get(),
        "path": elements(file.path),
        "length": file.length,
        "pad": file.is_pad(),
        "executable": file.attributes.is_executable(),
        "hidden": file.attributes.is_hidden(),
        "symlink": file.link_target.map(elements),
        "pieces_root": metainfo.info().pieces_root(file.index).map(hex::encode),
    })
}

fn elements(path: SafePath<'_>) -> Vec<String> {
    path.elements().map(|element| String::from_utf8_lossy(element).into_owned()).collect()
}

fn nodes_to_json(nodes: &[HostPort]) -> Vec<Value> {
    nodes.iter().map(|node| json!([node.host(), node.port()])).collect()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
        Version::Hybrid => "hybrid",
    }
}

fn inspect_magnet(link: &str, out: Output) -> Result<(), Failure> {
    let invalid = |error| Failure::invalid_input("this is no magnet link that can be used", &error);
    let magnet = match link.parse().map_err(invalid)? {
        MagnetLink::Torrent(magnet) => magnet,
        MagnetLink::Key(link) => {
            inspect_key(&link, out);
            return Ok(());
        }
    };
    say_some(out, "name", magnet.name.as_deref());
    say_hashes(out, magnet.hashes);
    if let Some(key) = &magnet.key {
        say_key(out, key);
    }
    say_list(out, "trackers", &magnet.trackers);
    say_list(out, "web seeds", &magnet.web_seeds);
    say_list(out, "peers", &magnet.peers);
    say_list(out, "nodes", &magnet.nodes);
    if !magnet.selection.is_empty() {
        out.say(format!("files: {}", magnet.selection));
    }
    out.event(&magnet_to_json(&magnet));
    Ok(())
}

/// A link whose torrent only the DHT knows (BEP 46).
fn inspect_key(link: &KeyMagnet, out: Output) {
    say_some(out, "name", link.name());
    say_key(out, link.key());
    say_list(out, "nodes", link.nodes());
    let key = key_to_json(link.key());
    out.event(&json!({
        "name": link.name(),
        "info_hash_v1": null,
        "info_hash_v2": null,
        "key": key,
        "nodes": nodes_to_json(link.nodes()),
        "magnet": link.to_string(),
        "warnings": [],
    }));
}

fn say_key(out: Output, key: &TorrentKey) {
    out.say(format!("public key: {}", hex::encode(key.public())));
    if !key.salt().is_empty() {
        out.say(format!("salt: {}", hex::encode(key.salt())));
    }
}

fn key_to_json(key: &TorrentKey) -> Value {
    json!({ "public": hex::encode(key.public()), "salt": hex::encode(key.salt()) })
}

fn magnet_to_json(magnet: &Magnet) -> Value {
    let (v1, v2) = (magnet.hashes.v1(), magnet.hashes.v2());
    let version = match (v1, v2) {
        (Some(_), Some(_)) => Version::Hybrid,
        (None, _) => Version::V2,
        (_, None) => Version::V1,
    };
    let selection: Vec<Value> =
        magnet.selection.ranges().iter().map(|range| json!([range.start(), range.end()])).collect();
    json!({
        "name": magnet.name,
        "version": self::version(version),
        "info_hash_v1": v1.map(|hash| hash.to_string()),
        "info_hash_v2": v2.map(|hash| hash.to_string()),
        "total_size": magnet.length,
        "piece_length": null,
        "piece_count": null,
        "private": null,
        "files": null,
        "trackers": magnet.trackers.iter().map(|url| [url]).collect::<Vec<_>>(),
        "web_seeds": magnet.web_seeds,
        "http_seeds": [],
        "exact_sources": magnet.exact_sources,
        "acceptable_sources": magnet.acceptable_sources,
        "peers": nodes_to_json(&magnet.peers),
        "nodes": nodes_to_json(&magnet.nodes),
        "selection": selection,
        "key": magnet.key.as_ref().map(key_to_json),
        "comment": null,
        "created_by": null,
        "creation_date": null,
        "source": null,
        "magnet": magnet.to_string(),
        "warnings": [],
    })
}

fn say_hashes(out: Output, hashes: InfoHashes) {
    hashes.v1().iter().for_each(|hash| out.say(format!("info-hash v1: {hash}")));
    hashes.v2().iter().for_each(|hash| out.say(format!("info-hash v2: {hash}")));
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

fn say_some(out: Output, what: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.say(format!("{what}: {value}"));
    }
}

fn say_list(out: Output, what: &str, items: &[impl ToString]) {
    if !items.is_empty() {
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        out.say(format!("{what}: {}", items.join(" ")));
    }
}
