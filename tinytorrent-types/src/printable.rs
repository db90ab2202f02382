use core::fmt::{self, Write};

/// Text from strangers for display: on one line, and safe for a terminal and a log.
///
/// Each character for which [`is_printable`] is false is shown as U+FFFD. Output for programs should
/// have the text as it is.
///
/// ```
/// use tinytorrent_types::Printable;
///
/// let comment = "free\x1b[2J beer \u{202e}gpj.exe";
/// assert_eq!(Printable(comment).to_string(), "free\u{fffd}[2J beer \u{fffd}gpj.exe");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            let is_shown = is_printable(character);
            f.write_char(if is_shown { character } else { char::REPLACEMENT_CHARACTER })?;
        }
        Ok(())
    }
}

/// Returns false for control characters (C0, DEL and C1), line and paragraph separators, and the
/// invisible ones of Unicode's format characters.
pub const fn is_printable(character: char) -> bool {
    // A terminal executes the controls, and format characters can reverse or hide text, so that a
    // file name looks like another.
    !matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    #[test]
    fn what_a_terminal_obeys_or_nobody_sees_is_replaced() {
        let controls = (0..0xa0).filter_map(char::from_u32).filter(|c| c.is_control());
        let invisible = "\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\u{202a}\u{202e}\u{2028}\u{2060}\
            \u{2066}\u{2069}\u{206f}\u{feff}\u{e0041}";
        for character in controls.chain(invisible.chars()) {
            assert!(!is_printable(character), "{character:?}");
            let shown = Printable(character.encode_utf8(&mut [0; 4])).to_string();
            assert_eq!(shown, "\u{fffd}", "{character:?}");
        }
    }

    #[test]
    fn text_of_all_languages_is_shown_as_it_is() {
        let text = "Ünï 日本語 עברית عربي ไทย 👍 e\u{301} \u{a0}~ \u{fe0f}";
        assert_eq!(Printable(text).to_string(), text);
        let all: String = ('\0'..=char::MAX).collect();
        assert!(Printable(&all).to_string().chars().all(is_printable));
    }
}
