//! JSON values, without floating point: a number is its text, since no key of ours takes one.
//!
//! The parsing is `picojson`'s (RFC 8259), which is `no_std` and can leave floats out. `serde_json` cannot: its errors
//! alone bring in x87 code, which the kernel must not have.

use alloc::{string::String, vec, vec::Vec};
use core::fmt;
use picojson::{Event, ParseError, PullParser, SliceParser};

/// No document of ours is next to as deep.
const MAX_DEPTH: usize = 16;

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

/// Why a text is not a document.
#[derive(Debug)]
pub enum Malformed {
    /// Not JSON.
    Syntax(ParseError),
    /// Nested too deeply.
    Deep,
    /// This key is in one object twice.
    Twice(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Syntax(error) => write!(f, "is not valid JSON: {error}"),
            Malformed::Deep => write!(f, "is nested deeper than {MAX_DEPTH} levels"),
            Malformed::Twice(key) => write!(f, "has the key `{key}` twice in one object"),
        }
    }
}

/// What is being read: the containers that are open, each with the key that its next value belongs to.
struct Builder {
    open: Vec<(Value, Option<String>)>,
    whole: Option<Value>,
}

/// Parses a document.
pub fn parse(text: &[u8]) -> Result<Value, Malformed> {
    // The longest string of the text is not longer than the text.
    let mut scratch = vec![0; text.len()];
    let mut parser = SliceParser::with_buffer_from_slice(text, &mut scratch);
    let mut builder = Builder { open: Vec::new(), whole: None };
    loop {
        match parser.next_event().map_err(Malformed::Syntax)? {
            Event::EndDocument => return builder.whole.ok_or(Malformed::Syntax(ParseError::EndOfData)),
            Event::StartObject => builder.begin(Value::Object(Vec::new()))?,
            Event::StartArray => builder.begin(Value::List(Vec::new()))?,
            Event::EndObject | Event::EndArray => builder.end()?,
            Event::Key(key) => {
                if let Some((_, place)) = builder.open.last_mut() {
                    *place = Some(String::from(key.as_str()));
                }
            }
            Event::String(text) => builder.add(Value::String(String::from(text.as_str())))?,
            Event::Number(_) => builder.add(Value::Number)?,
            Event::Bool(value) => builder.add(Value::Boolean(value))?,
            Event::Null => builder.add(Value::Null)?,
        }
    }
}

impl Builder {
    fn begin(&mut self, container: Value) -> Result<(), Malformed> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Malformed::Deep);
        }
        self.open.push((container, None));
        Ok(())
    }

    fn end(&mut self) -> Result<(), Malformed> {
        match self.open.pop() {
            Some((container, _)) => self.add(container),
            None => Ok(()),
        }
    }

    fn add(&mut self, value: Value) -> Result<(), Malformed> {
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some((Value::List(values), _)) => values.push(value),
            Some((Value::Object(entries), key)) => {
                let key = key.take().unwrap_or_default();
                if entries.iter().any(|(other, _)| *other == key) {
                    return Err(Malformed::Twice(key));
                }
                entries.push((key, value));
            }
            Some(_) => {}
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};

    #[test]
    fn values_of_every_kind_are_read() {
        let value = parse(br#" {"a":[1, -2.5e3, true, false, null, "x\n\u00e9"], "b":{}} "#).unwrap();
        let string = Value::String("x\né".to_string());
        let list = vec![Value::Number, Value::Number, Value::Boolean(true), Value::Boolean(false), Value::Null, string];
        assert_eq!(
            value,
            Value::Object(vec![("a".to_string(), Value::List(list)), ("b".to_string(), Value::Object(vec![]))])
        );
    }

    #[test]
    fn malformed_documents_are_refused() {
        for text in ["", "{", "{]", "[1,]", "nul", "\"x", "{\"a\" 1}", "[] []", "\"\\x\"", "[\u{1}]"] {
            assert!(matches!(parse(text.as_bytes()), Err(Malformed::Syntax(_))), "{text}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(Malformed::Syntax(_))));
        assert!(matches!(parse(br#"{"a":1,"a":2}"#), Err(Malformed::Twice(key)) if key == "a"));
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
