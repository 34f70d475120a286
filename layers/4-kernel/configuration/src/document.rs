//! Reads JSON (RFC 8259), without floating point: a number is checked and left where it is, since no key of ours takes one.
//!
//! Written out here for its size: the crates that parse JSON bring along what formats and reports numbers and errors of every kind,
//! `serde_json` even x87 code, which the kernel must not have, and `picojson` 16 KiB in all, a sixteenth of the smallest image.

use crate::text::Raw;
use alloc::{collections::TryReserveError, format, string::String, vec::Vec};
use core::{cmp::Ordering, fmt, ops::Range};

/// No document of ours is next to as deep.
const MAX_DEPTH: usize = 16;
/// Characters of a key that are shown in a path.
const MAX_SHOWN: usize = 64;

/// Why a text is not a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// Not JSON: this is missing at this byte.
    Syntax(usize, &'static str),
    /// Nested too deeply.
    Deep,
    /// The key with this path is in one object twice.
    Twice(String),
    /// It is longer than a document can be.
    Long,
    /// It is another value.
    NoObject,
    /// There is no memory for so many values.
    NoMemory(usize),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Syntax(at, missing) => write!(f, "is not valid JSON: {missing} is missing at byte {at}"),
            Malformed::Deep => write!(f, "is nested deeper than {MAX_DEPTH} levels"),
            Malformed::Twice(path) => write!(f, "has the key `{path}` twice in one object"),
            Malformed::Long => f.write_str("is longer than 4 GiB"),
            Malformed::NoObject => f.write_str("is not a JSON object"),
            Malformed::NoMemory(values) => write!(f, "has up to {values} values, for which there is no memory"),
        }
    }
}

impl core::error::Error for Malformed {}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number.
    Number,
    /// A string, or an object's key.
    String,
    /// An array.
    List,
    /// An object.
    Object,
}

/// A value, or a key, which stands before its value.
#[derive(Debug, Clone, Copy)]
struct Slot {
    kind: Kind,
    /// Of a number, what of the text it is; of a string, what is between its quotation marks; of an object, which places in the order are its keys'.
    start: u32,
    end: u32,
    /// The first slot behind the value and all that is in it.
    next: u32,
}

/// A document that has been checked. It borrows its text, and has two allocations whose size the text's length limits.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    slots: Vec<Slot>,
    /// The slots of keys, for each object those of its own in their order.
    order: Vec<u32>,
}

impl<'a> Document<'a> {
    /// Reads a document. Takes time in proportion to the length (n log n for the keys of an object).
    ///
    /// # Errors
    /// It is not JSON, or has a key twice, or there is no memory.
    pub fn parse(text: &'a [u8]) -> Result<Document<'a>, Malformed> {
        let text = str::from_utf8(text).map_err(|error| Malformed::Syntax(error.valid_up_to(), "UTF-8"))?;
        u32::try_from(text.len()).map_err(|_| Malformed::Long)?;
        let mut document = Document { text, slots: Vec::new(), order: Vec::new() };
        // A value is the first, or behind a bracket, comma or colon; a key is known by its colon. Those in strings count, too.
        let count = |wanted: &[u8]| text.bytes().filter(|byte| wanted.contains(byte)).count();
        let (values, keys) = (count(b"[{,:").saturating_add(1), count(b":"));
        document.reserve(values, keys).map_err(|_| Malformed::NoMemory(values))?;
        let mut parser = Parser { document, at: 0, depth: 0 };
        parser.value()?;
        match parser.peek() {
            None => Ok(parser.document),
            Some(_) => Err(parser.missing("the end")),
        }
    }

    /// Reads a document that is an object, as ours are.
    ///
    /// # Errors
    /// As above, or it is something else.
    pub fn of_object(text: &'a [u8]) -> Result<Document<'a>, Malformed> {
        let document = Document::parse(text)?;
        match document.kind(0) {
            Kind::Object => Ok(document),
            _ => Err(Malformed::NoObject),
        }
    }

    fn reserve(&mut self, values: usize, keys: usize) -> Result<(), TryReserveError> {
        self.slots.try_reserve_exact(values)?;
        self.order.try_reserve_exact(keys)
    }

    /// What the value in slot `at` is.
    pub fn kind(&self, at: usize) -> Kind {
        self.slots.get(at).map_or(Kind::Null, |slot| slot.kind)
    }

    /// The first slot behind the value in slot `at`.
    pub fn next(&self, at: usize) -> usize {
        self.slots.get(at).map_or(usize::MAX, |slot| slot.next as usize)
    }

    /// The string in slot `at`.
    pub fn string(&self, at: usize) -> Raw<'a> {
        let text = self.slots.get(at).filter(|slot| slot.kind == Kind::String);
        Raw(text.and_then(|slot| self.text.get(slot.start as usize..slot.end as usize)).unwrap_or_default())
    }

    /// The number in slot `at`, as it stands in the text.
    pub fn number(&self, at: usize) -> &'a str {
        let number = self.slots.get(at).filter(|slot| slot.kind == Kind::Number);
        number.and_then(|slot| self.text.get(slot.start as usize..slot.end as usize)).unwrap_or_default()
    }

