use quick_xml::Reader;
use quick_xml::events::Event;

/// Bytes of a document at most; descriptions of gateways have some thousands.
pub(crate) const MAX_DOCUMENT: usize = 256 << 10;

/// Elements in each other at most. A service of a gateway is nine deep.
const MAX_DEPTH: usize = 32;

/// Bytes of the name or the text of an element that are kept; nothing of ours is longer.
const MAX_TEXT: usize = 2_048;

/// An element at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// Without the prefix.
    pub(crate) name: &'a str,
    /// The name of the element around it; empty for the outermost one.
    pub(crate) parent: &'a str,
    /// Its own text, without space around it.
    pub(crate) text: &'a str,
}

/// Reads a document, and calls `visit` at the end of each element. `None` if it is not well-formed, or has more of
/// anything than a gateway needs. No entity is expanded but the five of XML: where there is another, it is left out (N-31).
pub(crate) fn read(document: &[u8], mut visit: impl FnMut(Element<'_>)) -> Option<()> {
    if document.len() > MAX_DOCUMENT {
        return None;
    }
    let document = String::from_utf8_lossy(document);
    let mut reader = Reader::from_str(&document);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<(String, String)> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let name = start.local_name();
                if open.len() == MAX_DEPTH || name.as_ref().len() > MAX_TEXT {
                    return None;
                }
                open.push((String::from_utf8_lossy(name.as_ref()).into_owned(), String::new()));
            }
            Event::End(_) => {
                let (name, text) = open.pop()?;
                let parent = open.last().map_or("", |(parent, _)| parent);
                visit(Element { name: &name, parent, text: text.trim() });
            }
            Event::Text(text) => push(&mut open, &text.decode().ok()?),
            Event::CData(text) => push(&mut open, &text.decode().ok()?),
            Event::GeneralRef(name) => {
                let of_number = name.resolve_char_ref().ok()?;
                let of_name = || match &*name {
                    b"amp" => Some('&'),
                    b"lt" => Some('<'),
                    b"gt" => Some('>'),
                    b"quot" => Some('"'),
                    b"apos" => Some('\''),
                    _ => None,
                };
                if let Some(letter) = of_number.or_else(of_name) {
                    push(&mut open, letter.encode_utf8(&mut [0; 4]));
                }
            }
            Event::Eof => return open.is_empty().then_some(()),
            _ => {}
        }
    }
}

/// Adds to the text of the innermost element, as long as it is short.
fn push(open: &mut [(String, String)], more: &str) {
    if let Some((_, text)) = open.last_mut().filter(|(_, text)| text.len() + more.len() <= MAX_TEXT)
    {
        text.push_str(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(document: &str) -> Option<Vec<String>> {
        let mut all = Vec::new();
        let push = |Element { name, parent, text }: Element<'_>| {
            all.push(format!("{parent}/{name}={text}"));
        };
        read(document.as_bytes(), push)?;
        Some(all)
    }

    #[test]
    fn elements_are_read_without_their_prefixes() {
        let document = "<?xml version='1.0'?><a:r xmlns:a='x'>\n<b> 1 &amp;&#50; </b><c/></a:r>";
        assert_eq!(read_all(document).unwrap(), ["r/b=1 &2", "r/c=", "/r="]);
        for broken in ["<a>", "<a></b>", "</a>", "<a", "<a>&#0;</a>"] {
            assert_eq!(read_all(broken), None, "{broken}");
        }
    }

    // N-31
    #[test]
    fn entities_are_not_expanded() {
        let document = "<!DOCTYPE r [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>\
            <!ENTITY c SYSTEM 'file:///etc/passwd'>]><r>1&b;&c;2</r>";
        assert_eq!(read_all(document).unwrap(), ["/r=12"]);
    }

    // N-31
    #[test]
    fn a_document_that_is_deep_or_large_is_refused() {
        let deep = |depth: usize| ["<a>".repeat(depth), "</a>".repeat(depth)].concat();
        assert!(read_all(&deep(MAX_DEPTH)).is_some());
        assert_eq!(read_all(&deep(MAX_DEPTH + 1)), None);
        assert_eq!(read_all(&deep(20_000)), None);
        let large = |size: usize| format!("<a>{}</a>", " ".repeat(size - 7));
        assert!(read_all(&large(MAX_DOCUMENT)).is_some());
        assert_eq!(read_all(&large(MAX_DOCUMENT + 1)), None);
        let long = format!("<a>{}</a>", "b".repeat(MAX_TEXT + 1));
        assert_eq!(read_all(&long).unwrap(), ["/a="], "nothing that is so long is kept");
    }
}
