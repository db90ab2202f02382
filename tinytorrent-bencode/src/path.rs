//! Key paths: the place of a value in a document, for display.

use alloc::vec::Vec;
use core::fmt;

use crate::debug::Text;
use crate::token::{NO_PARENT, Token};

/// The path from the root to a value, shown as `info.files[3].path[1]`.
///
/// The path of the root is empty. Keys are cut after 64 bytes, so that a path is short for any input.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct KeyPath {
    elements: Vec<PathElement>,
}

/// One step of a [`KeyPath`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum PathElement {
    /// The key in a dictionary (at most its first 64 bytes).
    Key(Vec<u8>),
    /// The position in a list, from 0.
    Index(usize),
}

/// A guess: longer than every key in the BEPs, and short enough for a log line.
const MAX_KEY_BYTES: usize = 64;

impl KeyPath {
    /// The steps, from the root.
    pub fn elements(&self) -> &[PathElement] {
        &self.elements
    }

    /// True for the path of the root.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub(crate) fn push_key(&mut self, key: &[u8]) {
        self.elements.push(PathElement::Key(key[..key.len().min(MAX_KEY_BYTES)].to_vec()));
    }

    /// The path of a token in a finished tape, or in the finished part of one.
    pub(crate) fn of_token(input: &[u8], tape: &[Token], index: usize) -> Self {
        let mut path = Self::default();
        let mut parent = 0;
        while parent != index {
            parent = path.step(input, tape, parent, index);
        }
        path
    }

    /// The path of the next token of an unfinished tape whose innermost open container is `open`.
    pub(crate) fn of_next(input: &[u8], tape: &[Token], open: u32) -> Self {
        // An open container holds the index of its parent, so the chain begins at the innermost.
        let mut chain = Vec::new();
        let mut container = open;
        while container != NO_PARENT {
            chain.push(container as usize);
            container = tape[container as usize].number();
        }
        let mut path = Self::default();
        for (step, &parent) in chain.iter().enumerate().rev() {
            let target = if step == 0 { tape.len() } else { chain[step - 1] };
            path.step(input, tape, parent, target);
        }
        path
    }

    /// The path of the innermost open container of an unfinished tape.
    pub(crate) fn of_container(input: &[u8], tape: &[Token], open: u32) -> Self {
        if open == NO_PARENT {
            return Self::default();
        }
        let parent = tape[open as usize].number();
        Self::of_next(input, &tape[..open as usize], parent)
    }

    /// Appends the step from `parent` to the child that is or holds `target`, and returns that child.
    fn step(&mut self, input: &[u8], tape: &[Token], parent: usize, target: usize) -> usize {
        let is_dict = tape[parent].tag() == Token::DICT;
        let (mut child, mut position) = (parent + 1, 0);
        while child < target {
            let next = child + tape[child].width();
            if next > target {
                break;
            }
            (child, position) = (next, position + 1);
        }
        // In a dictionary, keys have even positions and values odd ones.
        if !is_dict {
            self.elements.push(PathElement::Index(position));
        } else if position % 2 == 1 {
            self.push_key(string(input, tape, child - 1));
        } else if child < tape.len() && tape[child].tag() == Token::STRING {
            self.push_key(string(input, tape, child));
        }
        child
    }
}

/// The content of the string token at `index`, which may be the last token so far.
fn string<'a>(input: &'a [u8], tape: &[Token], index: usize) -> &'a [u8] {
    let start = tape[index].start() + tape[index].number() as usize;
    match tape.get(index + 1) {
        Some(next) => &input[start..next.start()],
        // No next token shows the end of this one.
        None => crate::grammar::content(&input[tape[index].start()..]),
    }
}

impl fmt::Debug for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.debug_tuple("Key").field(&Text(key)).finish(),
            Self::Index(index) => f.debug_tuple("Index").field(index).finish(),
        }
    }
}

/// The path as it is displayed.
impl fmt::Debug for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPath(`{self}`)")
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, element) in self.elements.iter().enumerate() {
            match element {
                PathElement::Key(key) if position == 0 => write!(f, "{}", key.escape_ascii())?,
                PathElement::Key(key) => write!(f, ".{}", key.escape_ascii())?,
                PathElement::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
