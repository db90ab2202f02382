//! Changes of the keys beside the info dictionary, and saving.

use std::collections::BTreeMap;
use std::sync::Arc;

use tinytorrent_bencode::encode;

use super::{Metainfo, PieceLayers};
use crate::report::Warnings;
use crate::{HostPort, Info};

/// Changes that leave the info dictionary, and so the info-hash, as it is.
impl Metainfo {
    /// Creates a torrent file from an info dictionary, as peers send it (BEP 9).
    pub fn from_info(info: Arc<Info>) -> Self {
        Self::with_layers(info, PieceLayers::default())
    }

    /// The torrent file with only the parts that the info-hash proves: the info dictionary and the piece
    /// layers.
    pub fn to_proven(&self) -> Self {
        Self::with_layers(Arc::clone(&self.info), self.layers.clone())
    }

    pub(crate) fn with_layers(info: Arc<Info>, layers: PieceLayers) -> Self {
        Self {
            info,
            root: BTreeMap::new(),
            layers,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            http_seeds: Vec::new(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
            similar: Vec::new(),
            collections: Vec::new(),
            warnings: Warnings::default(),
        }
    }

    /// Replaces all trackers. `announce` becomes the first of them. `announce-list` is written if there
    /// are several (BEP 12).
    pub fn set_trackers(&mut self, tiers: Vec<Vec<String>>) -> &mut Self {
        self.trackers = tiers;
        // A tier without a tracker has no meaning (BEP 12).
        self.trackers.retain(|tier| !tier.is_empty());
        let first = self.trackers.iter().flatten().next().map(|url| bytes(url));
        self.put("announce", first);
        let is_one = self.trackers.iter().flatten().nth(1).is_none();
        let list = (!is_one).then(|| {
            let mut out = Vec::new();
            encode::list(&mut out, |list| {
                for tier in &self.trackers {
                    list.list(|list| tier.iter().for_each(|url| list.bytes(url)));
                }
            });
            out
        });
        self.put("announce-list", list);
        self
    }

    /// Replaces the web seeds of BEP 19.
    pub fn set_web_seeds(&mut self, urls: Vec<String>) -> &mut Self {
        self.put("url-list", list(&urls));
        self.web_seeds = urls;
        self
    }

    /// Replaces the web seeds of BEP 17.
    pub fn set_http_seeds(&mut self, urls: Vec<String>) -> &mut Self {
        self.put("httpseeds", list(&urls));
        self.http_seeds = urls;
        self
    }

    /// Replaces the nodes of the DHT to start from (BEP 5).
    pub fn set_nodes(&mut self, nodes: Vec<HostPort>) -> &mut Self {
        let value = (!nodes.is_empty()).then(|| {
            let mut out = Vec::new();
            encode::list(&mut out, |list| {
                for node in &nodes {
                    list.list(|pair| {
                        pair.bytes(node.host());
                        pair.integer(u64::from(node.port()));
                    });
                }
            });
            out
        });
        self.put("nodes", value);
        self.nodes = nodes;
        self
    }

    /// Replaces the comment, or removes it.
    pub fn set_comment(&mut self, comment: Option<String>) -> &mut Self {
        // Readers prefer it to `comment`, so the old text would stay visible.
        self.put("comment.utf-8", None);
        self.put("comment", comment.as_deref().map(bytes));
        self.comment = comment;
        self
    }

    /// Replaces the name of the program, or removes it.
    pub fn set_created_by(&mut self, program: Option<String>) -> &mut Self {
        self.put("created by", program.as_deref().map(bytes));
        self.created_by = program;
        self
    }

    /// Replaces the date, in seconds since 1970, or removes it.
    pub fn set_creation_date(&mut self, seconds: Option<i64>) -> &mut Self {
        let value = seconds.map(|seconds| {
            let mut out = Vec::new();
            encode::integer(&mut out, seconds);
            out
        });
        self.put("creation date", value);
        self.creation_date = seconds;
        self
    }

    /// Encodes the torrent file. The info dictionary and every key that was not set since have the bytes
    /// that were read. Keys are sorted, and each is written once.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut root: BTreeMap<&[u8], &[u8]> =
            self.root.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
        root.insert(b"info", self.info.bytes());
        let layers = self.encode_layers();
        if let Some(layers) = &layers {
            root.insert(b"piece layers", layers);
        }
        // The values are bencode already, and the map has sorted the keys.
        let mut out = vec![b'd'];
        for (key, value) in root {
            encode::bytes(&mut out, key);
            out.extend_from_slice(value);
        }
        out.push(b'e');
        out
    }

    /// The value of `piece layers`; `None` if the key is left out.
    fn encode_layers(&self) -> Option<Vec<u8>> {
        // A v2 torrent has the dictionary even if it is empty (BEP 52).
        if self.layers.is_empty() && !self.info.version().has_v2() {
            return None;
        }
        let mut out = Vec::new();
        encode::dict(&mut out, |dict| {
            self.layers.iter().for_each(|(root, layer)| dict.bytes(root, layer.as_flattened()));
        });
        Some(out)
    }

    fn put(&mut self, key: &str, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.root.insert(key.into(), value),
            None => self.root.remove(key.as_bytes()),
        };
    }
}

fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::bytes(&mut out, text);
    out
}

fn list(texts: &[String]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    encode::list(&mut out, |list| texts.iter().for_each(|text| list.bytes(text)));
    (!texts.is_empty()).then_some(out)
}
