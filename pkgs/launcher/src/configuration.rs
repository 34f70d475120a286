//! The configuration that the guest is given at launch, to be laid over the image's own; and what the guest would say to both.
use crate::credentials;
use crate::file::{self, At, Unusable};
use crate::options::RunOptions;
use rumpkin_configuration::{
    ConfigurationError, Document, Documents, LIMIT, Malformed, Moment, Node, Settings, check, overlay,
};
use rumpkin_format::Image;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::path::Path;
use thiserror::Error;

/// What a document says that says nothing.
const NOTHING: &str = "{}";

/// Why there is no configuration for the guest.
#[derive(Debug, Error)]
pub enum Error {
    /// A credential cannot be had.
    #[error(transparent)]
    Credential(#[from] credentials::Error),
    /// The file of `--config` cannot be read.
    #[error(transparent)]
    File(#[from] At<Unusable>),
    /// What is in a file is not a document.
    #[error(transparent)]
    Malformed(#[from] At<Malformed>),
    /// The program has no name, after which arguments could stand.
    #[error("the program in the configuration has no name")]
    NoName,
    /// There is no program that options could be about.
    #[error("--env and arguments need a program in the configuration, and there is none")]
    NoProgram,
    /// The guest would refuse it.
    #[error(transparent)]
    Refused(#[from] ConfigurationError),
}

/// The document for the guest: the file of `--config`, and over it single options and arguments. The guest lays it over `baked`.
///
/// # Errors
/// A document is not a JSON object, a credential cannot be read, or the options need a program and there is none.
pub fn at_launch(baked: Option<&str>, options: &RunOptions) -> Result<String, Error> {
    let mut launch = match &options.config {
        Some(path) => lay(NOTHING, &file::read(path, LIMIT as u64)?, path)?,
        None => NOTHING.into(),
    };
    launch = lay(&launch, from_options(options).to_string().as_bytes(), &options.image)?;
    if !options.credential.is_empty() {
        let credentials = credentials::read(&options.credential)?;
        let document = json!({ "credentials": credentials });
        launch = lay(&launch, document.to_string().as_bytes(), &options.image)?;
    }
    if !options.arguments.is_empty() || !options.env.is_empty() {
        let program = changed_program(baked.unwrap_or(NOTHING), &launch, options)?;
        launch = lay(&launch, format!(r#"{{"programs":[{program}]}}"#).as_bytes(), &options.image)?;
    }
    Ok(launch)
}

/// Checks what comes of the image's configuration and the one at launch, for a guest with so many bytes of memory beside both,
/// as the guest will. What its kernel is told comes back.
///
/// # Errors
/// The guest would refuse it; the message names the key.
pub fn judge(image: &Image<'_>, launch: &str, memory: u64) -> Result<Settings, Error> {
    let baked = image.configuration.map(str::as_bytes);
    Ok(check(image.manifest, baked, Some(launch.as_bytes()), memory, Moment::Starting)?)
}

/// Checks what the options say of the kernel's own keys, whatever else the document has.
///
/// # Errors
/// As above.
pub fn check_options(options: &RunOptions) -> Result<(), Error> {
    let document = from_options(options).to_string();
    check(None, None, Some(document.as_bytes()), u64::MAX, Moment::Making)?;
    Ok(())
}

/// What the kernel is told by a document that is given to it unchecked, and need not be one: as far as that can be said.
pub fn settings_of_unchecked(document: &[u8]) -> Settings {
    check(None, None, Some(document), u64::MAX, Moment::Making).unwrap_or_default()
}

/// The document `below` with that of a file over it.
fn lay(below: &str, above: &[u8], file: &Path) -> Result<String, Error> {
    let malformed = |error| At::new(file, error);
    let below = Document::of_object(below.as_bytes()).map_err(malformed)?;
    let above = Document::of_object(above).map_err(malformed)?;
    Ok(overlay(&below, &above))
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

/// The program of the documents, with other arguments after its name and more variables.
fn changed_program(baked: &str, launch: &str, options: &RunOptions) -> Result<String, Error> {
    let documents = Documents::read(Some(baked.as_bytes()), Some(launch.as_bytes()), u64::MAX)?;
    let programs = documents.root()?.and_then(|mut root| root.take("programs"));
    let program = programs.and_then(|programs| programs.list().ok()?.next()).ok_or(Error::NoProgram)?;

    let mut change = Map::new();
    if !options.arguments.is_empty() {
        let arguments = options.arguments.iter().cloned();
        change.insert("argv".into(), std::iter::once(name_of(program)?).chain(arguments).collect());
    }
    let env: Map<String, Value> = options.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    change.insert("env".into(), env.into());
    // A program that is no object is none.
    lay(&program.text(), Value::Object(change).to_string().as_bytes(), &options.image).map_err(|_| Error::NoProgram)
}

/// What a program is called by: its first argument.
fn name_of(program: Node<'_>) -> Result<String, Error> {
    let argv = program.object().ok().and_then(|mut program| program.take("argv"));
    let name = argv.and_then(|argv| argv.list().ok()?.next()?.string().ok());
    name.map(Cow::into_owned).ok_or(Error::NoName)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Options};
    use clap::Parser;
    use rumpkin_configuration::Address;
    use std::fs;

    const BAKED: &str =
        r#"{"programs":[{"argv":["/bin/a","-x"],"env":{"A":"1"}}],"network":{"address":"dhcp","gateway":"10.0.0.1"}}"#;

    /// What comes of an image's document and the launcher's options.
    fn document(baked: &str, arguments: &[&str]) -> Result<Value, String> {
        let line = ["rumpkin", "run", "image"].iter().chain(arguments);
        let Command::Run(options) = Options::parse_from(line).command else { unreachable!() };
        let launch = at_launch(Some(baked), &options).map_err(|error| error.to_string())?;
        let merged = lay(baked, launch.as_bytes(), Path::new("image")).map_err(|error| error.to_string())?;
        Ok(serde_json::from_str(&merged).unwrap())
    }

    fn checked(arguments: &[&str], memory: u64) -> Result<Settings, String> {
        let document = document(BAKED, arguments)?.to_string();
        let manifest = Some(r#"{"components":["process"]}"#);
        check(manifest, None, Some(document.as_bytes()), memory, Moment::Starting).map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_the_image_decides() {
        assert_eq!(document(BAKED, &[]).unwrap(), serde_json::from_str::<Value>(BAKED).unwrap());
    }

    #[test]
    fn arguments_replace_and_variables_add() {
        let document = document(BAKED, &["--env", "B=2", "--", "-y", "z\"\n"]).unwrap();
        assert_eq!(document["programs"], json!([{"argv": ["/bin/a", "-y", "z\"\n"], "env": {"A": "1", "B": "2"}}]));
    }

    #[test]
    fn options_override_key_by_key() {
        let arguments = ["--address", "10.0.0.2/24", "--nameserver", "10.0.0.3", "--hostname", "h"];
        let document = document(BAKED, &arguments).unwrap();
        let network = json!({"address": "10.0.0.2/24", "gateway": "10.0.0.1", "nameservers": ["10.0.0.3"]});
        assert_eq!(document["network"], network);
        assert_eq!(document["hostname"], "h");
        assert_eq!(checked(&arguments, 1 << 20).unwrap().hostname, "h");
    }

    #[test]
    fn files_override_key_by_key() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), r#"{"network":{"address":"none"},"mounts":[1.50]}"#).unwrap();
        let document = document(BAKED, &["--config", file.path().to_str().unwrap(), "--hostname", "h"]).unwrap();
        assert_eq!(document["network"], json!({"address": "none", "gateway": "10.0.0.1"}));
        assert_eq!(document["mounts"], json!([1.5]));
        assert_eq!(document["hostname"], "h");
        let kernels_own = br#"{"network":{"address":"none"},"else":1}"#;
        assert_eq!(settings_of_unchecked(kernels_own).network.address, Address::None);
        assert_eq!(settings_of_unchecked(b"\xff"), Settings::default());
    }

    #[test]
    fn bad_documents_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[]").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(document(BAKED, &["--config", path]), Err(format!("{path}: is not a JSON object")));
        assert!(document("3", &["--", "a"]).unwrap_err().contains("the image's configuration is not a JSON object"));
        assert!(document("{}", &["--", "a"]).unwrap_err().contains("program"));
        assert!(document(r#"{"programs":[{}]}"#, &["--", "a"]).unwrap_err().contains("no name"));
        assert!(document(r#"{"programs":[3]}"#, &["--env", "A=b"]).unwrap_err().contains("program"));
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
        assert!(checked(&["--address", "10.0.0.2/24"], 1 << 20).is_ok());
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
