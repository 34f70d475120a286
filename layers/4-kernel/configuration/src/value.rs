//! JSON values, and what comes of two documents.

use alloc::{string::String, vec::Vec};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number.
    Number,
    /// A string.
    String(String),
    /// An array.
    List(Vec<Value>),
    /// An object; no key is there twice.
    Object(Vec<(String, Value)>),
}

/// Lays a document over another: objects are merged key by key, anything else is replaced.
pub fn merge(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut entries), Value::Object(above)) => {
            for (key, value) in above {
                match entries.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, old)) => *old = merge(core::mem::replace(old, Value::Null), value),
                    None => entries.push((key, value)),
                }
            }
            Value::Object(entries)
        }
        (_, above) => above,
    }
}
