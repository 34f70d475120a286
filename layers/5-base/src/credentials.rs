//! Credentials: secrets that the program finds as files, as systemd's services do (systemd.exec(5), "Credentials").

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use base64ct::{Base64, Encoding};
use core::fmt;
use rumpkin_configuration::{Node, Wrong};
use rumpkin_kernel::Kernel;

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
pub fn read(node: Node) -> Result<Vec<Credential>, Wrong> {
    let mut credentials = Vec::new();
    for (name, value) in node.object()?.entries() {
        if !is_file_name(&name) {
            return Err(Wrong::at(value.path(), "is no name for a file"));
        }
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
pub fn announce(environment: &mut Vec<(String, String)>) {
    if !environment.iter().any(|(name, _)| name == VARIABLE) {
        environment.push((VARIABLE.to_string(), FOLDER.to_string()));
    }
}

/// Adds the files to a kernel that is being made.
pub fn prepare(kernel: &mut Kernel, credentials: &[Credential]) {
    for Credential { name, content } in credentials {
        let content = content.clone();
        kernel.add_generated_file(&format!("{FOLDER}/{name}"), move |_| content.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser::boot::BootData;

    fn credentials(text: &str) -> Result<Vec<Credential>, String> {
        let document = format!(r#"{{"credentials":{text}}}"#).into_bytes().leak();
        let boot = BootData { baked_configuration: Some(document), ..BootData::default() };
        let mut root = rumpkin_configuration::read(&boot).unwrap().unwrap();
        read(root.take("credentials").unwrap()).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn contents_are_bytes() {
        let read = credentials(r#"{"token":"c2VjcmV0","empty":"","binary":"AP8="}"#).unwrap();
        let contents: Vec<(&str, &[u8])> = read.iter().map(|one| (&*one.name, &*one.content)).collect();
        assert_eq!(contents, [("token", &b"secret"[..]), ("empty", b""), ("binary", b"\0\xff")]);
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
        let mut environment = Vec::new();
        announce(&mut environment);
        assert_eq!(environment, [(VARIABLE.to_string(), FOLDER.to_string())]);
        environment = Vec::from([(VARIABLE.to_string(), "/elsewhere".to_string())]);
        announce(&mut environment);
        assert_eq!(environment, [(VARIABLE.to_string(), "/elsewhere".to_string())]);
    }
}
