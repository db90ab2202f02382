//! Symbolic links: what becomes of them, and the targets that a torrent can hold.

use std::path::Path;

use super::RefusalReason;

/// The treatment of symbolic links below the folder that a torrent is made of. A link in the place
/// of the folder itself, or of a single file, is the user's choice and always followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LinkPolicy {
    /// The torrent has links as well (BEP 47). Those that lead out of the folder are errors. This is
    /// the default, as the torrent is then a true picture of its folder: nothing from elsewhere comes
    /// in unasked, and nobody needs to follow a link to verify or seed it.
    #[default]
    Keep,
    /// Links stand for the content that they lead to, inside the folder or elsewhere. Those that lead
    /// nowhere, or back to a folder that holds them, are errors. Verifying and seeding such a torrent
    /// from the same folder needs links to be followed as well.
    Follow,
    /// Links are left out.
    Skip,
}

/// The target of a link as a path from the torrent's folder on, elements joined with `/` (BEP 47,
/// "symlink path").
///
/// `link` is the path of the link in the same form, `target` the text that the link holds.
pub(super) fn target_from_root(link: &[u8], target: &Path) -> Result<Vec<u8>, RefusalReason> {
    let target = target.to_str().ok_or(RefusalReason::NotUtf8)?;
    if Path::new(target).is_absolute() {
        return Err(RefusalReason::Outside);
    }
    let mut elements: Vec<&[u8]> = link.split(|&byte| byte == b'/').collect();
    elements.pop();
    let mut may_climb = true;
    for element in target.split(std::path::is_separator) {
        match element {
            "" | "." => {}
            // Behind an element that may itself be a link, `..` is not the folder before it.
            ".." if !may_climb || elements.pop().is_none() => return Err(RefusalReason::Outside),
            ".." => {}
            element => {
                may_climb = false;
                elements.push(element.as_bytes());
            }
        }
    }
    match elements.join(&b'/') {
        joined if joined.is_empty() => Err(RefusalReason::Outside),
        joined if joined == link => Err(RefusalReason::Loop),
        joined => Ok(joined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // M-43
    #[test]
    fn targets_are_told_from_the_root_and_stay_below_it() {
        for (link, target, told) in [
            ("l", "a", "a"),
            ("l", "./a//b/.", "a/b"),
            ("d/e/l", "f", "d/e/f"),
            ("d/e/l", "../f", "d/f"),
            ("d/e/l", "../../f/g", "f/g"),
            ("d/e/l", "..", "d"),
        ] {
            let found = target_from_root(link.as_bytes(), Path::new(target)).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), told, "{link} -> {target}");
        }
    }

    #[test]
    fn targets_that_a_torrent_cannot_hold_are_refused() {
        let refused = |link: &str, target: &str| target_from_root(link.as_bytes(), target.as_ref());
        for (link, target) in [
            ("l", "/etc/passwd"),
            ("l", "../a"),
            ("d/l", "../../a"),
            ("d/l", ".."),
            ("l", "."),
            ("l", "a/../b"),
        ] {
            let reason = refused(link, target);
            assert!(
                matches!(reason, Err(RefusalReason::Outside)),
                "{link} -> {target}: {reason:?}"
            );
        }
        assert!(matches!(refused("d/l", "../d/l"), Err(RefusalReason::Loop)));
    }
}
