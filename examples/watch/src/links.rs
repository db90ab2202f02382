use tinytorrent_metainfo::Magnet;

/// The magnet links of a text, and the lines that are none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Links {
    /// The links, in their order.
    pub(crate) magnets: Vec<Magnet>,
    /// The lines that are neither a link nor a comment.
    pub(crate) bad_lines: Vec<BadLine>,
}

/// A line that is neither a link nor a comment.
#[derive(Debug, PartialEq)]
pub(crate) struct BadLine {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// The reason.
    pub(crate) reason: String,
}

impl Links {
    /// Reads a text with links or bare info-hashes, one a line, or several on a line with blanks between
    /// them. Empty lines are left out, and so is what follows a `#` at the start of a line or behind a blank.
    pub(crate) fn parse(text: &str) -> Self {
        let mut links = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, line) in text.lines().enumerate() {
            for part in parts(without_comment(line)) {
                match read(part) {
                    Ok(magnet) => links.magnets.push(magnet),
                    Err(reason) => links.bad_lines.push(BadLine { number: at + 1, reason }),
                }
            }
        }
        links
    }
}

fn read(part: &str) -> Result<Magnet, String> {
    if let Some(magnet) = Magnet::from_info_hash(part) {
        return Ok(magnet);
    }
    part.parse().map_err(|error: tinytorrent_metainfo::MagnetError| error.to_string())
}

fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        // A link may have one in it: only behind a blank is it a comment.
        if character == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = character;
    }
    line
}

/// The parts of a line that begin with `magnet:` at the start or behind a blank. The name in a link may have
/// blanks itself, so that the line is not cut at those.
fn parts(line: &str) -> Vec<&str> {
    let lower = line.to_ascii_lowercase();
    let is_start = |at: usize| at == 0 || lower[..at].ends_with(char::is_whitespace);
    let starts = lower.match_indices("magnet:").map(|(at, _)| at).filter(|&at| is_start(at));
    let mut borders: Vec<usize> = starts.collect();
    if borders.first() != Some(&0) {
        borders.insert(0, 0);
    }
    borders.push(line.len());
    let parts = borders.windows(2).map(|border| line[border[0]..border[1]].trim());
    parts.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digits: &str) -> String {
        digits.repeat(20)
    }

    fn hashes(links: &Links) -> Vec<String> {
        links.magnets.iter().map(|magnet| magnet.hashes.to_string()).collect()
    }

    #[test]
    fn links_stand_one_a_line_or_beside_each_other_between_comments() {
        let text = format!(
            "\u{feff}# films\r\n\r\nmagnet:?xt=urn:btih:{a}&dn=Big Buck Bunny\r\n  {b}  # bare\n\
             MAGNET:?xt=urn:btih:{c}&tr=udp%3A%2F%2Fh%3A1#x magnet:?xt=urn:btih:{d}\n\t# the end",
            a = hash("aa"),
            b = hash("bb"),
            c = hash("cc"),
            d = hash("dd"),
        );
        let links = Links::parse(&text);
        assert_eq!(hashes(&links), ["aa", "bb", "cc", "dd"].map(hash));
        assert_eq!(links.magnets[0].name.as_deref(), Some("Big Buck Bunny"));
        assert!(links.bad_lines.is_empty(), "{:?}", links.bad_lines);
    }

    #[test]
    fn a_bad_line_costs_no_other_line_anything() {
        let text = format!("magnet:?xt=urn:btih:short\nwhat is this\n{}\n", hash("aa"));
        let links = Links::parse(&text);
        assert_eq!(hashes(&links), [hash("aa")]);
        assert_eq!(links.bad_lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn no_text_panics() {
        let words = ["magnet:", "é", " ", "#", "\n", "?xt=urn:btih:", "\u{feff}", "aa"];
        for a in words {
            for b in words {
                for c in words {
                    for d in words {
                        let _ = Links::parse(&format!("{a}{b}{c}{d}"));
                    }
                }
            }
        }
    }
}
