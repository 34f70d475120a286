//! Credentials for the guest: files of this host that become keys of the configuration document (docs/configuration.md).
use crate::file::{self, At, Unusable};
use base64ct::{Base64, Encoding};
use rumpkin_configuration::LIMIT;
use serde_json::{Map, Value};
use std::env;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// A credential that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// The file's name in the guest.
    name: String,
    /// The file here; without one, the one of that name among the service manager's (systemd.exec(5), "LoadCredential=").
    file: Option<PathBuf>,
}

/// A text says nothing of a credential.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not of the form NAME[:FILE], with a NAME that a file may have")]
pub struct Malformed;

impl FromStr for Credential {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Credential, Malformed> {
        let (name, file) = text.split_once(':').map_or((text, None), |(name, file)| (name, Some(file)));
        if name.is_empty() || name == "." || name == ".." || name.contains('/') || file == Some("") {
            return Err(Malformed);
        }
        Ok(Credential { name: name.into(), file: file.map(PathBuf::from) })
    }
}

/// Why there is no credential of this name.
#[derive(Debug, Error)]
pub enum Error {
    /// Its file cannot be read.
    #[error("--credential {0}: {1}")]
    File(String, At<Unusable>),
    /// No file is given, and no service manager has one.
    #[error(
        "--credential {0}: no file is given, and there is no service manager that has one \
         (CREDENTIALS_DIRECTORY is not set); give --credential {0}:FILE"
    )]
    Homeless(String),
}

/// Reads the files into the value of the configuration's key `credentials`.
///
/// # Errors
/// A file cannot be read, or its place is not known.
pub fn read(credentials: &[Credential]) -> Result<Map<String, Value>, Error> {
    let folder = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let read = |Credential { name, file }: &Credential| {
        let path = match (file, &folder) {
            (Some(file), _) => file.clone(),
            (None, Some(folder)) => folder.join(name),
            (None, None) => return Err(Error::Homeless(name.clone())),
        };
        let content = file::read(&path, LIMIT as u64).map_err(|error| Error::File(name.clone(), error))?;
        Ok((name.clone(), Value::String(Base64::encode_string(&content))))
    };
    credentials.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_are_file_names() {
        let credential =
            |name: &str, file: Option<&str>| Ok(Credential { name: name.into(), file: file.map(PathBuf::from) });
        assert_eq!("token".parse(), credential("token", None));
        assert_eq!("token:/a:b".parse(), credential("token", Some("/a:b")));
        for text in ["", ":/a", "a/b", "..", "a:"] {
            assert!(text.parse::<Credential>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn contents_are_coded_and_failures_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"\0\xff").unwrap();
        let here = Credential { name: "k".into(), file: Some(file.path().into()) };
        assert_eq!(read(&[here]).unwrap()["k"], "AP8=");
        let absent = Credential { name: "k".into(), file: Some("/absent".into()) };
        assert!(read(&[absent]).unwrap_err().to_string().contains("--credential k: /absent: No such file"));
    }
}
