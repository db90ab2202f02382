//! BitTorrent content in an object store: S3, GCS, Azure, a folder, memory, or any other store of the crate
//! [`object_store`].
//!
//! A [`Bucket`] is a place in a store. It opens an [`ObjectContent`] for a torrent, which a
//! [`Storage`](tinytorrent_storage::Storage) or a client downloads to and seeds from.
//!
//! ```text
//!   blocks ──▶ unfinished pieces in memory ──a right piece──▶ PUT <info-hash>/pieces/00000000
//!                    │        ▲
//!                    ▼        │ above a budget of memory
//!                  drafts in the store
//!
//!   blocks for peers ◀── parts of objects in memory ◀──GET, and the next part ahead── objects
//! ```
//!
//! ```
//! use std::{path::Path, sync::Arc};
//! use object_store::memory::InMemory;
//! use tinytorrent_metainfo::Layout;
//! use tinytorrent_storage::{Storage, StorageOptions};
//! use tinytorrent_storage_object::{Bucket, ObjectOptions};
//! use tinytorrent_types::{InfoHashV1, InfoHashes};
//!
//! let mut builder = Layout::builder(16_384);
//! builder.file(["album", "a"], 3).file(["album", "b"], 5);
//! let (layout, folder) = (Arc::new(builder.build()?), Path::new("music"));
//! let identity = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
//!
//! // One for the program. `Bucket::from_url` takes "s3://bucket/prefix" and the like.
//! let bucket = Bucket::new(Arc::new(InMemory::new()), "torrents", &ObjectOptions::default())?;
//! // One for each torrent. A client calls such a function: see `TorrentOptions::content`.
//! let content = bucket.open_layout(Arc::clone(&layout), identity, folder, false)?;
//! let options = StorageOptions::default();
//! let storage = Storage::with_content(layout, identity, folder, Arc::new(content), &options);
//! storage.write(0, &["aaabb", "bbb"])?;
//! # let mut read = [0; 4];
//! # storage.read(2, &mut read)?;
//! # assert_eq!(&read, b"abbb");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # An object for each piece
//! Under `<prefix>/<folder>/<info-hash>/` there are `pieces/00000000` and so on, `record` (the resume record), and
//! `drafts/` while a program downloads. A piece is put once it is right, in one request, so that an object is
//! the whole piece or is not there: a kill loses the pieces that are not complete, and no more. The next run, and
//! any other machine, lists the objects, reads a sample of them, and needs no check of the rest.
//!
//! # Costs
//! - For each piece, one PUT. One GET for each [`read_ahead`](ObjectOptions::read_ahead) of bytes that are read. A LIST for
//!   each 1,000 pieces at the start, and one more for drafts that a kill has left.
//! - Memory as [`ObjectOptions`] say, over all contents of a bucket. Threads: two of the bucket's own.
//! - A thread of the disk waits for each request. Torrents in files have others, and wait for nothing. For many
//!   peers or a store that is far away, more than the usual 8 are of use (`ClientOptions::content_threads`,
//!   [`DiskOptions::content_threads`](tinytorrent_storage::DiskOptions::content_threads)).
//!
//! # Errors
//! A request that fails, is answered in part, or not at all is made again; see [`ObjectOptions::attempts`]. When
//! that is over, the piece is lost and a client pauses the torrent, as with a full disk. Errors name the object
//! and, by their [`Fault`](tinytorrent_storage::Fault), the remedy: a lack of rights is `Denied`, an object that is
//! gone is `Missing`, anything of the network is `Device`.
//!
//! # Features
//! `aws`, `azure` and `gcp` for those stores, `fs` for a folder of the local file system. None is on by default.

mod bucket;
mod calls;
mod chunks;
mod content;
mod draft;
mod keys;
mod moving;
mod options;

pub use bucket::Bucket;
#[cfg(feature = "http")]
pub use bucket::prepare_tls;
pub use content::ObjectContent;
pub use options::ObjectOptions;

// What the signatures above name of other crates.
#[doc(no_inline)]
pub use object_store::ObjectStore;
#[doc(no_inline)]
pub use tinytorrent_metainfo::{Info, Layout};
#[doc(no_inline)]
pub use tinytorrent_storage::StorageError;
#[doc(no_inline)]
pub use tinytorrent_types::InfoHashes;
#[doc(no_inline)]
pub use tokio::runtime::Handle;
