//! Reads JSON (RFC 8259), without floating point: a number is checked and forgotten, since no key of ours takes one.
//!
//! Written out here for its size: the crates that parse JSON bring along what formats and reports numbers and errors of every kind,
//! `serde_json` even x87 code, which the kernel must not have, and `picojson` 16 KiB in all, a sixteenth of the smallest image.

use crate::value::Value;
use alloc::{string::String, vec::Vec};
use core::fmt;

/// No document of ours is next to as deep.
const MAX_DEPTH: usize = 16;

/// Why a text is not a document.
#[derive(Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not JSON: this is missing at this byte.
    Syntax(usize, &'static str),
    /// Nested too deeply.
    Deep,
    /// This key is in one object twice.
    Twice(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Syntax(at, missing) => write!(f, "is not valid JSON: {missing} is missing at byte {at}"),
            Malformed::Deep => write!(f, "is nested deeper than {MAX_DEPTH} levels"),
            Malformed::Twice(key) => write!(f, "has the key `{key}` twice in one object"),
        }
    }
}

/// Parses a document.
pub fn parse(text: &[u8]) -> Result<Value, Malformed> {
    let text = str::from_utf8(text).map_err(|error| Malformed::Syntax(error.valid_up_to(), "UTF-8"))?;
    let mut parser = Parser { text, at: 0, depth: 0 };
    let value = parser.value()?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.missing("the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Containers that are open.
    depth: usize,
}

impl Parser<'_> {
    fn missing(&self, what: &'static str) -> Malformed {
        Malformed::Syntax(self.at, what)
    }

    /// The byte that is next, if any.
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// The byte that is next behind white space.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
        self.byte()
    }

    /// Steps over this byte, if it is next behind white space.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.step();
        }
        is_next
    }

    fn value(&mut self) -> Result<Value, Malformed> {
        match self.peek() {
            Some(b'{') => {
                let mut entries: Vec<(String, Value)> = Vec::new();
                self.members(b'}', "`,` or `}`", |parser| {
                    if parser.peek() != Some(b'"') {
                        return Err(parser.missing("a key"));
                    }
                    let key = parser.string()?;
                    if entries.iter().any(|(other, _)| *other == key) {
                        return Err(Malformed::Twice(key));
                    }
                    if !parser.take(b':') {
                        return Err(parser.missing("`:`"));
                    }
                    entries.push((key, parser.value()?));
                    Ok(())
                })?;
                Ok(Value::Object(entries))
            }
            Some(b'[') => {
                let mut values = Vec::new();
                self.members(b']', "`,` or `]`", |parser| {
                    values.push(parser.value()?);
                    Ok(())
                })?;
                Ok(Value::List(values))
            }
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [("true", Value::Boolean(true)), ("false", Value::Boolean(false)), ("null", Value::Null)];
                let rest = self.text.get(self.at..).unwrap_or_default();
                for (word, value) in words {
                    if rest.starts_with(word) {
                        self.at = self.at.saturating_add(word.len());
                        return Ok(value);
                    }
                }
                Err(self.missing("a value"))
            }
        }
    }

    /// What is between a bracket, which is next, and its other half: `member` reads one of those that commas separate.
    fn members(
        &mut self,
        close: u8,
        separator: &'static str,
        mut member: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if self.depth >= MAX_DEPTH {
            return Err(Malformed::Deep);
        }
        self.step();
        if self.take(close) {
            return Ok(());
        }
        self.depth = self.depth.saturating_add(1);
        loop {
            member(self)?;
            if self.take(close) {
                self.depth = self.depth.saturating_sub(1);
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.missing(separator));
            }
        }
    }

    /// A string, whose quotation mark is next.
    fn string(&mut self) -> Result<String, Malformed> {
        self.step();
        let mut string = String::new();
        loop {
            let start = self.at;
            while !matches!(self.byte(), None | Some(b'"' | b'\\' | ..b' ')) {
                self.step();
            }
            string.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.byte() {
                Some(b'"') => {
                    self.step();
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.step();
                    string.push(self.escaped()?);
                }
                _ => return Err(self.missing("`\"`")),
            }
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Result<char, Malformed> {
        let character = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.step();
                return self.unicode();
            }
            _ => return Err(self.missing("an escape sequence")),
        };
        self.step();
        Ok(character)
    }

    /// A character by its number, or two numbers (a surrogate pair).
    fn unicode(&mut self) -> Result<char, Malformed> {
        let first = self.code_unit()?;
        if let Some(character) = char::from_u32(first.into()) {
            return Ok(character);
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with("\\u") {
            return Err(self.missing("the second half of a surrogate pair"));
        }
        self.at = self.at.saturating_add(2);
        let second = self.code_unit()?;
        let mut decoded = char::decode_utf16([first, second]);
        decoded.next().and_then(Result::ok).ok_or_else(|| self.missing("a character"))
    }

    /// Four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u16, Malformed> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or_else(|| self.missing("a hexadecimal digit"))? as u16;
            self.step();
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<Value, Malformed> {
        if self.byte() == Some(b'-') {
            self.step();
        }
        match self.byte() {
            Some(b'0') => self.step(),
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.step();
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        Ok(Value::Number)
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.step();
        }
        if self.at == start { Err(self.missing("a digit")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString, vec};
    use proptest::prelude::*;

    #[test]
    fn values_of_every_kind_are_read() {
        let value = parse(br#" {"a":[1, -2.5e3, true, false, null, "x\n\u00e9\ud83d\ude00"], "b":{}} "#).unwrap();
        let string = Value::String("x\né😀".to_string());
        let list = vec![Value::Number, Value::Number, Value::Boolean(true), Value::Boolean(false), Value::Null, string];
        assert_eq!(
            value,
            Value::Object(vec![("a".to_string(), Value::List(list)), ("b".to_string(), Value::Object(vec![]))])
        );
    }

    #[test]
    fn malformed_documents_are_refused() {
        for text in
            ["", "{", "{]", "[1,]", "nul", "\"x", "{\"a\" 1}", "[] []", "\"\\x\"", "[\u{1}]", "01", "1.", "\"\\ud800\""]
        {
            assert!(matches!(parse(text.as_bytes()), Err(Malformed::Syntax(..))), "{text}");
        }
        assert_eq!(parse(b"\"\xff\""), Err(Malformed::Syntax(1, "UTF-8")));
        assert_eq!(parse(br#"{"a":1,"a":2}"#), Err(Malformed::Twice("a".to_string())));
        let message = parse(br#"{"a" 1}"#).unwrap_err().to_string();
        assert_eq!(message, "is not valid JSON: `:` is missing at byte 5");
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()), Err(Malformed::Deep));
        assert_eq!(parse("[".repeat(100_000).as_bytes()), Err(Malformed::Deep));
    }

    /// What `serde_json` makes of the same text, in our terms.
    fn reference(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Boolean(value),
            serde_json::Value::Number(_) => Value::Number,
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(values) => Value::List(values.into_iter().map(reference).collect()),
            serde_json::Value::Object(entries) => {
                Value::Object(entries.into_iter().map(|(key, value)| (key, reference(value))).collect())
            }
        }
    }

    fn sorted(value: Value) -> Value {
        match value {
            Value::List(values) => Value::List(values.into_iter().map(sorted).collect()),
            Value::Object(entries) => {
                let mut entries: Vec<_> = entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
                entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                Value::Object(entries)
            }
            value => value,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]
        /// Pieces of JSON in any order: taken if `serde_json` takes them, and for the same.
        #[test]
        fn agrees_with_another_parser(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\":", "\"c\":1", "\\", "\\n", "\\u00e9", "\\ud83d", "\\ude00",
                    "u", "é", "0", "1", "-", ".", "e", "+", "true", "false", "null", " ", "\t", "\u{7f}", "\u{1}", "{}", "[]", "[1,2]",
                ]),
                0..9,
            ),
        ) {
            let text: String = pieces.concat();
            match (parse(text.as_bytes()), serde_json::from_str::<serde_json::Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(sorted(ours), sorted(reference(theirs)), "{}", text),
                (Err(Malformed::Syntax(..)), Err(_)) | (Err(Malformed::Twice(_)), _) => {}
                (ours, theirs) => prop_assert!(false, "{}: {:?}, {:?}", text, ours, theirs),
            }
        }

        #[test]
        fn any_bytes_are_taken_or_refused(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&text);
        }
    }
}
