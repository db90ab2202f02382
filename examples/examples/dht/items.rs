//! Items that are stored and found (BEP 44).

use std::path::Path;

use serde_json::json;
use tinytorrent_bencode as bencode;
use tinytorrent_dht::{DhtNode, Event, Item, Lookup, NodeId, SearchReport};
use tinytorrent_examples::{Failure, Output};
use tinytorrent_types::{Printable, hex};

use crate::finish;

pub(crate) async fn put(
    node: &DhtNode,
    text: &str,
    key: Option<&Path>,
    salt: &str,
    out: Output,
) -> Result<(), Failure> {
    let mut value = Vec::new();
    bencode::encode::bytes(&mut value, text);
    let item = match key {
        None => {
            Item::immutable(&value).map_err(|error| Failure::invalid_input("the text", &error))?
        }
        Some(path) => Owner::read(path, salt)?.sign(node, &value, out).await?.0,
    };
    let (_, report) = newest(node.put(item.clone(), None)).await?;
    out.say(format!("{} is stored by {} nodes", item.target(), report.stored));
    let key = item.mutable_part().map(|part| hex::encode(part.key));
    out.event(&json!({ "event": "put", "target": item.target().to_string(), "public_key": key, "seq": item.seq() }));
    finish(out, &report, report.stored > 0, "no node stored it")
}

pub(crate) async fn get(
    node: &DhtNode,
    target: Option<NodeId>,
    public_key: Option<&str>,
    salt: &str,
    out: Output,
) -> Result<(), Failure> {
    let lookup = match (target, public_key) {
        (Some(target), _) => node.get(target),
        (None, key) => {
            let key = hex::decode(key.unwrap_or_default())
                .map_err(|error| Failure::invalid_input("the public key", &error))?;
            node.get_mutable(key, salt.as_bytes())
        }
    };
    let (item, report) = newest(lookup).await?;
    if let Some(item) = &item {
        let text = text_of(item);
        out.say(Printable(&text).to_string());
        out.event(&json!({ "event": "item", "text": text, "value": hex::encode(item.value()), "seq": item.seq() }));
    }
    finish(out, &report, item.is_some(), "no node has it")
}

/// The last item of a look-up, which is the newest.
pub(crate) async fn newest(mut lookup: Lookup) -> Result<(Option<Item>, SearchReport), Failure> {
    let mut newest = None;
    loop {
        match lookup.next().await {
            Some(Event::ItemFound { item, .. }) => newest = Some(item),
            Some(Event::SearchEnded { report, .. }) => return Ok((newest, report)),
            Some(_) => {}
            None => return Err(Failure::CouldNot("the node has ended".to_owned())),
        }
    }
}

/// The owner of a mutable item, who alone may change it.
pub(crate) struct Owner {
    secret: [u8; 32],
    salt: String,
}

impl Owner {
    pub(crate) fn read(path: &Path, salt: &str) -> Result<Self, Failure> {
        Ok(Self { secret: read_key(path)?, salt: salt.to_owned() })
    }

    /// A value in the place of the newest one, or the newest one if it is the same, and the number of the one that
    /// it replaces.
    pub(crate) async fn sign(
        &self,
        node: &DhtNode,
        value: &[u8],
        out: Output,
    ) -> Result<(Item, Option<i64>), Failure> {
        let sign = |seq| {
            Item::sign(&self.secret, self.salt.as_bytes(), seq, value)
                .map_err(|error| Failure::invalid_input("the item", &error))
        };
        let first = sign(1)?;
        let key = first.mutable_part().map(|part| part.key).unwrap_or_default();
        out.say(format!("public key {}", hex::encode(key)));
        let (known, _) = newest(node.get_mutable(key, self.salt.as_bytes())).await?;
        let known = known.as_ref().and_then(|item| Some((item.seq()?, item.value())));
        match known {
            Some((seq, same)) if same == value => Ok((sign(seq)?, None)),
            Some((seq, _)) => Ok((sign(seq.saturating_add(1))?, Some(seq))),
            None => Ok((first, None)),
        }
    }
}

fn read_key(path: &Path) -> Result<[u8; 32], Failure> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::could_not(format!("cannot read {shown}"), &error))?;
    let digits = std::str::from_utf8(&bytes).ok().and_then(|text| hex::decode(text.trim()).ok());
    digits.or_else(|| bytes.try_into().ok()).ok_or_else(|| {
        Failure::InvalidInput(format!("{shown} holds neither 32 bytes nor 64 hexadecimal digits"))
    })
}

fn text_of(item: &Item) -> String {
    let value = bencode::decode(item.value());
    let text = value.ok().and_then(|value| Some(value.root().as_str()?.to_owned()));
    text.unwrap_or_else(|| String::from_utf8_lossy(item.value()).into_owned())
}
