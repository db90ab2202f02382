//! The contract of contents, with much memory and with little.

mod common;

use std::sync::Arc;

use common::{Fault, Faulty, Request};
use object_store::{ObjectStore, memory::InMemory};
use tinytorrent_storage::contract::{Contract, Place};
use tinytorrent_storage_object::{Bucket, ObjectContent, ObjectOptions};

fn check(store: Arc<dyn ObjectStore>, options: &ObjectOptions) {
    let bucket = Bucket::new(store, "some/prefix", options).unwrap();
    let open = |place: &Place| -> Arc<ObjectContent> {
        let layout = Arc::clone(&place.layout);
        Arc::new(bucket.open_layout(layout, place.identity, &place.folder, false).unwrap())
    };
    Contract::new(open).lasts(true).moves(true).check();
}

// S-32.
#[test]
fn objects_obey_the_contract() {
    check(Arc::new(InMemory::new()), &ObjectOptions::default());
}

// S-32: with parts that are shorter than blocks.
#[test]
fn objects_that_are_read_in_small_parts_obey_the_contract() {
    let mut options = ObjectOptions::default();
    options.read_ahead(16 << 10).read_memory(0).parallel(1);
    check(Arc::new(InMemory::new()), &options);
}

// S-35: a third of all requests fail.
#[test]
fn objects_of_a_store_with_faults_obey_the_contract() {
    let store = Faulty::new();
    store.judge(|request, number| match (request, number % 3) {
        (Request::Get, 0) if number % 2 == 0 => Some(Fault::Cut),
        (_, 0) => Some(Fault::Error),
        _ => None,
    });
    let mut options = ObjectOptions::default();
    options.attempts(20);
    check(store, &options);
}
