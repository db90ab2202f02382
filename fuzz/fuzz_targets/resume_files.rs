//! Whatever lies beside the content as record, journal, names and metadata, and whatever the content is: no panic, only
//! right pieces are claimed, a second look finds the same, and memory is in proportion to the files.
#![no_main]

#[allow(dead_code, reason = "another target uses the rest")]
#[path = "disk_ops/torrents.rs"]
mod torrents;

use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock, mpsc};

use libfuzzer_sys::fuzz_target;
use tinytorrent_fuzz::within;
use tinytorrent_hash::sha1;
use tinytorrent_metainfo::ReadOptions;
use tinytorrent_storage::{
    Completion, Counters, Disk, DiskOptions, MetadataFile, RecoverOptions, Recovered, ResumeRecord,
    TorrentDiskOptions, recover,
};

use torrents::{Scratch, Torrent};

/// Bytes of memory for each byte of record, journal and metadata. A journal entry of 16 bytes can claim all
/// blocks of a piece, here three, and is kept in a tree.
const PER_BYTE: usize = 64;

/// The state of the torrents, which are small, the stamps of their files, and the buffers of a check: 16 slices
/// of 32 KiB.
const FIXED: usize = 2 << 20;

// Three bytes of setup, then the bytes of the record and those of the journal.
fuzz_target!(|input: &[u8]| {
    let [number, setup, content, rest @ ..] = input else { return };
    let torrent = torrents::nth(*number);
    let folder = Scratch::new("resume-files-run");
    write_content(torrent, &folder, *content);
    let (for_record, for_journal) = rest.split_at(rest.len() / 2);
    let template = &TEMPLATES[usize::from(*number) % TEMPLATES.len()];
    let record = record(&template.record, *setup, for_record);
    let journal = journal(&template.journal, *setup, for_journal);
    let wire = torrent.identity.to_wire();
    let path = |kind: &str| folder.0.join(format!(".{wire}.tinytorrent-{kind}"));
    if setup & 0x40 == 0 {
        fs::write(path("resume"), &record).expect("the folder can be written");
        fs::write(path("metadata"), &journal).expect("the folder can be written");
    }
    if setup & 0x20 != 0 {
        fs::write(path("names"), names(torrent, for_journal)).expect("the folder can be written");
    }
    if setup & 0x80 == 0 {
        fs::write(path("journal"), &journal).expect("the folder can be written");
    }
    let length = record.len() + 2 * journal.len();
    let first = look(torrent, &folder, length);
    let second = look(torrent, &folder, length);
    assert_eq!((&second.have, &second.partial), (&first.have, &first.partial));
    let storage = folder.open(torrent);
    let geometry = storage.geometry();
    for piece in first.have.iter().filter_map(|index| geometry.piece(index)) {
        for block in geometry.blocks(piece) {
            let mut data = vec![0; block.length() as usize];
            storage.read_block(block, &mut data).expect("what is claimed is there");
            assert!(data == torrent.content[torrent.range(block)], "a piece that is wrong");
        }
    }
    for partial in &first.partial {
        assert!(partial.blocks.is_sorted_by(|one, other| one < other));
        assert!(partial.blocks.len() < geometry.block_count(partial.piece) as usize);
        assert!(!first.have.contains(partial.piece));
    }
    let file = MetadataFile::new(&folder.0, torrent.identity);
    let _ = within(journal.len(), PER_BYTE, FIXED, || file.load(&ReadOptions::lenient()));
    let _ = ResumeRecord::load(&storage);
});

fn look(torrent: &Torrent, folder: &Scratch, length: usize) -> Recovered {
    let storage = folder.open(torrent);
    let mut options = RecoverOptions::default();
    // One thread, whose memory is counted.
    options.threads(1).seed(length as u64);
    let go_on = |_| ControlFlow::Continue(());
    let found =
        within(length, PER_BYTE, FIXED, || recover(&storage, &torrent.hashes, &options, go_on));
    found.expect("files can be read").expect("nobody ends it")
}

/// The record: the input itself, or a right one with some bytes changed. A checksum keeps most others out.
fn record(template: &[u8], setup: u8, input: &[u8]) -> Vec<u8> {
    let mut bytes = if setup & 1 == 0 { edited(template, input) } else { input.to_vec() };
    if setup & 2 == 0
        && let Some((body, check)) = bytes.split_last_chunk_mut::<20>()
    {
        *check = sha1(body);
    }
    bytes
}

