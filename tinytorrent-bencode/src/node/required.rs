//! Access to values that have to be there: each error has the place of the value.

use alloc::string::String;
use core::{any, str};

use crate::{Dict, Error, ErrorKind, Kind, List, Node};

impl<'doc, 'a> Node<'doc, 'a> {
    /// The value of a required key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`] if this is no dictionary, [`ErrorKind::MissingKey`] if the key is missing.
    pub fn require(&self, key: impl AsRef<[u8]>) -> Result<Node<'doc, 'a>, Error> {
        let key = key.as_ref();
        // A value of another kind is an error of its own, and not a missing key.
        self.to_dict()?;
        self.get(key).ok_or_else(|| {
            self.error(ErrorKind::MissingKey(String::from_utf8_lossy(key).into_owned()))
        })
    }

    /// The bytes of a string.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`].
    #[inline]
    pub fn to_bytes(&self) -> Result<&'a [u8], Error> {
        self.as_bytes().ok_or_else(|| self.wrong_kind(Kind::String))
    }

    /// The bytes of a string of exactly `N` bytes, such as an info-hash.
    ///
    /// ```
    /// let doc = tinytorrent_bencode::decode(b"d2:id20:aaaaaaaaaaaaaaaaaaaae")?;
    /// let id: &[u8; 20] = doc.root().require("id")?.to_array()?;
    /// assert_eq!(*id, [b'a'; 20]);
    /// let error = doc.root().require("id")?.to_array::<32>().unwrap_err();
    /// assert_eq!(error.to_string(), "expected a string of 32 bytes, found 20, at byte 5 in `id`");
    /// # Ok::<(), tinytorrent_bencode::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`], [`ErrorKind::WrongLength`].
    pub fn to_array<const N: usize>(&self) -> Result<&'a [u8; N], Error> {
        let bytes = self.to_bytes()?;
        bytes
            .try_into()
            .map_err(|_| self.error(ErrorKind::WrongLength { expected: N, found: bytes.len() }))
    }

    /// The text of a string.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`], [`ErrorKind::NotUtf8`].
    pub fn to_str(&self) -> Result<&'a str, Error> {
        str::from_utf8(self.to_bytes()?).map_err(|_| self.error(ErrorKind::NotUtf8))
    }

    /// An integer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`], [`ErrorKind::OutOfRange`].
    pub fn to_i64(&self) -> Result<i64, Error> {
        self.as_i64().ok_or_else(|| self.not_an_integer_of("i64"))
    }

    /// An integer that is not negative.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`], [`ErrorKind::OutOfRange`].
    #[inline]
    pub fn to_u64(&self) -> Result<u64, Error> {
        self.as_u64().ok_or_else(|| self.not_an_integer_of("u64"))
    }

    /// An integer that is not negative and fits in a type.
    ///
    /// ```
    /// let doc = tinytorrent_bencode::decode(b"d4:porti70000ee")?;
    /// let port = doc.root().require("port")?;
    /// assert_eq!(port.to_uint::<u32>()?, 70_000);
    /// let error = port.to_uint::<u16>().unwrap_err();
    /// assert_eq!(error.to_string(), "the integer does not fit in u16, at byte 7 in `port`");
    /// # Ok::<(), tinytorrent_bencode::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`], [`ErrorKind::OutOfRange`].
    pub fn to_uint<T: TryFrom<u64>>(&self) -> Result<T, Error> {
        self.as_uint().ok_or_else(|| self.not_an_integer_of(any::type_name::<T>()))
    }

    /// The values of a list.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`].
    #[inline]
    pub fn to_list(&self) -> Result<List<'doc, 'a>, Error> {
        if self.kind() == Kind::List { Ok(self.list()) } else { Err(self.wrong_kind(Kind::List)) }
    }

    /// The keys and values of a dictionary.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongKind`].
    #[inline]
    pub fn to_dict(&self) -> Result<Dict<'doc, 'a>, Error> {
        if self.kind() == Kind::Dict { Ok(self.dict()) } else { Err(self.wrong_kind(Kind::Dict)) }
    }

    /// An error with the place of this value.
    pub fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.offset(), self.path())
    }

    fn wrong_kind(&self, expected: Kind) -> Error {
        self.error(ErrorKind::WrongKind { expected, found: self.kind() })
    }

    fn not_an_integer_of(&self, name: &'static str) -> Error {
        if self.kind() == Kind::Integer {
            self.error(ErrorKind::OutOfRange(name))
        } else {
            self.wrong_kind(Kind::Integer)
        }
    }
}
