//! The encoding of what the standard library has.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::code::{Code, Malformed, Reader, Writer};

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Code for $number {
            fn encode(&self, out: &mut Writer) {
                out.number(*self as u64);
            }

            fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                let error = input.malformed(concat!("a number of type ", stringify!($number)));
                Self::try_from(input.number()?).map_err(|_| error)
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 usize }

impl Code for () {
    fn encode(&self, _: &mut Writer) {}

    fn decode(_: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(())
    }
}

impl Code for bool {
    fn encode(&self, out: &mut Writer) {
        out.bytes.push(u8::from(*self));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("zero or one");
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(error),
        }
    }
}

impl<T: Code> Code for Option<T> {
    fn encode(&self, out: &mut Writer) {
        self.is_some().encode(out);
        if let Some(value) = self {
            Code::encode(value, out);
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(if bool::decode(input)? { Some(T::decode(input)?) } else { None })
    }
}

impl<T: Code, E: Code> Code for Result<T, E> {
    fn encode(&self, out: &mut Writer) {
        self.is_ok().encode(out);
        match self {
            Ok(value) => Code::encode(value, out),
            Err(error) => Code::encode(error, out),
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(if bool::decode(input)? { Ok(T::decode(input)?) } else { Err(E::decode(input)?) })
    }
}

/// No value of a list is encoded as nothing, so that there are no more than bytes.
impl<T: Code> Code for Vec<T> {
    fn encode(&self, out: &mut Writer) {
        out.number(self.len() as u64);
        self.iter().for_each(|value| Code::encode(value, out));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = input.count()?;
        (0..count).map(|_| T::decode(input)).collect()
    }
}

impl<A: Code, B: Code> Code for (A, B) {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::decode(input)?, B::decode(input)?))
    }
}

impl<T: Code> Code for Range<T> {
    fn encode(&self, out: &mut Writer) {
        self.start.encode(out);
        self.end.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(T::decode(input)?..T::decode(input)?)
    }
}

impl<T: Code> Code for Box<T> {
    fn encode(&self, out: &mut Writer) {
        T::encode(self, out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        T::decode(input).map(Box::new)
    }
}

impl<T: Code> Code for Arc<T> {
    fn encode(&self, out: &mut Writer) {
        T::encode(self, out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        T::decode(input).map(Arc::new)
    }
}

impl<const N: usize> Code for [u8; N] {
    fn encode(&self, out: &mut Writer) {
        out.bytes.extend_from_slice(self);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("more bytes");
        input.take(N)?.try_into().map_err(|_| error)
    }
}

impl Code for Bytes {
    fn encode(&self, out: &mut Writer) {
        out.blob(self);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        input.blob().map(Bytes::copy_from_slice)
    }
}

impl Code for String {
    fn encode(&self, out: &mut Writer) {
        out.blob(self.as_bytes());
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("text in UTF-8");
        let text = std::str::from_utf8(input.blob()?).map_err(|_| error)?;
        Ok(text.to_owned())
    }
}

impl Code for Cow<'static, str> {
    fn encode(&self, out: &mut Writer) {
        out.blob(self.as_bytes());
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        String::decode(input).map(Cow::Owned)
    }
}

/// In nanoseconds. Five hundred years are enough for whatever a tracker says.
impl Code for Duration {
    fn encode(&self, out: &mut Writer) {
        out.number(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        input.number().map(Duration::from_nanos)
    }
}

/// In nanoseconds since the recording began.
impl Code for Instant {
    fn encode(&self, out: &mut Writer) {
        let since = nanos_between(out.start, *self);
        out.signed(since);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("an instant near the others");
        let nanos = input.signed()?;
        instant_at(input.start, nanos).ok_or(error)
    }
}

/// The nanoseconds from one instant to another one.
pub(crate) fn nanos_between(from: Instant, to: Instant) -> i64 {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    match to.checked_duration_since(from) {
        Some(time) => nanos(time),
        None => -nanos(from.duration_since(to)),
    }
}

/// The instant at a distance from another one, if the clock has it.
pub(crate) fn instant_at(start: Instant, nanos: i64) -> Option<Instant> {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { start.checked_sub(distance) } else { start.checked_add(distance) }
}

impl Code for IpAddr {
    fn encode(&self, out: &mut Writer) {
        match self {
            IpAddr::V4(address) => {
                out.bytes.push(4);
                address.octets().encode(out);
            }
            IpAddr::V6(address) => {
                out.bytes.push(6);
                address.octets().encode(out);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let error = input.malformed("a family of addresses");
        Ok(match input.byte()? {
            4 => IpAddr::from(<[u8; 4]>::decode(input)?),
            6 => IpAddr::from(<[u8; 16]>::decode(input)?),
            _ => return Err(error),
        })
    }
}

/// The scope of a link-local address is the number of a device, which decides nothing; the flow neither.
impl Code for SocketAddr {
    fn encode(&self, out: &mut Writer) {
        self.ip().encode(out);
        self.port().encode(out);
        if let SocketAddr::V6(address) = self {
            (address.flowinfo(), address.scope_id()).encode(out);
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let ip = IpAddr::decode(input)?;
        let port = u16::decode(input)?;
        Ok(match ip {
            IpAddr::V4(ip) => (ip, port).into(),
            IpAddr::V6(ip) => v6(ip, port, <(u32, u32)>::decode(input)?),
        })
    }
}

fn v6(ip: Ipv6Addr, port: u16, (flow, scope): (u32, u32)) -> SocketAddr {
    SocketAddrV6::new(ip, port, flow, scope).into()
}

/// Those that connections and disks are known to fail by. Others are read as [`ErrorKind::Other`].
const ERRORS: [ErrorKind; 24] = [
    ErrorKind::Other,
    ErrorKind::NotFound,
    ErrorKind::PermissionDenied,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkUnreachable,
    ErrorKind::ConnectionAborted,
    ErrorKind::NotConnected,
    ErrorKind::AddrInUse,
    ErrorKind::AddrNotAvailable,
    ErrorKind::NetworkDown,
    ErrorKind::BrokenPipe,
    ErrorKind::AlreadyExists,
    ErrorKind::WouldBlock,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::InvalidInput,
    ErrorKind::InvalidData,
    ErrorKind::TimedOut,
    ErrorKind::WriteZero,
    ErrorKind::StorageFull,
    ErrorKind::Interrupted,
    ErrorKind::UnexpectedEof,
    ErrorKind::OutOfMemory,
];

impl Code for ErrorKind {
    fn encode(&self, out: &mut Writer) {
        encode_place(self, &ERRORS, out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        decode_place(&ERRORS, input, "a kind of error")
    }
}

/// Writes the place of a value in a list, or that of the first one for a value that is in no place.
pub(super) fn encode_place<T: PartialEq>(value: &T, list: &[T], out: &mut Writer) {
    let at = list.iter().position(|other| other == value).unwrap_or(0);
    out.bytes.push(at as u8);
}

/// Reads a value by its place in a list.
pub(super) fn decode_place<T: Copy>(
    list: &[T],
    input: &mut Reader<'_>,
    what: &'static str,
) -> Result<T, Malformed> {
    let error = input.malformed(what);
    list.get(usize::from(input.byte()?)).copied().ok_or(error)
}
