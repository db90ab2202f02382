//! Message stream encryption: its cipher beside the crate `rc4` and, if the program is installed, OpenSSL's.
//!
//! Each figure is the best of many passes by turns, as other tenants of a machine only ever make a pass
//! slower. `taskset --cpu-list 0 cargo bench …` keeps all of them on one core.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rc4::{KeyInit, Rc4, StreamCipher};
use tinytorrent_types::WireInfoHash;
use tinytorrent_wire::mse::{
    Initiator, Method, MseConfig, Negotiated, Negotiation, Randomness, Responder, Step,
};

const BLOCK: usize = 16 * 1024;
const PASSES: usize = 2_000;
const ROUNDS: usize = 5;

fn main() {
    let shake = || {
        timed(|| {
            black_box(negotiate());
        })
    };
    println!("negotiation, both ends: {:?}", (0..200).map(|_| shake()).min().unwrap());
    let mut cipher = negotiate().send;
    let mut rival = Rc4::new_from_slice(&[3; 20]).expect("a key of 20 bytes");
    let (mut ours, mut theirs, mut openssl) = (0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        ours = ours.max(rate(|block| cipher.apply(block)));
        theirs = theirs.max(rate(|block| rival.apply_keystream(block)));
        openssl = openssl.max(openssl_rate().unwrap_or(0.0));
    }
    println!("RC4 over blocks of 16 KiB: MB/s, and our rate against it");
    println!("  tinytorrent         {ours:>6.0}");
    println!("  crate rc4           {theirs:>6.0} {:>6.2}", ours / theirs);
    if openssl > 0.0 {
        println!("  openssl speed       {openssl:>6.0} {:>6.2}", ours / openssl);
    } else {
        println!("  openssl speed       not installed, or without RC4");
    }
}

/// MB/s of the fastest pass.
fn rate(mut apply: impl FnMut(&mut [u8])) -> f64 {
    let mut block = vec![7; BLOCK];
    let fastest = (0..PASSES).map(|_| timed(|| apply(black_box(&mut block)))).min();
    BLOCK as f64 / fastest.expect("there are passes").as_nanos() as f64 * 1e3
}

/// MB/s by OpenSSL's own measure: user time over a second.
fn openssl_rate() -> Option<f64> {
    let arguments = "speed -mr -provider legacy -provider default -seconds 1 -evp rc4 -bytes";
    let output =
        Command::new("openssl").args(arguments.split(' ')).arg(BLOCK.to_string()).output().ok()?;
    // `+F:22:RC4:812364520.00`
    let text = String::from_utf8(output.stdout).ok()?;
    let figure = text.lines().find(|line| line.starts_with("+F:"))?.rsplit(':').next()?;
    figure.parse::<f64>().ok().map(|bytes| bytes / 1e6)
}

fn negotiate() -> Negotiated {
    let torrent = WireInfoHash::from_bytes([7; 20]);
    let config = MseConfig::only(Method::Rc4);
    let (mut to_bob, mut to_alice) = (BytesMut::new(), BytesMut::new());
    let mut alice = Initiator::new(torrent, config, Randomness::new([1; 20], &[2; 200]), &[3; 68]);
    let found = |_: &_| Some(torrent);
    let mut bob = Responder::new(config, Randomness::new([4; 20], &[5; 200]), found);
    loop {
        let step = alice.handle_received(&mut to_alice).expect("it keeps the rules");
        alice.poll_transmit(&mut to_bob);
        if let Step::Done(done) = step {
            return *done;
        }
        let _ = black_box(bob.handle_received(&mut to_bob).expect("it keeps the rules"));
        bob.poll_transmit(&mut to_alice);
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
