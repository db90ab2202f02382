//! A swarm in virtual time, or a recorded engine once more.

use tinytorrent_examples::{Outcome, run, start};
use tinytorrent_simulate::{Options, simulate};

fn main() -> Outcome {
    let options: Options = start();
    run(&options.common, || simulate(&options))
}
