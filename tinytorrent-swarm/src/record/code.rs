//! The encoding of values in a recording: numbers in groups of seven bits, and everything else made of them.

use std::time::Instant;

use tinytorrent_types::Geometry;

/// A value with an encoding. Reading what was written gives the same value, or one that is written alike.
pub(crate) trait Code: Sized {
    /// Appends the value.
    fn encode(&self, out: &mut Writer);

    /// Reads a value. What it allocates is in proportion to the bytes that it reads.
    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// Bytes that do not encode what should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Offset within the entry.
    pub(crate) at: usize,
    /// The value that should be there.
    pub(crate) what: &'static str,
}

/// An entry that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    /// The instant from which others are counted.
    pub(crate) start: Instant,
}

impl Writer {
    pub(crate) fn new(start: Instant) -> Self {
        Self { bytes: Vec::new(), start }
    }

    /// Appends a number.
    pub(crate) fn number(&mut self, number: u64) {
        push_number(&mut self.bytes, number);
    }

    /// Appends a number that may be negative: small ones of either sign are short.
    pub(crate) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    /// Appends a number of bytes, and the bytes.
    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Appends a number: seven bits a byte, the lowest first, the highest bit set if more follow.
pub(crate) fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// An entry that is being read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The instant from which others are counted.
    pub(crate) start: Instant,
    /// The content, once the recording has told of it.
    pub(crate) geometry: Option<Geometry>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], start: Instant, geometry: Option<Geometry>) -> Self {
        Self { bytes, at: 0, start, geometry }
    }

    /// The content by which pieces and blocks are judged. Before it is known, any will do: the engine ignores them.
    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry.clone().unwrap_or_else(|| {
            Geometry::new(u64::from(u32::MAX) << 31, u32::MAX)
                .expect("as many pieces as there can be")
        })
    }

    /// The bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The error of a value that is not here.
    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.rest().get(..count).ok_or(self.malformed("more bytes"))?;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let start = self.malformed("a number of 64 bits");
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(start);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(start)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of things that follow, of which each takes a byte at least.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let error = self.malformed("a number of things that are there");
        let count = usize::try_from(self.number()?).map_err(|_| error)?;
        if count > self.rest().len() { Err(error) } else { Ok(count) }
    }

    pub(crate) fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.count()?;
        self.take(count)
    }
}

/// Encodes a type from the list of its fields, or of its variants with a number for each. The compiler refuses a
/// list that lacks one.
macro_rules! code {
    ($(struct $name:ty { $($field:ident),* $(,)? } $(without { $without:ident })?)*) => {$(
        impl Code for $name {
            fn encode(&self, out: &mut Writer) {
                let Self { $($field),* $(, $without: _)? } = self;
                $(Code::encode($field, out);)*
            }

            fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                $(let $field = Code::decode(input)?;)*
                Ok(Self { $($field),* $(, $without: Default::default())? })
            }
        }
    )*};
    ($(enum $name:ident {
        $($tag:literal $variant:ident $(($($value:ident),*))? $({ $($field:ident),* })?),* $(,)?
    })*) => {$(
        impl Code for $name {
            fn encode(&self, out: &mut Writer) {
                match self {$(
                    $name::$variant $(($($value),*))? $({ $($field),* })? => {
                        out.bytes.push($tag);
                        $($(Code::encode($value, out);)*)?
                        $($(Code::encode($field, out);)*)?
                    }
                )*}
            }

            fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                let error = input.malformed(concat!("a variant of ", stringify!($name)));
                Ok(match input.byte()? {
                    $($tag => {
                        $($(let $value = Code::decode(input)?;)*)?
                        $($(let $field = Code::decode(input)?;)*)?
                        $name::$variant $(($($value),*))? $({ $($field),* })?
                    })*
                    _ => return Err(error),
                })
            }
        }
    )*};
}
pub(crate) use code;