/// The journal: a right header and entries of the input, with their checksums.
fn journal(template: &[u8], setup: u8, input: &[u8]) -> Vec<u8> {
    if setup & 4 != 0 {
        return edited(template, input);
    }
    let mut bytes = template.get(..32).unwrap_or_default().to_vec();
    // Four bytes make an entry: piece, first, count, and a byte that breaks the entry.
    for [piece, first, count, fault] in input.as_chunks().0 {
        let numbers =
            [piece & 15, first & 7, count & 7].map(|number| u32::from(number).to_be_bytes());
        let mut entry = numbers.concat();
        let check = sha1(&entry);
        entry.extend(&check[..4]);
        if *fault == 0xff {
            entry[usize::from(*piece) % 16] ^= 1;
        }
        bytes.extend(entry);
    }
    bytes
}

/// The names of files and those of a renaming that was cut short, with a right checksum. Four bytes make an
/// entry: its list, its file, and two parts of a path.
fn names(torrent: &Torrent, input: &[u8]) -> Vec<u8> {
    let mut lists = [Vec::new(), Vec::new()];
    let mut counts = [0_u32; 2];
    for [list, file, folder, name] in input.as_chunks().0 {
        let list = usize::from(list & 1);
        let own = torrent.layout.file(u32::from(*file)).map(|file| file.path.to_bytes());
        let path = match folder % 5 {
            0 => own.unwrap_or_default(),
            1 => vec![*name],
            2 => [b"../", &[*name][..]].concat(),
            3 => [&[*name][..], b"/x"].concat(),
            _ => format!("t/{name}").into_bytes(),
        };
        counts[list] += 1;
        lists[list].extend(u32::from(*file).to_be_bytes());
        lists[list].extend((path.len() as u32).to_be_bytes());
        lists[list].extend(path);
    }
    let mut bytes = b"ttnames1".to_vec();
    bytes.extend(torrent.layout.file_count().to_be_bytes());
    for (count, list) in counts.iter().zip(lists) {
        bytes.extend(count.to_be_bytes());
        bytes.extend(list);
    }
    let check = sha1(&bytes);
    bytes.extend(check);
    bytes
}

/// The bytes with changes of three bytes each: place and value. A length is cut or grown by the last.
fn edited(template: &[u8], input: &[u8]) -> Vec<u8> {
    let mut bytes = template.to_vec();
    let (edits, rest) = input.as_chunks();
    for [high, low, value] in edits {
        let at = usize::from(u16::from_be_bytes([*high, *low]));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *value;
        }
    }
    if let [length] = rest {
        bytes.resize(bytes.len() * usize::from(*length) / 128, *length);
    }
    bytes
}

/// Files that are right, wrong, cut, holes, or not there: two bits for each of the first four.
fn write_content(torrent: &Torrent, folder: &Scratch, content: u8) {
    for (number, file) in torrent.layout.files().filter(|file| !file.is_pad()).enumerate() {
        let path = file.path.below(&folder.0);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it is ours");
        let range = file.offset as usize..(file.offset + file.length) as usize;
        let mut data = torrent.content[range].to_vec();
        match content >> (2 * (number % 4)) & 3 {
            0 => {}
            1 => data.truncate(data.len() / 2),
            2 => data.iter_mut().step_by(20_000).for_each(|byte| *byte ^= 1),
            _ => {
                let hole = fs::File::create(path).expect("it is ours");
                hole.set_len(file.length).expect("it is ours");
                continue;
            }
        }
        fs::write(path, data).expect("it is ours");
    }
}

/// The files beside content of which a part was stored.
struct Template {
    record: Vec<u8>,
    journal: Vec<u8>,
}

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| (0..4).map(template).collect());

fn template(number: u8) -> Template {
    let torrent = torrents::nth(number);
    let folder = Scratch::new("resume-files-template");
    let disk = Disk::new(&DiskOptions::default()).expect("there are threads");
    let (sender, completions) = mpsc::channel();
    let storage = Arc::new(folder.open(torrent));
    let count = storage.geometry().piece_count();
    let options = TorrentDiskOptions::default();
    let on_completion = move |done| drop(sender.send(done));
    let nothing = Recovered::nothing(count);
    let disk_torrent = disk.add(storage, torrent.hashes.clone(), nothing, &options, on_completion);
    // Every second block, so that no piece is whole.
    for block in torrent.blocks.iter().step_by(2) {
        let data = torrent.content[torrent.range(*block)].to_vec();
        disk_torrent.store(*block, data.into()).expect("it was not stored before");
    }
    disk_torrent.checkpoint(Counters::default());
    while !matches!(completions.recv().expect("it comes"), Completion::Checkpointed) {}
    drop(disk_torrent);
    disk.shutdown();
    let wire = torrent.identity.to_wire();
    let read = |kind: &str| {
        fs::read(folder.0.join(format!(".{wire}.tinytorrent-{kind}"))).expect("it was written")
    };
    Template { record: read("resume"), journal: read("journal") }
}
