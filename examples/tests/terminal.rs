//! Text from peers and trackers on a terminal, and the end of programs that cannot write.
#![cfg(target_os = "linux")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const HASH: &str = "c9e15763f722f23e98a29decdfae341b98d53056";

/// OSC, CSI, CR, line feed, BEL, C1, bidi and zero width.
const EVIL: &str = "\x1b]0;owned\x07\x1b[31m\rfake\nprivate: yes\u{9b}31m\u{202e}\u{2066}\u{200b}";

/// The built file of an example, of the same profile as this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

fn run<S: AsRef<OsStr>>(name: &str, words: &[S]) -> Output {
    let output = Command::new(example(name)).args(words).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A command line for the shell, which knows limits and pipes. `$X` is the folder of the examples, and
/// `$D` this folder.
fn shell(line: &str, folder: &Path) -> Output {
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).env("X", example("")).env("D", folder).stdin(Stdio::null());
    shell.output().unwrap_or_else(|error| panic!("bash: {error}"))
}

fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [bytes.len().to_string().as_bytes(), b":", bytes].concat()
}

/// A torrent of one file `n` of 20,000 bytes, with these words around it and as its name.
fn torrent(words: &str, name: &str) -> Vec<u8> {
    let mut out = b"d".to_vec();
    for (key, value) in [("announce", format!("http://t/{words}")), ("comment", words.into())] {
        out.extend([text(key), text(value)].concat());
    }
    out.extend([text("created by"), text(words)].concat());
    out.extend(b"4:infod6:lengthi20000e4:name");
    out.extend([text(name), b"12:piece lengthi16384e6:pieces".to_vec(), text([7; 40])].concat());
    out.extend([b"6:source".to_vec(), text(words), b"e8:url-listl".to_vec()].concat());
    out.extend([text(format!("http://w/{words}")), b"ee".to_vec()].concat());
    out
}

struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name.as_ref());
        fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }
}

/// Each line is harmless, and none begins with what a stranger put there.
fn assert_harmless(what: &str, bytes: &[u8]) {
    let shown = String::from_utf8_lossy(bytes);
    for line in shown.lines() {
        assert!(line.chars().all(tinytorrent_types::is_printable), "{what}: {line:?}");
        assert!(!line.starts_with("private:"), "{what}: {line:?}");
    }
    assert!(!shown.contains('\r'), "{what}: {shown:?}");
}

#[test]
fn strangers_words_are_harmless_to_people_and_whole_for_programs() {
    let scene = Scene::new();
    let path = scene.file("t.torrent", &torrent(EVIL, "n"));
    let shown = run("inspect", &[&path]);
    assert_eq!(shown.status.code(), Some(0));
    assert_harmless("inspect", &shown.stdout);
    let said = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(said.contains("comment: \u{fffd}]0;owned\u{fffd}\u{fffd}[31m\u{fffd}fake"), "{said}");

    let json = run("inspect", &[path.as_os_str(), OsStr::new("--json")]);
    assert_harmless("inspect --json", &json.stdout);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    for key in ["comment", "source", "created_by"] {
        assert_eq!(json[key], EVIL, "{key}");
    }

    let link =
        format!("magnet:?xt=urn:btih:{HASH}&dn=a%1b%5b31mb%c2%9b&tr=udp%3A%2F%2Fh%1b%5b31m%3A1");
    let shown = run("inspect", &[link]);
    assert_eq!(shown.status.code(), Some(0));
    assert_harmless("a link", &shown.stdout);
}

#[test]
fn errors_that_quote_strangers_are_harmless() {
    let scene = Scene::new();
    let path = scene.file("t.torrent", &torrent(EVIL, EVIL));
    for (name, words) in [
        ("inspect", vec![format!("no such\x1b[31m\u{202e}file")]),
        ("inspect", vec![format!("magnet:?xt=urn:btih:\u{9b}31m\x1b[31m{}", "x".repeat(30))]),
        ("scrape", vec![HASH.into(), "--tracker".into(), "\x1b[31m\u{202e}".into()]),
        ("announce", vec![HASH.into(), "--tracker".into(), "udp://\x1b[31m\u{202e}/".into()]),
        ("create", vec!["x".into(), "-o".into(), "y".into(), "--web-seed".into(), EVIL.into()]),
        ("create", vec!["x".into(), "--\x1b[31mfoo".into()]),
        ("announce", vec![path.display().to_string(), "--timeout".into(), "1".into()]),
        ("verify", vec![path.display().to_string(), scene.path().display().to_string()]),
    ] {
        let shown = run(name, &words);
        assert!(matches!(shown.status.code(), Some(1 | 2)), "{name}: {:?}", shown.status);
        assert!(!shown.stderr.is_empty(), "{name} {words:?}");
        assert_harmless(name, &shown.stderr);
        assert_harmless(name, &shown.stdout);
    }
}

