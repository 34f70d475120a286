//! The configuration that the guest is given: the image's own, overridden key by key.
use crate::credentials;
use crate::file;
use crate::options::RunOptions;
use rumpkin_configuration::{ConfigurationError, Document, Documents, LIMIT, Malformed, Settings};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why there is no configuration for the guest.
#[derive(Debug)]
pub enum Error {
    /// A credential cannot be had.
    Credential(credentials::Error),
    /// The file of `--config` cannot be read.
    File(file::Error),
    /// What is in this file is not a document.
    Malformed(PathBuf, Malformed),
    /// The program has no name, after which arguments could stand.
    NoName,
    /// What is in this file is JSON, but not an object.
    NoObject(PathBuf),
    /// There is no program that options could be about.
    NoProgram,
    /// The guest would refuse it.
    Refused(ConfigurationError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Credential(error) => write!(f, "{error}"),
            Error::File(error) => write!(f, "{error}"),
            Error::Malformed(path, error) => write!(f, "{}: {error}", path.display()),
            Error::NoName => f.write_str("the program in the configuration has no name"),
            Error::NoObject(path) => write!(f, "{}: not a JSON object", path.display()),
            Error::NoProgram => {
                f.write_str("--env and arguments need a program in the configuration, and there is none")
            }
            Error::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for String {
    fn from(error: Error) -> String {
        error.to_string()
    }
}

/// The document for the guest: `baked`, then the file of `--config`, then single options and arguments.
///
/// # Errors
/// A document is not a JSON object, a credential cannot be read, or the options need a program and there is none.
pub fn effective(baked: Option<&str>, options: &RunOptions) -> Result<Value, Error> {
    let mut document = match baked {
        Some(text) => parse(&options.image, text.as_bytes())?,
        None => json!({}),
    };
    if let Some(path) = &options.config {
        let text = file::read(path, LIMIT as u64).map_err(Error::File)?;
        merge(&mut document, parse(path, &text)?);
    }
    merge(&mut document, from_options(options));
    if !options.credential.is_empty() {
        let credentials = credentials::read(&options.credential).map_err(Error::Credential)?;
        merge(&mut document, json!({ "credentials": credentials }));
    }
    if !options.arguments.is_empty() || !options.env.is_empty() {
        change_program(&mut document, options)?;
    }
    Ok(document)
}

/// Checks the document's length, for a guest with so many bytes of memory for it, and the keys of the kernel, as the guest will.
/// The keys of who runs on the kernel are checked by the guest alone.
///
/// # Errors
/// The guest would refuse it; the message names the key.
pub fn check(document: &[u8], memory: u64) -> Result<(), Error> {
    let check = || {
        let documents = Documents::read(None, Some(document), memory)?;
        documents.root()?.map(|mut root| Settings::take(&mut root)).transpose()?;
        Ok(())
    };
    check().map_err(Error::Refused)
}

/// Checks what the options say of the kernel's own keys, whatever else the document has.
///
/// # Errors
/// As above.
pub fn check_options(options: &RunOptions) -> Result<(), Error> {
    check(from_options(options).to_string().as_bytes(), u64::MAX)
}

/// Reads a document as strictly as the guest: in an object no key is twice.
fn parse(path: &Path, text: &[u8]) -> Result<Value, Error> {
    Document::parse(text).map_err(|error| Error::Malformed(path.into(), error))?;
    match serde_json::from_slice(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(Error::NoObject(path.into())),
    }
}

/// Objects are merged recursively; anything else in `upper` replaces what `lower` has.
fn merge(lower: &mut Value, upper: Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                merge(lower.entry(key).or_insert(Value::Null), value);
            }
        }
        (lower, upper) => *lower = upper,
    }
}

fn from_options(options: &RunOptions) -> Value {
    let mut network = Map::new();
    if let Some(address) = &options.address {
        network.insert("address".into(), json!(address));
    }
    if let Some(gateway) = &options.gateway {
        network.insert("gateway".into(), json!(gateway));
    }
    if !options.nameserver.is_empty() {
        network.insert("nameservers".into(), json!(options.nameserver));
    }
    let mut document = Map::new();
    if !network.is_empty() {
        document.insert("network".into(), Value::Object(network));
    }
    if let Some(hostname) = &options.hostname {
        document.insert("hostname".into(), json!(hostname));
    }
    Value::Object(document)
}

