//! Values to try a decoder with.

use proptest::prelude::*;
use tinytorrent_bencode::Value;

/// Any owned value, small enough for thousands of cases.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-20i64..20).prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 95..105).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let key = prop_oneof![
            "[a-c]{0,3}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..12)
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(Value::from),
        ]
    })
}