#[test]
fn what_was_pasted_around_a_source_counts_for_nothing() {
    let link = format!("magnet:?xt=urn:btih:{HASH}");
    let base32 = "ZHQVOY7XELZD5GFCTXWN7LRUDOMNKMCW";
    let multihash = format!("1220{}", "ab".repeat(32));
    for source in [&link, HASH, base32, &base32.to_lowercase(), &"ab".repeat(32), &multihash] {
        for pasted in [
            source.to_owned(),
            format!(" {source}"),
            format!("\n{source}\r\n"),
            format!("\u{feff}{source}"),
            format!("<{source}>"),
            format!("\"{source}\""),
        ] {
            let shown = run("inspect", &[pasted.as_str(), "--json"]);
            assert_eq!(shown.status.code(), Some(0), "{pasted:?}");
            let json: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
            let hash = &json[if json["version"] == "v1" { "info_hash_v1" } else { "info_hash_v2" }];
            assert!(hash == HASH || *hash == *"ab".repeat(32), "{pasted:?}: {hash}");
        }
    }
}

#[test]
fn a_magnet_in_a_file_is_followed() {
    let scene = Scene::new();
    let uri = format!("magnet:?xt=urn:btih:{HASH}");
    let uri = [b"d10:magnet-uri".to_vec(), text(uri), b"e".to_vec()].concat();
    let hash: Vec<u8> =
        (0..20).map(|at| u8::from_str_radix(&HASH[2 * at..2 * at + 2], 16).unwrap()).collect();
    let info = [b"d11:magnet-infod9:info_hash".to_vec(), text(hash), b"ee".to_vec()].concat();
    for (name, bytes) in [("uri", uri), ("info", info)] {
        let path = scene.file(name, &bytes);
        let shown = run("inspect", &[path]);
        assert_eq!(shown.status.code(), Some(0), "{name}");
        assert!(String::from_utf8_lossy(&shown.stdout).contains(HASH), "{name}");
    }
}

#[test]
fn paths_need_no_utf8() {
    let scene = Scene::new();
    let name = |name: &[u8]| OsString::from_vec(name.to_vec());
    let content = scene.file(name(b"caf\xe9.bin"), &[1; 100_000]);
    let made = scene.path().join(name(b"caf\xe9.torrent"));
    let words = |words: &[&OsStr]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let create = words(&[
        content.as_os_str(),
        "--name".as_ref(),
        "n".as_ref(),
        "-o".as_ref(),
        made.as_os_str(),
    ]);
    assert_eq!(run("create", &create).status.code(), Some(0));
    let folder = scene.path().join(name(b"\xff"));
    fs::create_dir(&folder).unwrap();
    fs::rename(&content, folder.join("n")).unwrap();
    let paths = words(&[made.as_os_str(), folder.as_os_str()]);
    assert_eq!(run("verify", &paths).status.code(), Some(0));
    let shown = run("inspect", &paths[..1]);
    assert_eq!(shown.status.code(), Some(0), "{}", String::from_utf8_lossy(&shown.stderr));
    for (name, more) in [("announce", &[][..]), ("scrape", &["--tracker", "udp://127.0.0.1:9"])] {
        let more = [&["--timeout", "1"], more].concat();
        let words = [&paths[..1], &more.iter().map(OsString::from).collect::<Vec<_>>()].concat();
        let failed = String::from_utf8_lossy(&run(name, &words).stderr).into_owned();
        assert!(failed.contains("tracker") || failed.contains("127.0.0.1"), "{name}: {failed}");
    }
    let mut download = words(&[made.as_os_str(), "--output".as_ref(), folder.as_os_str()]);
    let rest = ["--json", "--listen", "127.0.0.1:0", "--timeout", "60"];
    download.extend(rest.iter().map(OsString::from));
    let shown = run("download", &download);
    assert_eq!(shown.status.code(), Some(0), "{}", String::from_utf8_lossy(&shown.stderr));
    let last = String::from_utf8_lossy(&shown.stdout).lines().last().unwrap_or_default().to_owned();
    let last: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    assert!(last["path"].as_str().is_some_and(|path| path.ends_with("\u{fffd}/n")), "{last}");
}