/// Replaces the arguments after the program's name and adds to its environment.
fn change_program(document: &mut Value, options: &RunOptions) -> Result<(), Error> {
    let program = document.pointer_mut("/programs/0").and_then(Value::as_object_mut).ok_or(Error::NoProgram)?;
    if !options.arguments.is_empty() {
        let name = program.get("argv").and_then(|argv| argv.get(0)).cloned().ok_or(Error::NoName)?;
        let argv: Vec<Value> =
            std::iter::once(name).chain(options.arguments.iter().map(|argument| json!(argument))).collect();
        program.insert("argv".into(), Value::Array(argv));
    }
    let env: Map<String, Value> = options.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    merge(program.entry("env").or_insert_with(|| json!({})), Value::Object(env));
    Ok(())
}

/// Whether the guest wants no network at all.
pub fn is_offline(document: &Value) -> bool {
    document.pointer("/network/address").and_then(Value::as_str) == Some("none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Options};
    use clap::Parser;
    use std::fs;

    const BAKED: &str =
        r#"{"programs":[{"argv":["/bin/a","-x"],"env":{"A":"1"}}],"network":{"address":"dhcp","gateway":"10.0.0.1"}}"#;

    fn document(baked: &str, arguments: &[&str]) -> Result<Value, String> {
        let line = ["rumpkin", "run", "image"].iter().chain(arguments);
        let Command::Run(options) = Options::parse_from(line).command else { unreachable!() };
        effective(Some(baked), &options).map_err(String::from)
    }

    #[test]
    fn without_options_the_image_decides() {
        assert_eq!(document(BAKED, &[]).unwrap(), serde_json::from_str::<Value>(BAKED).unwrap());
    }

    #[test]
    fn arguments_replace_and_variables_add() {
        let document = document(BAKED, &["--env", "B=2", "--", "-y", "z"]).unwrap();
        assert_eq!(document["programs"], json!([{"argv": ["/bin/a", "-y", "z"], "env": {"A": "1", "B": "2"}}]));
    }

    #[test]
    fn options_override_key_by_key() {
        let document =
            document(BAKED, &["--address", "10.0.0.2/24", "--nameserver", "10.0.0.3", "--hostname", "h"]).unwrap();
        let network = json!({"address": "10.0.0.2/24", "gateway": "10.0.0.1", "nameservers": ["10.0.0.3"]});
        assert_eq!(document["network"], network);
        assert_eq!(document["hostname"], "h");
        assert!(!is_offline(&document));
    }

    #[test]
    fn files_override_key_by_key() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), r#"{"network":{"address":"none"},"disks":[1]}"#).unwrap();
        let document = document(BAKED, &["--config", file.path().to_str().unwrap()]).unwrap();
        assert_eq!(document["network"], json!({"address": "none", "gateway": "10.0.0.1"}));
        assert_eq!(document["disks"], json!([1]));
        assert!(is_offline(&document));
    }

    #[test]
    fn bad_documents_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[]").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(document(BAKED, &["--config", path]), Err(format!("{path}: not a JSON object")));
        assert_eq!(document("3", &[]), Err("image: not a JSON object".into()));
        assert!(document("{}", &["--", "a"]).unwrap_err().contains("program"));
        assert!(document(r#"{"programs":[{}]}"#, &["--", "a"]).unwrap_err().contains("no name"));
        assert!(document(r#"{"programs":3}"#, &["--env", "A=b"]).unwrap_err().contains("program"));
    }

    #[test]
    fn what_the_guest_refuses_is_refused_before_it_starts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), r#"{"network":{"gateway":"10.0.0.1","address":"none","gateway":"10.0.0.2"}}"#).unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(
            document(BAKED, &["--config", path]),
            Err(format!("{path}: has the key `network.gateway` twice in one object"))
        );
        let checked = |arguments: &[&str], memory| {
            check(document(BAKED, arguments).unwrap().to_string().as_bytes(), memory).map_err(String::from)
        };
        assert_eq!(checked(&["--address", "10.0.0.2/24"], 1 << 20), Ok(()));
        for (arguments, message) in [
            (
                ["--address", "127.0.0.1/8"],
                "configuration: network.address: `127.0.0.1/8` is an address of the loopback",
            ),
            (["--address", "10.0.1.2/24"], "configuration: network.gateway: `10.0.0.1` is not in 10.0.1.0/24"),
            (["--gateway", "224.0.0.1"], "configuration: network.gateway: `224.0.0.1` is a multicast address"),
            (["--hostname", ""], "configuration: hostname: must have 1 to 64 bytes"),
        ] {
            let error = checked(&arguments, 1 << 20).unwrap_err();
            assert!(error.starts_with(message), "{arguments:?}: {error}");
        }
        assert!(checked(&[], 64 * 100).unwrap_err().contains("it may have 100"));
    }
}
