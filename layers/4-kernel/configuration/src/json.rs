//! A walk over a JSON value that knows where it is, so that every complaint names its key.

use crate::value::Value;
use alloc::{format, string::String, vec::Vec};
use core::fmt;

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

/// A value and its path, such as `programs[0].argv`.
pub struct Node {
    path: String,
    value: Value,
}

impl Node {
    /// The whole document.
    pub fn root(value: Value) -> Node {
        Node { path: String::new(), value }
    }

    /// Where the value is.
    pub fn path(&self) -> &String {
        &self.path
    }

    /// The value as an object.
    pub fn object(self) -> Result<Object, Wrong> {
        match self.value {
            Value::Object(entries) => Ok(Object { path: self.path, entries }),
            _ => Err(self.must_be("an object")),
        }
    }

    /// The value as a list.
    pub fn list(self) -> Result<Vec<Node>, Wrong> {
        match self.value {
            Value::List(values) => {
                let nodes = values.into_iter().enumerate();
                Ok(nodes.map(|(index, value)| Node { path: format!("{}[{index}]", self.path), value }).collect())
            }
            _ => Err(self.must_be("a list")),
        }
    }

    /// The value as a boolean.
    pub fn boolean(self) -> Result<bool, Wrong> {
        match self.value {
            Value::Boolean(value) => Ok(value),
            _ => Err(self.must_be("true or false")),
        }
    }

    /// The value as a string that `parse` makes something of; its error is what is wrong.
    pub fn parse<T>(self, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Wrong> {
        match &self.value {
            Value::String(text) => parse(text).map_err(|message| Wrong::at(self.path, message)),
            _ => Err(self.must_be("a string")),
        }
    }

    fn must_be(&self, wanted: &str) -> Wrong {
        let kind = match self.value {
            Value::Null => "null",
            Value::Boolean(_) => "true or false",
            Value::Number => "a number",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        };
        Wrong::at(self.path.clone(), format!("is {kind}; it must be {wanted}"))
    }
}

/// An object whose keys are taken out one by one.
pub struct Object {
    path: String,
    entries: Vec<(String, Value)>,
}

impl Object {
    /// Takes out the value of a key. `null` is as good as nothing.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        let place = self.entries.iter().position(|(other, _)| other == key)?;
        let (_, value) = self.entries.swap_remove(place);
        if value == Value::Null {
            return None;
        }
        Some(Node { path: join(&self.path, key), value })
    }

    /// All that is left, by key.
    pub fn entries(self) -> impl Iterator<Item = (String, Node)> {
        let path = self.path;
        self.entries.into_iter().map(move |(key, value)| {
            let node = Node { path: join(&path, &key), value };
            (key, node)
        })
    }

    /// Complains about a key that nobody took.
    pub fn finish(self) -> Result<(), Wrong> {
        match self.entries.first() {
            None => Ok(()),
            Some((key, _)) => Err(Wrong::at(join(&self.path, key), "is not a known key")),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => String::from(key),
        path => format!("{path}.{key}"),
    }
}
