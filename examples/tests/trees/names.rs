use crate::random::Random;

/// Names that Linux holds and that something somewhere takes for special.
const ODD: [&str; 50] = [
    "con",
    "NUL.txt",
    "aux",
    "lpt1.log",
    "a:b",
    "C:",
    "what?",
    "*",
    "a|b",
    "<x>",
    "\"quoted\"",
    "trailing.",
    "trailing ",
    "trailing. .",
    " leading",
    ".hidden",
    "..hidden",
    "...",
    ".pad",
    "._x",
    "~",
    "-rf",
    "--output",
    "%00",
    "%2e%2e",
    "$HOME",
    "back\\slash",
    "..\\up",
    "'",
    "#",
    "&",
    ";",
    "new\nline",
    "carriage\rreturn",
    "tab\t",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}",
    "\u{202e}gpj.exe",
    "zero\u{200b}width",
    "\u{feff}bom",
    "\u{e9}",
    "e\u{301}",
    "\u{df}",
    "ss",
    "\u{212b}",
    "名前.flac",
    "🎵",
    "\u{10ffff}",
    "_____padding_file",
];

/// Names that differ little.
const ALIKE: [&str; 8] = ["foo", "Foo", "FOO", "foo.1", "foo.", "foo ", "FOO.1", "f\u{f6}\u{f6}"];

pub(crate) fn name(random: &mut Random) -> String {
    match random.below(10) {
        0..4 => (*random.choose(&ODD)).to_owned(),
        4..6 => (*random.choose(&ALIKE)).to_owned(),
        6 => "x".repeat(255),
        7 => "\u{1f3b5}".repeat(63) + ["", "1", "12", "123"][random.below(4)],
        _ => format!("file {}.bin", random.below(30)),
    }
}

/// The names of folders whose path is longer than the 4,096 bytes that Linux takes at once.
pub(crate) fn deep(random: &mut Random) -> Vec<String> {
    let letter = *random.choose(&["d", "D", "é"]);
    (0..20).map(|depth| format!("{depth} {}", letter.repeat(240 / letter.len()))).collect()
}
