//! What a flake gives, built by Nix.
use serde_json::Value;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use thiserror::Error;

/// Why a flake gives no image. The first string is the flake.
#[derive(Debug, Error)]
pub enum Error {
    /// What was built is not in the store of this machine.
    #[error("{} was built into another store; verify with that of this machine", .0.display())]
    AnotherStore(PathBuf),
    /// There is no Nix.
    #[error("nix not found; install Nix to build what images are compared with")]
    Missing,
    /// It has no such attribute.
    #[error("{0}: there is no such attribute; name one that is an image, such as .#apps.httpd")]
    NoAttribute(String),
    /// What it gives has no main output.
    #[error("{0} gives no output named `out`, so it is no image")]
    NoOutput(String),
    /// Nix cannot build it.
    #[error("{0}: nix could not build it; its message is above")]
    NotBuilt(String),
    /// Nix says something else than it should.
    #[error("nix build --json: {0}")]
    NotJson(serde_json::Error),
    /// It gives none or several things.
    #[error("{0} gives {1} derivations; name one that is an image")]
    NotOne(String, usize),
    /// Built again it is another one.
    #[error("{0}: nix could not build it again with the same result; its message is above")]
    NotRepeated(String),
    /// Nix cannot be started.
    #[error("nix: {0}")]
    NotStarted(std::io::Error),
}

/// Builds `flake`, an installable such as `.#apps.httpd`, and gives back the one store path that comes of it. What the store
/// has already is built anew, and Nix compares the two. `more` are further options for Nix.
///
/// Takes as long as the build, whose progress goes to standard error.
///
/// # Errors
/// There is no Nix, it refuses, or the flake gives something else than one path; the message says so.
pub fn build(flake: &str, more: &[OsString]) -> Result<PathBuf, Error> {
    let plan = nix(flake, more, "--dry-run", Stdio::piped())?;
    let path = output(flake, &plan)?;
    if path.exists() {
        nix(flake, more, "--rebuild", Stdio::inherit())?;
    } else {
        nix(flake, more, "--print-build-logs", Stdio::inherit())?;
    }
    if path.exists() { Ok(path) } else { Err(Error::AnotherStore(path)) }
}

/// Runs `nix build` and gives back what it says in JSON.
fn nix(flake: &str, more: &[OsString], mode: &str, errors: Stdio) -> Result<Value, Error> {
    let output = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes", "build", "--no-link", "--json", mode, flake])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Missing,
            _ => Error::NotStarted(error),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        eprint!("{said}");
        return Err(if said.contains("does not provide attribute") {
            Error::NoAttribute(flake.into())
        } else if mode == "--rebuild" {
            Error::NotRepeated(flake.into())
        } else {
            Error::NotBuilt(flake.into())
        });
    }
    serde_json::from_slice(&output.stdout).map_err(Error::NotJson)
}

/// The path of the one output in what `nix build --json` says.
fn output(flake: &str, plan: &Value) -> Result<PathBuf, Error> {
    let built = plan.as_array().map(Vec::as_slice).unwrap_or_default();
    match built {
        [one] => match one["outputs"]["out"].as_str() {
            Some(path) => Ok(Path::new(path).into()),
            None => Err(Error::NoOutput(flake.into())),
        },
        several => Err(Error::NotOne(flake.into(), several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_output_is_wanted() {
        let one = json!([{ "drvPath": "/nix/store/a.drv", "outputs": { "out": "/nix/store/a" } }]);
        assert_eq!(output("f", &one).unwrap(), Path::new("/nix/store/a"));
        assert!(output("f", &json!([])).unwrap_err().to_string().contains("0 derivations"));
        assert!(
            output("f", &json!([{ "outputs": { "dev": "/a" } }]))
                .unwrap_err()
                .to_string()
                .contains("no output named `out`")
        );
    }
}
