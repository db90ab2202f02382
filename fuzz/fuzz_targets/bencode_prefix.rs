//! A stream's value ends where the prefix decoder and the scanner both say, and neither asks for more
//! than it needs. Memory is in proportion to the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tinytorrent_bencode::{Options, Prefix, Scan, Scanner};
use tinytorrent_fuzz::within;

fuzz_target!(|input: &[u8]| {
    let options = Options::lenient();
    // The first byte cuts the stream.
    let (step, stream) = input.split_first().map_or((1, input), |(step, rest)| (*step, rest));
    let step = usize::from(step % 16) + 1;

    let whole = within(stream.len(), 64, 16 << 10, || options.decode_prefix(stream));
    // The scanner keeps what is open, and nothing of what it has seen.
    match within(stream.len(), 0, 16 << 10, || scan(&options, stream, step)) {
        Ok(Scan::Complete { used }) => {
            if let Ok(whole) = whole {
                let Prefix::Complete(_, end) = whole else { panic!("the scanner ends at {used}") };
                assert_eq!(end, used);
            }
        }
        Ok(Scan::Incomplete { needed }) => {
            assert!(needed > 0);
            assert!(!matches!(whole, Ok(Prefix::Complete(..))));
        }
        Err(_) => assert!(whole.is_err()),
    }

    for cut in (0..stream.len()).step_by(step).take(64) {
        if let Ok(Prefix::Incomplete { needed }) = options.decode_prefix(&stream[..cut]) {
            let early = cut.saturating_add(needed - 1).min(stream.len());
            assert!(!matches!(options.decode_prefix(&stream[..early]), Ok(Prefix::Complete(..))));
        }
    }
});

fn scan(options: &Options, stream: &[u8], step: usize) -> Result<Scan, tinytorrent_bencode::Error> {
    let mut scanner = Scanner::new(options);
    let (mut at, mut last) = (0, scanner.feed(&[])?);
    for part in stream.chunks(step) {
        last = match scanner.feed(part)? {
            Scan::Complete { used } => return Ok(Scan::Complete { used: at + used }),
            incomplete => incomplete,
        };
        at += part.len();
    }
    Ok(last)
}
