//! Calls of Xen's toolstack: `xl` (man 1 xl) and the store's `xenstore-read`.
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

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

    /// What to tell the user if `xl` could not be started.
    pub fn missing(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::NotFound => format!(
                "{} not found; this needs Xen's toolstack (Debian: apt-get install xen-system-amd64, and a restart into Xen), \
                 or its path with --xl",
                self.0.display()
            ),
            _ => format!("{}: {error}", self.0.display()),
        }
    }

    /// Runs `xl` to its end, and gives back what it prints.
    ///
    /// # Errors
    /// It is missing or fails; the message is its own.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(arguments).output().map_err(|error| self.missing(&error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("xl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Destroys the domain with this UUID, if it is there.
    ///
    /// # Errors
    /// As above.
    pub fn destroy_by_uuid(&self, uuid: &str) -> Result<(), String> {
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
pub fn read_store(domain: u32, node: &str) -> Result<Option<String>, String> {
    let path = format!("/local/domain/{domain}/{node}");
    let output = Command::new("xenstore-read").arg("-R").arg(path).output();
    let output = output.map_err(|error| format!("xenstore-read: {error}"))?;
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
