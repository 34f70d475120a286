//! Calls of Xen's toolstack: `xl` (man 1 xl) and the store's `xenstore-read`.
use crate::file::At;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// Why the toolstack did not do what it was asked for.
#[derive(Debug, Error)]
pub enum Error {
    /// `xl` has run and says no; what it was told, and what it says.
    #[error("xl {0}: {1}")]
    Failed(String, String),
    /// `xl` is not there.
    #[error(
        "{} not found; this needs Xen's toolstack (Debian: apt-get install xen-system-amd64, and a restart into Xen), \
         or its path with --xl", .0.display()
    )]
    Missing(PathBuf),
    /// `xl` cannot be started.
    #[error(transparent)]
    NotStarted(#[from] At<io::Error>),
    /// `xenstore-read` cannot be started.
    #[error("xenstore-read: {0}")]
    Store(io::Error),
}

/// The toolstack's command.
#[derive(Clone, Debug)]
pub struct Xl(PathBuf);

impl Xl {
    pub fn new(executable: &Path) -> Xl {
        Xl(executable.to_owned())
    }

    /// `xl` with `arguments`, to be started.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments);
        command
    }

    /// Why `xl` could not be started.
    pub fn not_started(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound => Error::Missing(self.0.clone()),
            _ => At::new(&self.0, error).into(),
        }
    }

    /// Runs `xl` to its end, and gives back what it prints.
    ///
    /// # Errors
    /// It is missing or fails; the message is its own.
    pub fn run(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = self.command(arguments).output().map_err(|error| self.not_started(error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Failed(arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim().into()))
    }

    /// Destroys the domain with this UUID, if it is there.
    ///
    /// # Errors
    /// As above.
    pub fn destroy_by_uuid(&self, uuid: &str) -> Result<(), Error> {
        match domain_of(&self.run(&["vm-list"])?, uuid) {
            Some(domain) => self.run(&["destroy", &domain.to_string()]).map(drop),
            None => Ok(()),
        }
    }
}

/// The number of the domain with this UUID in what `xl vm-list` prints: a line for each, with UUID, number and name.
fn domain_of(list: &str, uuid: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| word.eq_ignore_ascii_case(uuid))?;
        words.next()?.parse().ok()
    })
}

/// The value of `node` below the domain's folder in the store, or `None` if it has none.
///
/// # Errors
/// The store's command cannot be started.
pub fn read_store(domain: u32, node: &str) -> Result<Option<String>, Error> {
    let path = format!("/local/domain/{domain}/{node}");
    let output = Command::new("xenstore-read").arg("-R").arg(path).output();
    let output = output.map_err(Error::Store)?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_found_by_their_uuid_alone() {
        let list = "UUID                                  ID    name\n\
                    00000000-0000-0000-0000-000000000000  0    Domain-0\n\
                    9e7d1f2c-1111-4222-8333-444455556666  12    web\n";
        assert_eq!(domain_of(list, "9E7D1F2C-1111-4222-8333-444455556666"), Some(12));
        assert_eq!(domain_of(list, "web"), None);
        assert_eq!(domain_of(list, ""), None);
    }
}
