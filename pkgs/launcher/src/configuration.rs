//! The configuration that the guest is given: the image's own, overridden key by key.
use crate::credentials;
use crate::options::RunOptions;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The document for the guest: `baked`, then the file of `--config`, then single options and arguments.
///
/// Only what the options touch is looked at; the guest validates the whole, and names what it does not know.
///
/// # Errors
/// A document is not a JSON object, a credential cannot be read, or the options need a program and there is none.
pub fn effective(baked: Option<&str>, options: &RunOptions) -> Result<Value, String> {
    let mut document = match baked {
        Some(text) => parse(text).map_err(|error| format!("{}: configuration: {error}", options.image.display()))?,
        None => json!({}),
    };
    if let Some(path) = &options.config {
        merge(&mut document, read(path)?);
    }
    merge(&mut document, from_options(options));
    if !options.credential.is_empty() {
        merge(&mut document, json!({ "credentials": credentials::read(&options.credential)? }));
    }
    if !options.arguments.is_empty() || !options.env.is_empty() {
        change_program(&mut document, options)?;
    }
    Ok(document)
}

fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("not a JSON object".into()) }
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
fn change_program(document: &mut Value, options: &RunOptions) -> Result<(), String> {
    let program = document
        .pointer_mut("/programs/0")
        .and_then(Value::as_object_mut)
        .ok_or("--env and arguments need a program in the configuration, and there is none")?;
    if !options.arguments.is_empty() {
        let name = program
            .get("argv")
            .and_then(|argv| argv.get(0))
            .cloned()
            .ok_or("the program in the configuration has no name")?;
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

    const BAKED: &str =
        r#"{"programs":[{"argv":["/bin/a","-x"],"env":{"A":"1"}}],"network":{"address":"dhcp","gateway":"10.0.0.1"}}"#;

    fn document(baked: &str, arguments: &[&str]) -> Result<Value, String> {
        let line = ["rumpkin", "run", "image"].iter().chain(arguments);
        let Command::Run(options) = Options::parse_from(line).command else { unreachable!() };
        effective(Some(baked), &options)
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
        assert_eq!(document("3", &[]), Err("image: configuration: not a JSON object".into()));
        assert!(document("{}", &["--", "a"]).unwrap_err().contains("program"));
        assert!(document(r#"{"programs":[{}]}"#, &["--", "a"]).unwrap_err().contains("no name"));
        assert!(document(r#"{"programs":3}"#, &["--env", "A=b"]).unwrap_err().contains("program"));
    }
}
