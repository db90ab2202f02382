//! Recordings that can be shown to others.

use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::json;
use tinytorrent_examples::{Failure, NewFile};
use tinytorrent_swarm::record::{MaskError, mask as mask_recording};

use crate::Options;
use crate::replaying::{SHA1, cannot_read, now, tell_parting, unreadable};

pub(crate) fn mask(options: &Options, path: &Path, to: &Path) -> Result<(), Failure> {
    let out = options.common.output();
    let file = NewFile::at(to, options.force)?;
    // Tells the reason by itself, which the error of a replay has no words for.
    File::open(path).map_err(|error| cannot_read(path, &error))?;
    let mut bytes = Vec::new();
    let open = || File::open(path).map(BufReader::new);
    let masked = catch_unwind(AssertUnwindSafe(|| mask_recording(now(), open, &SHA1, &mut bytes)));
    let panicked =
        |_| Failure::CouldNot(format!("the engine panics under a mask of {}", path.display()));
    let masked = masked.map_err(panicked)?.map_err(|error| match error {
        MaskError::Replay(error) => unreadable(path, &error),
        MaskError::Parted(parting) => {
            tell_parting(&parting, &out);
            let error = MaskError::Parted(parting);
            Failure::could_not(format!("cannot mask {}", path.display()), &error)
        }
        error => Failure::could_not(format!("cannot mask {}", path.display()), &error),
    })?;
    file.write(&bytes)?;
    let calls = masked.calls;
    let story = match masked.parts_at {
        None => "the engine does the same under the mask".to_owned(),
        Some(call) => format!("the engine does the same under the mask up to call {call}"),
    };
    out.say(format!("{}: {calls} calls; {story}", to.display()));
    out.event(&json!({ "event": "masked", "calls": calls, "parts_at": masked.parts_at }));
    Ok(())
}
