use std::net::{IpAddr, SocketAddr};

use tinytorrent_bencode::{Node, Options};
use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::{self, Family};

use super::{
    Body, ErrorMessage, ItemFields, MAX_READ, MAX_TRANSACTION, Message, MessageError,
    MessageErrorKind, Method, NodeInfo, PutMutable, Query, Response, Sample, Want,
};
use crate::{Bloom, NodeId};

/// The nesting that is read. Messages have three levels, and the values of items may have more.
const MAX_DEPTH: usize = 32;

type Value<'d, 'a> = Node<'d, 'a>;

impl<'a> Message<'a> {
    /// Reads a datagram, leniently: keys may be unsorted, bytes may follow, what is not known is ignored,
    /// and optional values of the wrong type count as missing.
    ///
    /// # Errors
    /// [`MessageError`], with the place in the datagram, if it is no message or lacks what its kind must
    /// have. [`MessageError::answerable`] says if the sender may have an answer to that.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, MessageError> {
        if datagram.len() > MAX_READ {
            return Err(error(MessageErrorKind::TooLong { length: datagram.len() }, MAX_READ));
        }
        let document =
            Options::lenient().max_depth(MAX_DEPTH).max_deviations(0).decode(datagram).map_err(
                |found| {
                    let offset = found.offset();
                    error(MessageErrorKind::NotBencode(found), offset)
                },
            )?;
        let root = document.root();
        if root.to_dict().is_err() {
            return Err(error(MessageErrorKind::NotADictionary, 0));
        }
        let transaction = transaction(root)?;
        let body = match root.get("y").and_then(|kind| kind.as_bytes()) {
            Some(b"q") => Body::Query(query(root).map_err(|mut error| {
                error.answerable = Some(transaction.into());
                error
            })?),
            Some(b"r") => Body::Response(Box::new(response(root)?)),
            Some(b"e") => Body::Error(error_message(root)),
            _ => return Err(error(MessageErrorKind::UnknownKind, offset_of(root, "y"))),
        };
        Ok(Self {
            transaction,
            version: bytes(root, "v"),
            read_only: flag(root, "ro"),
            ip: bytes(root, "ip").and_then(address),
            body,
        })
    }
}

fn transaction<'a>(root: Value<'_, 'a>) -> Result<&'a [u8], MessageError> {
    bytes(root, "t")
        .filter(|id| (1..=MAX_TRANSACTION).contains(&id.len()))
        .ok_or_else(|| error(MessageErrorKind::Transaction, offset_of(root, "t")))
}

fn query<'a>(root: Value<'_, 'a>) -> Result<Query<'a>, MessageError> {
    let name = bytes(root, "q").ok_or_else(|| field_error(root, "q"))?;
    let arguments = root.get("a").ok_or_else(|| field_error(root, "a"))?;
    Ok(Query {
        id: NodeId::from_bytes(*array(arguments, "id")?),
        want: want(arguments),
        method: method(name, arguments)?,
    })
}

fn method<'a>(name: &'a [u8], arguments: Value<'_, 'a>) -> Result<Method<'a>, MessageError> {
    let target = |key| array(arguments, key).map(|target| NodeId::from_bytes(*target));
    let info_hash = || array(arguments, "info_hash").map(|hash| WireInfoHash::from_bytes(*hash));
    let token = || bytes(arguments, "token").ok_or_else(|| field_error(arguments, "token"));
    Ok(match name {
        b"ping" => Method::Ping,
        b"find_node" => Method::FindNode { target: target("target")? },
        b"get_peers" => Method::GetPeers {
            info_hash: info_hash()?,
            no_seeds: flag(arguments, "noseed"),
            scrape: flag(arguments, "scrape"),
        },
        b"announce_peer" => {
            let implied_port = flag(arguments, "implied_port");
            let port = arguments.get("port").and_then(|port| port.as_uint());
            Method::AnnouncePeer {
                info_hash: info_hash()?,
                // D-07: what stands here counts for nothing then, and some leave it out.
                port: match port {
                    None if !implied_port => return Err(field_error(arguments, "port")),
                    port => port.unwrap_or_default(),
                },
                implied_port,
                is_seed: flag(arguments, "seed"),
                token: token()?,
            }
        }
        b"get" => Method::Get { target: target("target")?, seq: number(arguments, "seq") },
        b"put" => Method::Put {
            token: token()?,
            value: arguments.get("v").ok_or_else(|| field_error(arguments, "v"))?.to_raw(),
            mutable: put_mutable(arguments)?,
        },
        b"sample_infohashes" => Method::SampleInfohashes { target: target("target")? },
        name => {
            Method::Unknown { name, target: target("target").or_else(|_| target("info_hash")).ok() }
        }
    })
}

/// The part of a `put` that makes it a mutable one, which it is if it has a key.
fn put_mutable<'a>(arguments: Value<'_, 'a>) -> Result<Option<PutMutable<'a>>, MessageError> {
    if arguments.get("k").is_none() {
        return Ok(None);
    }
    Ok(Some(PutMutable {
        key: array(arguments, "k")?,
        signature: array(arguments, "sig")?,
        seq: number(arguments, "seq").ok_or_else(|| field_error(arguments, "seq"))?,
        salt: bytes(arguments, "salt").unwrap_or_default(),
        cas: number(arguments, "cas"),
    }))
}