    /// The slots of the keys of the object in slot `at`, in the keys' order. Behind each is that of its value.
    pub fn keys(&self, at: usize) -> &[u32] {
        let object = self.slots.get(at).filter(|slot| slot.kind == Kind::Object);
        object.and_then(|slot| self.order.get(slot.start as usize..slot.end as usize)).unwrap_or_default()
    }

    /// The slot of the value that the object in slot `at` has for `key`.
    pub fn member(&self, at: usize, key: &str) -> Option<usize> {
        let keys = self.keys(at);
        let is_before = |slot: &u32| self.string(*slot as usize).characters().lt(key.chars());
        let slot = *keys.get(keys.partition_point(is_before))? as usize;
        self.string(slot).characters().eq(key.chars()).then(|| slot.saturating_add(1))
    }

    /// The path of the value or key in slot `at`, such as `programs[0].argv`. It is looked for from the beginning.
    pub fn path(&self, at: usize) -> String {
        let mut path = String::new();
        let mut place = 0;
        while place < at {
            let mut child = place.saturating_add(1);
            match self.kind(place) {
                Kind::Object => {
                    // A key's value begins behind it.
                    while self.next(child.saturating_add(1)) <= at {
                        child = self.next(child.saturating_add(1));
                    }
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.extend(self.string(child).characters().take(MAX_SHOWN));
                    if child == at {
                        break;
                    }
                    place = child.saturating_add(1);
                }
                Kind::List => {
                    let mut index = 0usize;
                    while self.next(child) <= at {
                        child = self.next(child);
                        index = index.saturating_add(1);
                    }
                    path.push_str(&format!("[{index}]"));
                    place = child;
                }
                _ => break,
            }
        }
        path
    }
}

/// Heapsort: in place, and n log n whatever the order is. The library's sort is faster, and takes 4 KiB of code.
fn sort(slots: &mut [u32], compare: impl Fn(&u32, &u32) -> Ordering) {
    // The heap is the first `length`, and no parent in it is before a child, but for the one at `top`.
    let sift = |slots: &mut [u32], mut top: usize, length: usize| {
        while let Some(heap) = slots.get_mut(..length) {
            let children = top.saturating_mul(2).saturating_add(1)..=top.saturating_mul(2).saturating_add(2);
            let mut last = top;
            for child in children {
                if let (Some(one), Some(other)) = (heap.get(last), heap.get(child))
                    && compare(one, other).is_lt()
                {
                    last = child;
                }
            }
            if last == top {
                break;
            }
            heap.swap(top, last);
            top = last;
        }
    };
    for top in (0..slots.len() / 2).rev() {
        sift(slots, top, slots.len());
    }
    for length in (1..slots.len()).rev() {
        slots.swap(0, length);
        sift(slots, 0, length);
    }
}

