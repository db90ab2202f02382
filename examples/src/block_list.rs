use std::fs::File;
use std::path::Path;

use tinytorrent_blocklist::{Blocklist, ReadError, read};

use crate::Failure;

/// Reads a list of addresses never to speak to. Blocks while it does.
///
/// # Errors
///
/// [`Failure::CouldNot`] when the file cannot be read, [`Failure::InvalidInput`] when it is no list.
pub fn read_block_list(path: &Path) -> Result<Blocklist, Failure> {
    let what = || format!("cannot read the list {}", path.display());
    let file = File::open(path).map_err(|error| Failure::could_not(what(), &error))?;
    read(file).map_err(|error| match error {
        ReadError::Io(error) => Failure::could_not(what(), &error),
        _ => Failure::invalid_input(what(), &error),
    })
}

/// A summary of a list, in a line.
pub fn tell_block_list(path: &Path, list: &Blocklist) -> String {
    format!("{}: {}", path.display(), list.report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_list_is_bad_input_and_one_that_is_gone_cannot_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "192.0.2.0/24\n<p>\n").unwrap();
        let list = read_block_list(file.path()).unwrap();
        let told = tell_block_list(file.path(), &list);
        assert!(told.ends_with("1 range; 1 line not understood (line 2: no range of addresses)"));
        std::fs::write(file.path(), "<html>\n").unwrap();
        let error = read_block_list(file.path()).unwrap_err();
        assert!(error.code() == 2 && error.to_string().contains("line 1"), "{error}");
        let path = file.path().to_owned();
        file.close().unwrap();
        assert_eq!(read_block_list(&path).unwrap_err().code(), 1);
    }
}