#[test]
fn output_that_cannot_be_written_is_an_error_of_every_program() {
    let scene = Scene::new();
    let content = scene.file("n", &[7; 20_000]);
    scene.file("t.torrent", &torrent("a", "n"));
    let made = scene.path().join("made.torrent");
    assert!(
        run("create", &[content.as_os_str(), OsStr::new("-o"), made.as_os_str()]).status.success()
    );
    for line in [
        "$X/inspect $D/t.torrent",
        "$X/verify $D/made.torrent $D",
        "$X/create $D/n -o $D/$RANDOM.torrent",
        "$X/download $D/made.torrent --output $D --listen 127.0.0.1:0 --no-trackers",
        "timeout 60 $X/seed $D/made.torrent $D --listen 127.0.0.1:0 --no-trackers",
        "$X/inspect --help",
    ] {
        for json in ["", " --json"] {
            let line = format!("{line}{json} >/dev/full");
            let full = shell(&line, scene.path());
            assert_eq!(full.status.code(), Some(1), "{line}: {full:?}");
            let told = String::from_utf8_lossy(&full.stderr).into_owned();
            assert!(told.contains("cannot write the output"), "{line}: {told}");
        }
    }
    // Nor is there a panic where nothing can be told at all.
    let both = shell("$X/inspect nothing >/dev/full 2>/dev/full", scene.path());
    assert_eq!(both.status.code(), Some(1));
    let logs = shell("$X/verify -vvv $D/made.torrent $D 2>/dev/full", scene.path());
    assert_eq!(logs.status.code(), Some(0));
}

#[test]
fn a_reader_that_wants_no_more_is_no_error() {
    let scene = Scene::new();
    let content = scene.path().join("many");
    fs::create_dir(&content).unwrap();
    (0..3_000).for_each(|at| drop(File::create(content.join(format!("a file of number {at}")))));
    fs::write(content.join("z"), "content").unwrap();
    let made = scene.path().join("many.torrent");
    assert!(
        run("create", &[content.as_os_str(), OsStr::new("-o"), made.as_os_str()]).status.success()
    );
    for json in ["", "--json"] {
        let line =
            format!("$X/inspect $D/many.torrent {json} | head -c 20; exit ${{PIPESTATUS[0]}}");
        let shown = shell(&line, scene.path());
        assert_eq!((shown.status.code(), shown.stdout.len()), (Some(0), 20), "{shown:?}");
        assert!(shown.stderr.is_empty(), "{shown:?}");
    }
}

#[test]
fn a_file_size_limit_is_an_error_that_is_told() {
    let scene = Scene::new();
    let content = scene.path().join("content");
    fs::create_dir(&content).unwrap();
    fs::write(content.join("n"), vec![7; 3 << 20]).unwrap();
    let made = scene.path().join("t.torrent");
    let words = [content.join("n"), "-o".into(), made, "--piece-length".into(), "16KiB".into()];
    assert!(run("create", &words).status.success());
    let create =
        shell("ulimit -f 1; $X/create $D/content/n -o $D/other --piece-length 16KiB", scene.path());
    assert_eq!(create.status.code(), Some(1), "{create:?}");
    assert!(String::from_utf8_lossy(&create.stderr).contains("too large"), "{create:?}");

    let line =
        "$X/seed $D/t.torrent $D/content --listen 127.0.0.1:0 --no-trackers --json >$D/said &
        trap \"kill $!\" EXIT
        until grep -q listening $D/said; do sleep 0.05; done
        peer=$(grep -o '127.0.0.1:[0-9]*' $D/said)
        ulimit -f 1024
        $X/download $D/t.torrent --output $D/new --peer $peer --listen 127.0.0.1:0 --timeout 60";
    let download = shell(line, scene.path());
    assert_eq!(download.status.code(), Some(1), "{download:?}");
    let told = String::from_utf8_lossy(&download.stderr).to_lowercase();
    assert!(told.contains("too large"), "{download:?}");
}

#[test]
fn urls_that_nobody_can_use_make_no_torrent() {
    let scene = Scene::new();
    let content = scene.file("n", &[7; 20_000]);
    let made = scene.path().join("t.torrent");
    for (option, url) in [
        ("--tracker", ""),
        ("--tracker", "foo"),
        ("--tracker", "udp://host/announce"),
        ("--tier", "udp://h:1,foo"),
        ("--web-seed", "foo"),
        ("--web-seed", "udp://h:1"),
    ] {
        let words =
            [content.as_os_str(), "-o".as_ref(), made.as_os_str(), option.as_ref(), url.as_ref()];
        let shown = run("create", &words);
        assert_eq!(shown.status.code(), Some(2), "{option} {url}");
        let told = String::from_utf8_lossy(&shown.stderr).into_owned();
        assert!(told.contains(option) && told.contains(url.rsplit(',').next().unwrap()), "{told}");
        assert!(!made.exists());
    }
}
