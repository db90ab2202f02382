/// Patterns of the files and folders that are left out of a torrent.
#[derive(Debug, Clone, Default)]
pub(super) struct Exclusions {
    patterns: Vec<String>,
}

impl Exclusions {
    pub(super) fn push(&mut self, pattern: String) {
        self.patterns.push(pattern);
    }

    /// Returns true if a pattern matches this path below the root, elements joined with `/`.
    pub(super) fn match_path(&self, path: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| matches_path(pattern.as_bytes(), path))
    }

    /// Returns true if a pattern matches this path, or the path of a folder that it is in.
    pub(super) fn match_path_or_folder(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        ends.chain([path.len()]).any(|end| self.match_path(&path[..end]))
    }
}

fn matches_path(pattern: &[u8], path: &[u8]) -> bool {
    // A folder may be written as `name/`.
    let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
    if !pattern.contains(&b'/') {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        return matches_element(pattern, name);
    }
    let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
    let (mut patterns, mut names) = (pattern.split(|b| *b == b'/'), path.split(|b| *b == b'/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if matches_element(pattern, name) => {}
            _ => return false,
        }
    }
}

/// Compares one element with a pattern in which `*` stands for any characters and `?` for one.
fn matches_element(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // The last `*`, and the end of what it stands for; it takes one character more if the rest fails. No
    // earlier one has to, as the last can take whatever that would.
    let mut star = None;
    loop {
        let after = || in_name + first_character(&name[in_name..]);
        match (pattern.get(at), name.get(in_name)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((at, in_name));
                at += 1;
            }
            (Some(b'?'), Some(_)) => (at, in_name) = (at + 1, after()),
            (Some(one), Some(other)) if one == other => (at, in_name) = (at + 1, in_name + 1),
            _ => match star {
                Some((place, taken)) if taken < name.len() => {
                    star = Some((place, taken + 1));
                    (at, in_name) = (place + 1, taken + 1);
                }
                _ => return false,
            },
        }
    }
}

/// The length of the first character in bytes; 1 for a byte that is not UTF-8.
fn first_character(name: &[u8]) -> usize {
    1 + name.iter().skip(1).take_while(|byte| **byte & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_names_anywhere_or_paths_from_the_root() {
        let matches = |pattern: &str, path: &str| matches_path(pattern.as_bytes(), path.as_bytes());
        for (pattern, path) in [
            ("*.part", "a/b.part"),
            (".DS_Store", "a/b/.DS_Store"),
            ("cache/", "a/cache"),
            ("/a", "a"),
            ("a/*/c?", "a/b/cé"),
            ("*a*b*", "xxaxxbxx"),
            ("*", ""),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("*.part", "b.part.txt"),
            ("/a", "b/a"),
            ("a/*", "a/b/c"),
            ("a/*", "a"),
            ("?", ""),
            ("*ab", "xaxb"),
            ("A", "a"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        let mut exclusions = Exclusions::default();
        exclusions.push("b".into());
        assert!(exclusions.match_path_or_folder(b"a/b/c") && !exclusions.match_path(b"a/b/c"));
    }

    #[test]
    fn many_stars_take_no_more_than_the_product_of_the_lengths() {
        let pattern = "*a".repeat(100);
        assert!(!matches_element(format!("{pattern}b").as_bytes(), &[b'a'; 10_000]));
    }
}
