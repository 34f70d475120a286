//! A walk over the values of documents that knows where it is, so that every complaint names its key.

use crate::{
    document::{Document, Kind},
    text::Raw,
};
use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{cmp::Ordering, fmt};

/// What is wrong with a value, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    path: String,
    message: String,
}

impl Wrong {
    /// A complaint about the value at `path`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Wrong {
        Wrong { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl core::error::Error for Wrong {}

/// A value in a document.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    document: &'a Document<'a>,
    at: usize,
}

impl<'a> Place<'a> {
    fn kind(self) -> Kind {
        self.document.kind(self.at)
    }

    fn member(self, key: &str) -> Option<Place<'a>> {
        self.document.member(self.at, key).map(|at| Place { at, ..self })
    }
}

/// A value, and what lies under it in another document if both are objects.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    place: Place<'a>,
    below: Option<Place<'a>>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(document: &'a Document<'a>, at: usize) -> Node<'a> {
        Node { place: Place { document, at }, below: None }
    }

    /// This one laid over `other`.
    pub(crate) fn over(self, other: Node<'a>) -> Node<'a> {
        let are_objects = self.place.kind() == Kind::Object && other.place.kind() == Kind::Object;
        Node { below: are_objects.then_some(other.place), ..self }
    }

    /// Where the value is, such as `programs[0].argv`. To find out takes as long as to read the document.
    pub fn path(&self) -> String {
        self.place.document.path(self.place.at)
    }

    /// A complaint about the value.
    pub fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::at(self.path(), message)
    }

    /// The value as an object.
    pub fn object(self) -> Result<Object<'a>, Wrong> {
        match self.place.kind() {
            Kind::Object => Ok(Object { node: self, taken: Vec::new() }),
            _ => Err(self.must_be("an object")),
        }
    }

    /// The values of a list.
    pub fn list(self) -> Result<impl Iterator<Item = Node<'a>>, Wrong> {
        let Place { document, at } = self.place;
        if self.place.kind() != Kind::List {
            return Err(self.must_be("a list"));
        }
        let end = document.next(at);
        let values = core::iter::successors(Some(at.saturating_add(1)), |at| Some(document.next(*at)));
        Ok(values.take_while(move |at| *at < end).map(|at| Node::new(document, at)))
    }

    /// The value as a boolean.
    pub fn boolean(self) -> Result<bool, Wrong> {
        match self.place.kind() {
            Kind::Boolean(value) => Ok(value),
            _ => Err(self.must_be("true or false")),
        }
    }

    /// The value as a string; it takes memory only if escape sequences are in it.
    pub fn string(self) -> Result<Cow<'a, str>, Wrong> {
        if self.place.kind() != Kind::String {
            return Err(self.must_be("a string"));
        }
        let raw = self.place.document.string(self.place.at);
        raw.decode().map_err(|_| self.wrong(format!("there is no memory for its {} bytes", raw.0.len())))
    }

    /// The value as a string that `parse` makes something of; its error is what is wrong.
    pub fn parse<T>(self, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Wrong> {
        parse(&self.string()?).map_err(|message| self.wrong(message))
    }

    /// The value as JSON: strings as they stand, without white space, and the keys of an object in their order.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(self, out: &mut String) {
        let Place { document, at } = self.place;
        match self.place.kind() {
            Kind::Null => out.push_str("null"),
            Kind::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
            Kind::Number => out.push_str(document.number(at)),
            Kind::String => out.extend(["\"", document.string(at).0, "\""]),
            Kind::List => {
                out.push('[');
                for (index, value) in self.list().into_iter().flatten().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
            Kind::Object => {
                out.push('{');
                for (index, (key, value)) in self.object().into_iter().flat_map(Object::entries).enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    key.write(out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    fn must_be(&self, wanted: &str) -> Wrong {
        let kind = match self.place.kind() {
            Kind::Null => "null",
            Kind::Boolean(_) => "true or false",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::List => "a list",
            Kind::Object => "an object",
        };
        self.wrong(format!("is {kind}; it must be {wanted}"))
    }
}

/// An object whose keys are taken one by one.
pub struct Object<'a> {
    node: Node<'a>,
    taken: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// Takes out the value of a key. `null` is as good as nothing.
    pub fn take(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.taken.push(key);
        let below = self.node.below.and_then(|below| below.member(key)).map(|place| Node { place, below: None });
        let node = match (self.node.place.member(key), below) {
            (Some(place), None) => Node { place, below: None },
            (Some(place), Some(below)) => Node { place, below: None }.over(below),
            (None, below) => below?,
        };
        (node.place.kind() != Kind::Null).then_some(node)
    }

    /// The object as a value.
    pub fn node(&self) -> Node<'a> {
        self.node
    }

    /// A complaint about the value of a key, which need not be there.
    pub fn wrong(&self, key: &str, message: impl Into<String>) -> Wrong {
        let mut path = self.node.path();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        Wrong::at(path, message)
    }

    /// All keys and their values, in the order of the keys.
    pub fn entries(self) -> Entries<'a> {
        let Node { place: above, below } = self.node;
        let keys = |place: Place<'a>| Keys { place, left: place.document.keys(place.at) };
        Entries { above: keys(above), below: below.map(keys) }
    }

    /// Complains about a key that nobody took.
    pub fn finish(self) -> Result<(), Wrong> {
        let taken = self.taken.clone();
        for (key, _) in self.entries() {
            let name = key.string()?;
            if !taken.iter().any(|known| *known == name) {
                return Err(key.wrong("is not a known key".to_string()));
            }
        }
        Ok(())
    }
}

/// Walks the keys and values of an object.
pub struct Entries<'a> {
    above: Keys<'a>,
    below: Option<Keys<'a>>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Node<'a>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let Some(below) = &mut self.below else { return self.above.next() };
        match self.above.compare(below) {
            Ordering::Less => self.above.next(),
            Ordering::Greater => below.next(),
            Ordering::Equal => {
                let (key, value) = self.above.next()?;
                let (_, other) = below.next()?;
                Some((key, value.over(other)))
            }
        }
    }
}

/// The keys of one object that are left, in their order.
struct Keys<'a> {
    place: Place<'a>,
    left: &'a [u32],
}

impl<'a> Keys<'a> {
    /// Which of the two has the next key; one that has none left is behind.
    fn compare(&self, other: &Keys<'_>) -> Ordering {
        match (self.first(), other.first()) {
            (Some(one), Some(other)) => one.compare(other),
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
        }
    }

    fn first(&self) -> Option<Raw<'a>> {
        self.left.first().map(|slot| self.place.document.string(*slot as usize))
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = (Node<'a>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, left) = self.left.split_first()?;
        self.left = left;
        let node = |at| Node::new(self.place.document, at);
        Some((node(*key as usize), node((*key as usize).saturating_add(1))))
    }
}
