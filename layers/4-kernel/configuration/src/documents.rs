//! The documents of an image, one laid over the other.

use crate::{
    document::Document,
    node::{Node, Object, Wrong},
};
use alloc::{format, string::String};
use core::fmt;

/// The longest document, in bytes, however much memory there is.
pub const LIMIT: usize = 1 << 20;
/// Of the memory of a machine, a document may have one part in so many: with what is made of it, twenty times as much at worst.
const SHARE: u64 = 64;

/// The longest document for a machine with so many bytes of memory.
#[must_use]
pub fn limit(memory: u64) -> usize {
    usize::try_from(memory / SHARE).unwrap_or(LIMIT).min(LIMIT)
}

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationError(String);

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ConfigurationError {}

impl From<Wrong> for ConfigurationError {
    fn from(wrong: Wrong) -> Self {
        ConfigurationError(format!("configuration: {wrong}"))
    }
}

/// The baked default, and what was given at launch; either may be absent.
#[derive(Debug)]
pub struct Documents<'a> {
    baked: Option<Document<'a>>,
    launch: Option<Document<'a>>,
}

impl<'a> Documents<'a> {
    /// Reads the documents for a machine with `memory` bytes of memory.
    ///
    /// # Errors
    /// One is too long, or not a JSON object.
    pub fn read(
        baked: Option<&'a [u8]>,
        launch: Option<&'a [u8]>,
        memory: u64,
    ) -> Result<Documents<'a>, ConfigurationError> {
        let read = |what, bytes: Option<&'a [u8]>| bytes.map(|bytes| parse(what, bytes, memory)).transpose();
        Ok(Documents {
            baked: read("the image's configuration", baked)?,
            launch: read("the launch configuration", launch)?,
        })
    }

    /// The root of what comes of them, or `None` if there is neither. What was given at launch overrides the default key by
    /// key: objects are merged, anything else is replaced.
    pub fn root(&self) -> Result<Option<Object<'_>>, ConfigurationError> {
        let root = match (&self.baked, &self.launch) {
            (Some(below), Some(above)) => Node::new(above, 0).over(Node::new(below, 0)),
            (Some(only), None) | (None, Some(only)) => Node::new(only, 0),
            (None, None) => return Ok(None),
        };
        let mut root = root.object()?;
        // For editors.
        root.take("$schema");
        Ok(Some(root))
    }
}

/// What comes of a document laid over another one, as text: for whoever has more than two.
#[must_use]
pub fn overlay(below: &Document<'_>, above: &Document<'_>) -> String {
    Node::new(above, 0).over(Node::new(below, 0)).text()
}

fn parse<'a>(what: &str, bytes: &'a [u8], memory: u64) -> Result<Document<'a>, ConfigurationError> {
    // Boot loaders may pad a module with zeroes.
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last.saturating_add(1));
    let most = limit(memory);
    if length > most {
        let mend = if most == LIMIT { "put large data into the root file system" } else { "give more memory" };
        let mebibytes = memory >> 20;
        return Err(ConfigurationError(format!(
            "{what} has {length} bytes; with {mebibytes} MiB of memory beside the image it may have {most}; {mend}"
        )));
    }
    let bytes = bytes.get(..length).unwrap_or_default();
    Document::of_object(bytes).map_err(|error| ConfigurationError(format!("{what} {error}")))
}
