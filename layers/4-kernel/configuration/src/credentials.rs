//! The key `credentials`: secrets that the program finds as files.

use crate::{
    describe::{Form, Text},
    node::{Node, Wrong},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use base64ct::{Base64, Encoding};
use core::fmt;

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

/// Names, and contents in Base64.
pub(crate) struct Credentials;

impl Credentials {
    pub(crate) const FORM: Form = Form::Table {
        names: Text {
            what: "name of a file",
            pattern: "^(?!\\.{1,2}$)[^/\\u0000-\\u001f\\u007f]{1,255}$",
            ..Text::ANY
        },
        of: &Form::Text(Text { what: "Base64 string", pattern: "^[A-Za-z0-9+/]*={0,2}$", ..Text::ANY }),
    };

    pub(crate) fn read(node: Node<'_>) -> Result<Vec<Credential>, Wrong> {
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
}

fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Documents;
    use alloc::format;

    fn credentials(text: &str) -> Result<Vec<Credential>, String> {
        let document = format!(r#"{{"credentials":{text}}}"#);
        let documents = Documents::read(Some(document.as_bytes()), None, 1 << 30).unwrap();
        let mut root = documents.root().unwrap().unwrap();
        Credentials::read(root.take("credentials").unwrap()).map_err(|wrong| wrong.to_string())
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
}