struct Parser<'a> {
    document: Document<'a>,
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
        self.document.text.as_bytes().get(self.at).copied()
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

    /// Notes a value, in the room that has been reserved. Where it ends is not known yet if it is open.
    fn push(&mut self, kind: Kind, text: Range<usize>) -> usize {
        let place = self.document.slots.len();
        let next = match kind {
            Kind::List | Kind::Object => u32::MAX,
            _ => place.saturating_add(1) as u32,
        };
        self.document.slots.push(Slot { kind, start: text.start as u32, end: text.end as u32, next });
        place
    }

    /// Notes that the container in slot `place` ends, and which of the order is its own.
    fn close(&mut self, place: usize, order: Range<usize>) {
        let next = self.document.slots.len() as u32;
        if let Some(slot) = self.document.slots.get_mut(place) {
            *slot = Slot { start: order.start as u32, end: order.end as u32, next, ..*slot };
        }
    }

    fn value(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => {
                let place = self.push(Kind::List, 0..0);
                self.members(b']', "`,` or `]`", Self::value)?;
                self.close(place, 0..0);
                Ok(())
            }
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [("true", Kind::Boolean(true)), ("false", Kind::Boolean(false)), ("null", Kind::Null)];
                let rest = self.document.text.get(self.at..).unwrap_or_default();
                for (word, kind) in words {
                    if rest.starts_with(word) {
                        self.at = self.at.saturating_add(word.len());
                        self.push(kind, 0..0);
                        return Ok(());
                    }
                }
                Err(self.missing("a value"))
            }
        }
    }

    fn object(&mut self) -> Result<(), Malformed> {
        let place = self.push(Kind::Object, 0..0);
        self.members(b'}', "`,` or `}`", |parser| {
            if parser.peek() != Some(b'"') {
                return Err(parser.missing("a key"));
            }
            parser.string()?;
            if !parser.take(b':') {
                return Err(parser.missing("`:`"));
            }
            parser.value()
        })?;
        let Document { slots, order, .. } = &mut self.document;
        let start = order.len();
        let mut key = place.saturating_add(1);
        while let Some(value) = slots.get(key.saturating_add(1)) {
            order.push(key as u32);
            key = value.next as usize;
        }
        let end = order.len();
        let mut order = core::mem::take(order);
        let keys = order.get_mut(start..).unwrap_or_default();
        let string = |slot: &u32| self.document.string(*slot as usize);
        sort(keys, |one, other| string(one).compare(string(other)));
        let mut pairs = keys.iter().zip(keys.iter().skip(1));
        let twice = pairs.find(|(one, other)| string(one).compare(string(other)).is_eq());
        if let Some((one, other)) = twice {
            return Err(Malformed::Twice(self.document.path(*one.max(other) as usize)));
        }
        self.document.order = order;
        self.close(place, start..end);
        Ok(())
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
    fn string(&mut self) -> Result<(), Malformed> {
        self.step();
        let start = self.at;
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.step();
                    self.escaped()?;
                }
                None | Some(..b' ') => return Err(self.missing("`\"`")),
                Some(_) => self.step(),
            }
        }
        self.push(Kind::String, start..self.at);
        self.step();
        Ok(())
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Result<(), Malformed> {
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.step();
                Ok(())
            }
            Some(b'u') => {
                self.step();
                self.unicode()
            }
            _ => Err(self.missing("an escape sequence")),
        }
    }

    /// A character by its number, or two numbers (a surrogate pair).
    fn unicode(&mut self) -> Result<(), Malformed> {
        let first = self.code_unit()?;
        if char::from_u32(first.into()).is_some() {
            return Ok(());
        }
        let rest = self.document.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with("\\u") {
            return Err(self.missing("the second half of a surrogate pair"));
        }
        self.at = self.at.saturating_add(2);
        let second = self.code_unit()?;
        let mut decoded = char::decode_utf16([first, second]);
        decoded.next().and_then(Result::ok).map(drop).ok_or_else(|| self.missing("a character"))
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

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
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
        self.push(Kind::Number, start..self.at);
        Ok(())
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
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;
    use serde_json::Value;

    fn malformed(text: &str) -> Malformed {
        Document::parse(text.as_bytes()).unwrap_err()
    }

    /// The value in a slot, where a number is 0.
    fn value(document: &Document<'_>, at: usize) -> Value {
        match document.kind(at) {
            Kind::Null => Value::Null,
            Kind::Boolean(value) => Value::Bool(value),
            Kind::Number => 0.into(),
            Kind::String => document.string(at).decode().unwrap().into(),
            Kind::List => {
                let places = core::iter::successors(Some(at + 1), |at| Some(document.next(*at)));
                places.take_while(|place| *place < document.next(at)).map(|at| value(document, at)).collect()
            }
            Kind::Object => {
                let key = |slot: &u32| document.string(*slot as usize).decode().unwrap().into_owned();
                document.keys(at).iter().map(|slot| (key(slot), value(document, *slot as usize + 1))).collect()
            }
        }
    }

    fn without_numbers(value: Value) -> Value {
        match value {
            Value::Number(_) => 0.into(),
            Value::Array(values) => values.into_iter().map(without_numbers).collect(),
            Value::Object(map) => map.into_iter().map(|(key, value)| (key, without_numbers(value))).collect(),
            value => value,
        }
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let text = br#" {"a":[1, -2.5e3, true, false, null, "x\n\u00e9\ud83d\ude00\/"], "b":{}, "\u0063":"d"} "#;
        let document = Document::parse(text).unwrap();
        let expected: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(value(&document, 0), without_numbers(expected));
        assert_eq!(document.member(0, "c").map(|at| document.string(at).0), Some("d"));
        assert_eq!(document.member(0, "d"), None);
    }

    #[test]
    fn malformed_documents_are_refused() {
        for text in
            ["", "{", "{]", "[1,]", "nul", "\"x", "{\"a\" 1}", "[] []", "\"\\x\"", "[\u{1}]", "01", "1.", "\"\\ud800\""]
        {
            assert!(matches!(malformed(text), Malformed::Syntax(..)), "{text}");
        }
        assert_eq!(Document::parse(b"\"\xff\"").unwrap_err(), Malformed::Syntax(1, "UTF-8"));
        assert_eq!(malformed(r#"{"a" 1}"#).to_string(), "is not valid JSON: `:` is missing at byte 5");
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Document::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(malformed(&nested(MAX_DEPTH + 1)), Malformed::Deep);
        assert_eq!(malformed(&"[".repeat(100_000)), Malformed::Deep);
    }

    #[test]
    fn a_key_that_is_there_twice_is_named_by_its_path() {
        for (text, path) in [
            (r#"{"a":1,"a":2}"#, "a"),
            (r#"{"b":[0,{"c":{"x":1,"y":2,"\u0078":3}}],"x":0}"#, "b[1].c.x"),
            (r#"{"b":[0,{"x":1}],"a":[],"a":{}}"#, "a"),
        ] {
            assert_eq!(malformed(text), Malformed::Twice(path.into()), "{text}");
        }
        let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "k".repeat(1000));
        assert!(malformed(&long).to_string().len() < 200);
    }

    #[test]
    fn every_value_knows_its_path() {
        let document = Document::parse(br#"{"a":{"b":[1,[2,{"c":3}]],"d":4},"e":5}"#).unwrap();
        let paths: Vec<_> = (0..document.slots.len()).map(|at| document.path(at)).collect();
        let expected = vec![
            "",
            "a",
            "a",
            "a.b",
            "a.b",
            "a.b[0]",
            "a.b[1]",
            "a.b[1][0]",
            "a.b[1][1]",
            "a.b[1][1].c",
            "a.b[1][1].c",
            "a.d",
            "a.d",
            "e",
            "e",
        ];
        assert_eq!(paths, expected);
    }

    /// What took 46 s when it was quadratic is a matter of milliseconds; in debug and on a busy machine, of a second.
    #[test]
    fn many_keys_take_no_more_than_their_number() {
        let entries: Vec<_> = (0..100_000).map(|number| format!(r#""V{}":"1""#, number * 7919 % 100_003)).collect();
        let text = format!("{{{}}}", entries.join(","));
        let document = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(document.keys(0).len(), 100_000);
        assert!(document.slots.capacity() <= 200_001 && document.order.capacity() == 100_000);
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
            match (Document::parse(text.as_bytes()), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(value(&ours, 0), without_numbers(theirs), "{}", text),
                (Err(Malformed::Syntax(..)), Err(_)) | (Err(Malformed::Twice(_)), _) => {}
                (ours, theirs) => prop_assert!(false, "{}: {:?}, {:?}", text, ours, theirs),
            }
        }

        #[test]
        fn any_bytes_are_taken_or_refused(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Document::parse(&text);
        }
    }
}
