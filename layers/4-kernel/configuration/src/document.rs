//! Reading the documents of an image, and laying one over the other.

use crate::{
    json::{Node, Object, Wrong},
    parse,
    value::{Value, merge},
};
use alloc::{format, string::String};
use core::fmt;
use rumpuser::boot::BootData;

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationError(String);

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Wrong> for ConfigurationError {
    fn from(wrong: Wrong) -> Self {
        ConfigurationError(format!("configuration: {wrong}"))
    }
}

/// Reads the documents of an image: the baked default, overridden by what was given at launch. `None` if there is neither.
pub fn read(boot: &BootData) -> Result<Option<Object>, ConfigurationError> {
    let baked = boot.baked_configuration.map(|bytes| parse("the image's configuration", bytes)).transpose()?;
    let launch = boot.launch_configuration.map(|bytes| parse("the launch configuration", bytes)).transpose()?;
    let merged = match (baked, launch) {
        (Some(baked), Some(launch)) => merge(baked, launch),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Ok(None),
    };
    let mut root = Node::root(merged).object()?;
    // For editors.
    root.take("$schema");
    Ok(Some(root))
}

fn parse(what: &str, bytes: &[u8]) -> Result<Value, ConfigurationError> {
    // Boot loaders may pad a module with zeroes.
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last.saturating_add(1));
    let bytes = bytes.get(..length).unwrap_or_default();
    let value = parse::parse(bytes).map_err(|error| ConfigurationError(format!("{what} {error}")))?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(ConfigurationError(format!("{what} is not a JSON object"))),
    }
}
