//! The program as others use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The built program, of the same profile as this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join("simulate")
}

/// Runs the program in a folder.
fn simulate(place: &Path, words: &str) -> Output {
    let mut command = Command::new(program());
    command.current_dir(place).env_remove("RUST_LOG").args(words.split(' '));
    command.output().expect("`cargo test` builds the program")
}

fn events(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).expect("text").lines();
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal ended it")
}

const SMALL: &str = "--size 2MiB --piece-length 64KiB --peers 4 --hostile 2 --json";

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let place = tempfile::tempdir().unwrap();
    let run = |name: &str, seed: u64| {
        let files = format!("--record {name}.recording --plot {name}.svg");
        let output = simulate(place.path(), &format!("{SMALL} --seed {seed} {files}"));
        assert_eq!(code(&output), 0, "{output:?}");
        let read = |end: &str| fs::read(place.path().join(format!("{name}.{end}"))).unwrap();
        [output.stdout, read("recording"), read("svg")]
    };
    let (one, same, other) = (run("one", 7), run("same", 7), run("other", 8));
    assert_eq!(one, same);
    for (one, other) in one.iter().zip(&other) {
        assert_ne!(one, other);
    }
}

#[test]
fn who_had_what_when_is_told() {
    let place = tempfile::tempdir().unwrap();
    let output = simulate(place.path(), SMALL);
    let events = events(&output);
    assert_eq!(events[0]["event"], "swarm");
    assert_eq!(events[0]["pieces"], 32);
    assert_eq!(events[0]["hostile"].as_array().unwrap().len(), 2);
    let complete: Vec<_> = events.iter().filter(|event| event["event"] == "complete").collect();
    assert_eq!(complete.len(), 4);
    let mut pieces = [0; 4];
    for event in events.iter().filter(|event| event["event"] == "have") {
        for (node, count) in event["pieces"].as_object().unwrap() {
            let before = &mut pieces[node.parse::<usize>().unwrap()];
            let count = count.as_u64().unwrap();
            assert!(count >= *before, "what is verified stays");
            *before = count;
        }
    }
    assert_eq!(pieces, [32; 4]);
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["complete"]), (&"finished".into(), &4.into()));
    // A seed sends 1 MiB a second, so that the content of 2 MiB takes 2 s at least.
    assert!(last["seconds"].as_f64().unwrap() > 1.9);
}

#[test]
fn what_is_lost_takes_time_and_is_lost_alike_with_the_same_seed() {
    let place = tempfile::tempdir().unwrap();
    let run = |words: &str| {
        let output = simulate(place.path(), &format!("{SMALL} {words}"));
        assert_eq!(code(&output), 0, "{output:?}");
        let seconds = events(&output).last().unwrap()["seconds"].as_f64().unwrap();
        (output.stdout, seconds)
    };
    let (whole, lossy, again) = (run("--loss 0"), run("--loss 20"), run("--loss 20"));
    assert!(lossy.1 > whole.1, "{} and {}", lossy.1, whole.1);
    assert_eq!(lossy, again);
    assert_ne!(lossy.0, run("--loss 20 --seed 2").0);
}

#[test]
fn a_swarm_that_has_no_time_fails() {
    let place = tempfile::tempdir().unwrap();
    let output = simulate(place.path(), &format!("{SMALL} --time 1"));
    assert_eq!(code(&output), 1);
    let events = events(&output);
    let last = events.last().unwrap();
    assert_eq!(last["event"], "failed");
    assert!(last["error"].as_str().unwrap().contains("of 4 peers are complete after 1.0 s"));
}

#[test]
fn a_recording_is_equal_and_an_altered_one_is_not() {
    let place = tempfile::tempdir().unwrap();
    let output = simulate(place.path(), &format!("{SMALL} --record a"));
    assert_eq!(code(&output), 0, "{output:?}");
    let output = simulate(place.path(), "--replay a --json");
    assert_eq!(code(&output), 0, "{output:?}");
    let told = &events(&output)[0];
    assert_eq!(told["event"], "replayed");
    assert_eq!((&told["cut"], &told["masked"]), (&false.into(), &false.into()));
    assert!(told["actions"].as_u64().unwrap() > 100);
    assert!(
        simulate(place.path(), "--replay a").stdout.starts_with(b"a: equal to the last action")
    );

    let path = place.path().join("a");
    let whole = fs::read(&path).unwrap();
    // An answer in the middle, which is `None`: an action that was not there.
    let mut nones = whole.windows(3).enumerate().filter(|(_, window)| *window == [2, 64, 0]);
    let (at, _) = nones.nth(50).expect("there are many");
    let mut altered = whole.clone();
    altered[at + 2] = 1;
    fs::write(&path, &altered).unwrap();
    let output = simulate(place.path(), "--replay a --json");
    assert_eq!(code(&output), 1, "{output:?}");
    let told = events(&output);
    assert_eq!(told[0]["event"], "differs");
    assert_eq!(told[0]["offset"], at);
    assert_eq!((&told[0]["made"], &told[0]["today"]), (&"PollAction".into(), &"None".into()));
    assert_eq!(told[1]["event"], "failed");
    assert!(told[1]["error"].as_str().unwrap().contains(&format!("at byte {at}")));

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let output = simulate(place.path(), "--replay a --json");
    assert_eq!((code(&output), &events(&output)[0]["cut"]), (0, &true.into()));
}

