//! Credentials: secrets that the program finds as files, as systemd's services do (systemd.exec(5), "Credentials").
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "at boot, of a document whose size has been held against the machine's memory"
)]

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use base64ct::{Base64, Encoding};
use core::fmt;
use rumpkin_collections::try_to_vec;
use rumpkin_configuration::{Node, Wrong};
use rumpkin_spine::{Kernel, strings::Strings};

/// Where the program finds them.
const FOLDER: &str = "/run/credentials";
/// The variable that tells it so.
const VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// One secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The file's name.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content is nobody's business.
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads the key `credentials`: an object of names and Base64.
pub fn read(node: Node<'_>) -> Result<Vec<Credential>, Wrong> {
    let mut credentials = Vec::new();
    for (key, value) in node.object()?.entries() {
        let name = key.parse(|name| match is_file_name(name) {
            true => Ok(name.to_string()),
            false => Err("is no name for a file".to_string()),
        })?;
        let content = value.parse(|text| {
            // The text stays out of the message: it may be the secret itself, not encoded.
            Base64::decode_vec(text).map_err(|_| "is not Base64 (RFC 4648, padded, on one line)".to_string())
        })?;
        credentials.push(Credential { name, content });
    }
    Ok(credentials)
}

fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c.is_control())
}

/// Tells the program where they are, unless its environment says something else already.
pub fn announce(environment: &mut Strings) -> Result<(), Wrong> {
    let is_said = |text: &[u8]| text.strip_prefix(VARIABLE.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
    if environment.iter().any(is_said) {
        return Ok(());
    }
    let variable = [VARIABLE, "=", FOLDER].map(str::as_bytes);
    environment.push(variable).map_err(|_| Wrong::at("credentials", "there is no memory for them"))
}

/// Adds the files to a kernel that is being made.
pub fn prepare(kernel: &mut Kernel, credentials: &[Credential]) {
    for Credential { name, content } in credentials {
        let content = content.clone();
        kernel.add_generated_file(&format!("{FOLDER}/{name}"), move |_| try_to_vec(&content));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpkin_configuration::Documents;

    fn credentials(text: &str) -> Result<Vec<Credential>, String> {
        let document = format!(r#"{{"credentials":{text}}}"#);
        let documents = Documents::read(Some(document.as_bytes()), None, 1 << 30).unwrap();
        let mut root = documents.root().unwrap().unwrap();
        read(root.take("credentials").unwrap()).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn contents_are_bytes() {
        let read = credentials(r#"{"token":"c2VjcmV0","empty":"","binary":"AP8="}"#).unwrap();
        let contents: Vec<(&str, &[u8])> = read.iter().map(|one| (&*one.name, &*one.content)).collect();
        assert_eq!(contents, [("binary", &b"\0\xff"[..]), ("empty", b""), ("token", b"secret")]);
    }

    #[test]
    fn errors_name_the_key_and_not_the_secret() {
        for (text, message) in [
            (r#"{"k":"hunter2!"}"#, "credentials.k: is not Base64 (RFC 4648, padded, on one line)"),
            (r#"{"k":"AP8"}"#, "credentials.k: is not Base64 (RFC 4648, padded, on one line)"),
            (r#"{"k":1}"#, "credentials.k: is a number; it must be a string"),
            (r#"{"..":""}"#, "credentials...: is no name for a file"),
            (r#"{"a/b":""}"#, "credentials.a/b: is no name for a file"),
            (r#"[]"#, "credentials: is a list; it must be an object"),
        ] {
            assert_eq!(credentials(text).unwrap_err(), message, "{text}");
        }
        assert!(!format!("{:?}", credentials(r#"{"k":"c2VjcmV0"}"#).unwrap()).contains("115"));
    }

    #[test]
    fn the_program_is_told_where_they_are_unless_it_knows() {
        let mut environment = Strings::default();
        announce(&mut environment).unwrap();
        announce(&mut environment).unwrap();
        assert_eq!(environment.bytes(), b"CREDENTIALS_DIRECTORY=/run/credentials\0");
        environment = Strings::default();
        environment.push([b"CREDENTIALS_DIRECTORY=/elsewhere"]).unwrap();
        announce(&mut environment).unwrap();
        assert_eq!(environment.bytes(), b"CREDENTIALS_DIRECTORY=/elsewhere\0");
    }
}