fn response<'a>(root: Value<'_, 'a>) -> Result<Response<'a>, MessageError> {
    let fields = root.get("r").ok_or_else(|| field_error(root, "r"))?;
    let bloom = |key| Some(Box::new(Bloom::from_bytes(*fields.get(key)?.as_array()?)));
    Ok(Response {
        id: NodeId::from_bytes(*array(fields, "id")?),
        nodes: bytes(fields, "nodes").map(|nodes| read_nodes(nodes, Family::V4)),
        nodes6: bytes(fields, "nodes6").map(|nodes| read_nodes(nodes, Family::V6)),
        token: bytes(fields, "token"),
        values: fields.get("values").map(values).unwrap_or_default(),
        seeds: bloom("BFsd"),
        peers: bloom("BFpe"),
        item: ItemFields {
            value: fields.get("v").map(|value| value.to_raw()),
            key: fields.get("k").and_then(|key| key.as_array()),
            signature: fields.get("sig").and_then(|signature| signature.as_array()),
            seq: number(fields, "seq"),
        },
        sample: bytes(fields, "samples").map(|samples| {
            let count = |key| fields.get(key).and_then(|count| count.as_u64()).unwrap_or_default();
            let interval = u32::try_from(count("interval")).unwrap_or(u32::MAX);
            Sample::new(interval, count("num"), samples)
        }),
    })
}

/// D-03: a list of code and text. Whatever is missing counts as 0 and as no text.
fn error_message<'a>(root: Value<'_, 'a>) -> ErrorMessage<'a> {
    let list = root.get("e");
    let code = list.and_then(|list| list.index(0)).and_then(|code| code.as_i64());
    let text = list.and_then(|list| list.index(1)).and_then(|text| text.as_bytes());
    ErrorMessage { code: code.unwrap_or_default(), text: text.unwrap_or_default() }
}

/// D-05: whole entries. Those of the other family in disguise are left out, since they belong to none.
fn read_nodes(bytes: &[u8], family: Family) -> Vec<NodeInfo> {
    bytes
        .chunks_exact(NodeInfo::length(family))
        .filter_map(|entry| {
            let (id, address) = entry.split_first_chunk()?;
            let address = compact::peers(address, family).next()?;
            let node = NodeInfo { id: NodeId::from_bytes(*id), address };
            (node.family() == family).then_some(node)
        })
        .collect()
}

/// Peers as a list of strings of 6 or 18 bytes, or as one string of many peers of IPv4 (D-32).
fn values(node: Value<'_, '_>) -> Vec<SocketAddr> {
    let many = |bytes: &[u8]| -> Vec<SocketAddr> { compact::peers(bytes, Family::V4).collect() };
    if let Some(bytes) = node.as_bytes() {
        return address(bytes).map_or_else(|| many(bytes), |peer| vec![peer]);
    }
    let list = node.list();
    let sole = node.index(0).filter(|_| node.index(1).is_none());
    if let Some(bytes) = sole.and_then(|sole| sole.as_bytes()) {
        return address(bytes).map_or_else(|| many(bytes), |peer| vec![peer]);
    }
    list.filter_map(|peer| address(peer.as_bytes()?)).collect()
}

/// An address of 6 or 18 bytes.
fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = match bytes.len() {
        6 => Family::V4,
        18 => Family::V6,
        _ => return None,
    };
    compact::peers(bytes, family).next().map(canonical)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

/// D-34: strings that are not known are ignored.
fn want(arguments: Value<'_, '_>) -> Want {
    let mut want = Want::default();
    let families = arguments.get("want").into_iter().flat_map(|list| list.list());
    for family in families {
        match family.as_bytes() {
            Some(b"n4") => want.v4 = true,
            Some(b"n6") => want.v6 = true,
            _ => {}
        }
    }
    want
}

fn bytes<'a>(dictionary: Value<'_, 'a>, key: &str) -> Option<&'a [u8]> {
    dictionary.get(key)?.as_bytes()
}

fn array<'a, const N: usize>(
    dictionary: Value<'_, 'a>,
    key: &'static str,
) -> Result<&'a [u8; N], MessageError> {
    dictionary
        .get(key)
        .and_then(|value| value.as_array())
        .ok_or_else(|| field_error(dictionary, key))
}

fn number(dictionary: Value<'_, '_>, key: &str) -> Option<i64> {
    dictionary.get(key)?.as_i64()
}

fn flag(dictionary: Value<'_, '_>, key: &str) -> bool {
    dictionary.get(key).and_then(|flag| flag.as_bool()).unwrap_or_default()
}

fn field_error(dictionary: Value<'_, '_>, key: &'static str) -> MessageError {
    error(MessageErrorKind::Field { key }, offset_of(dictionary, key))
}

/// The offset of a value, or of the dictionary that lacks it.
fn offset_of(dictionary: Value<'_, '_>, key: &str) -> usize {
    dictionary.get(key).unwrap_or(dictionary).offset()
}

fn error(kind: MessageErrorKind, offset: usize) -> MessageError {
    MessageError { kind, offset, answerable: None }
}