#[test]
fn a_masked_recording_replays_equal_and_says_that_it_is_masked() {
    let place = tempfile::tempdir().unwrap();
    let output = simulate(place.path(), &format!("{SMALL} --record a"));
    assert_eq!(code(&output), 0, "{output:?}");
    let output = simulate(place.path(), "--replay a --mask b --json");
    assert_eq!(code(&output), 0, "{output:?}");
    let told = &events(&output)[0];
    assert_eq!(told["event"], "masked");
    assert!(told["calls"].as_u64().unwrap() > 1_000);
    let output = simulate(place.path(), "--replay b --json");
    assert_eq!((code(&output), &events(&output)[0]["masked"]), (0, &true.into()));
    let read = |name| fs::read(place.path().join(name)).unwrap();
    // The info-hash of these worlds.
    let hash = [7; 20];
    let has_hash = |bytes: Vec<u8>| bytes.windows(20).any(|window| window == hash);
    assert!(has_hash(read("a")) && !has_hash(read("b")));
    let output = simulate(place.path(), "--replay a --mask b");
    assert_eq!(code(&output), 1, "it exists");
    fs::write(place.path().join("c"), "no recording").unwrap();
    assert_eq!(code(&simulate(place.path(), "--replay c --mask d")), 2);
    assert_eq!(code(&simulate(place.path(), "--replay missing --mask d")), 1);
    assert!(!place.path().join("d").exists());
}

#[test]
fn what_is_no_recording_is_bad_input() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("b"), "tinytorrent recording 2\n").unwrap();
    for (words, expected) in [
        ("--replay b", 2),
        ("--replay missing", 1),
        ("--replay b --plot c.svg", 2),
        ("--peers 0", 2),
        ("--loss 51", 2),
        ("--loss -1", 2),
        ("--loss NaN", 2),
        ("--size 1 --piece-length 0", 2),
        ("--size 1024GiB --piece-length 1KiB", 2),
        ("--plot missing/c.svg", 1),
        ("--seeds 65535 --hostile 65535", 2),
    ] {
        let output = simulate(place.path(), words);
        assert_eq!(code(&output), expected, "{words}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn files_are_replaced_only_if_asked_for() {
    let place = tempfile::tempdir().unwrap();
    for name in ["a", "a.svg"] {
        fs::write(place.path().join(name), "mine").unwrap();
    }
    for words in ["--record a", "--plot a.svg"] {
        let output = simulate(place.path(), &format!("{SMALL} {words}"));
        assert_eq!(code(&output), 1);
        assert!(String::from_utf8(output.stderr).unwrap().contains("--force"));
        let path = place.path().join(words.split(' ').nth(1).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let output = simulate(place.path(), &format!("{SMALL} {words} --force"));
        assert_eq!(code(&output), 0);
        assert_ne!(fs::read(&path).unwrap(), b"mine");
    }
}

#[test]
fn a_plot_has_axes_and_a_line_for_each_peer_or_a_band_for_many() {
    let place = tempfile::tempdir().unwrap();
    let plot = |words: &str, lines: usize| {
        let output = simulate(place.path(), &format!("--size 1MiB {words} --plot a.svg --force"));
        assert_eq!(code(&output), 0, "{output:?}");
        let svg = fs::read_to_string(place.path().join("a.svg")).unwrap();
        for words in ["seconds", "verified pieces", "peers: "] {
            assert!(svg.contains(words), "{words}");
        }
        // The lines of the peers are more transparent than all others.
        assert_eq!(svg.matches("opacity=\"0.6\"").count(), lines);
        svg
    };
    assert!(!plot("--peers 5", 5).contains("hostile, by what they claim"));
    assert!(plot("--peers 3 --hostile 2", 3).contains("hostile, by what they claim"));
    let many = plot("--peers 30", 0);
    assert!(many.contains("median") && many.contains("<polygon"));
}
