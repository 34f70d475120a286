//! What a flake gives, built by Nix.
use serde_json::Value;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds `flake`, an installable such as `.#apps.httpd`, and gives back the one store path that comes of it. What the store
/// has already is built anew, and Nix compares the two. `more` are further options for Nix.
///
/// Takes as long as the build, whose progress goes to standard error.
///
/// # Errors
/// There is no Nix, it refuses, or the flake gives something else than one path; the message says so.
pub fn build(flake: &str, more: &[OsString]) -> Result<PathBuf, String> {
    let plan = nix(flake, more, "--dry-run", Stdio::piped())?;
    let path = output(flake, &plan)?;
    if path.exists() {
        nix(flake, more, "--rebuild", Stdio::inherit())?;
    } else {
        nix(flake, more, "--print-build-logs", Stdio::inherit())?;
    }
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} was built into another store; verify with that of this machine", path.display()))
    }
}

/// Runs `nix build` and gives back what it says in JSON.
fn nix(flake: &str, more: &[OsString], mode: &str, errors: Stdio) -> Result<Value, String> {
    let output = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes", "build", "--no-link", "--json", mode, flake])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => "nix not found; install Nix to build what images are compared with".into(),
            _ => format!("nix: {error}"),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        eprint!("{said}");
        return Err(if said.contains("does not provide attribute") {
            format!("{flake}: there is no such attribute; name one that is an image, such as .#apps.httpd")
        } else if mode == "--rebuild" {
            format!("{flake}: nix could not build it again with the same result; its message is above")
        } else {
            format!("{flake}: nix could not build it; its message is above")
        });
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("nix build --json: {error}"))
}

/// The path of the one output in what `nix build --json` says.
fn output(flake: &str, plan: &Value) -> Result<PathBuf, String> {
    let built = plan.as_array().map(Vec::as_slice).unwrap_or_default();
    match built {
        [one] => match one["outputs"]["out"].as_str() {
            Some(path) => Ok(Path::new(path).into()),
            None => Err(format!("{flake} gives no output named `out`, so it is no image")),
        },
        several => Err(format!("{flake} gives {} derivations; name one that is an image", several.len())),
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
        assert!(output("f", &json!([])).unwrap_err().contains("0 derivations"));
        assert!(output("f", &json!([{ "outputs": { "dev": "/a" } }])).unwrap_err().contains("no output named `out`"));
    }
}
