//! Symbolic links: the choices for them, and the targets that a torrent can have.

use std::path::Path;

use super::RefusalReason;

/// The treatment of symbolic links below the folder of a torrent. The path that the user gives may
/// itself be a link, which is always followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LinkPolicy {
    /// Links become links of the torrent (BEP 47). Links out of the folder are errors. It is the
    /// default, as the torrent is then the same as its folder: it has no content from elsewhere, and can
    /// be verified and seeded without following links.
    #[default]
    Keep,
    /// Links are replaced by the content that they lead to, in the folder or elsewhere. A link without a
    /// target, or to a folder that contains it, is an error. The folder can be verified and seeded only
    /// if links are followed there too.
    Follow,
    /// Links are left out.
    Skip,
}

/// The target of a link as a path below the torrent's folder, elements joined with `/` (BEP 47, "symlink
/// path").
///
/// `link` is the path of the link in the same form, and `target` the text in the link.
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
            // The element before it may itself be a link, and `..` the parent of another folder.
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
