//! What `rumpkin unit` makes a service of: a JSON document, checked key by key (docs/launcher.md, "As a service").
use crate::instance::is_name;
use crate::options::{Command, Options, RunOptions};
use clap::Parser;
use serde_json::{Map, Value};
use std::path::PathBuf;
use thiserror::Error;

/// Options of `run` that follow from other keys.
const DERIVED: [(&str, &str); 4] =
    [("name", "name"), ("grace", "stopTimeout"), ("credential", "credentials"), ("sandbox", "")];

/// What is wrong with the document. The message names the key.
#[derive(Debug, Error)]
pub enum Error {
    /// This option of `run` is always given.
    #[error("options.{0}: is always given; leave it out")]
    Always(&'static str),
    /// This option of `run` follows from that key.
    #[error("options.{0}: comes from the key {1}; leave it out")]
    Derived(&'static str, &'static str),
    /// A key that must be there is not.
    #[error("{0}: is missing")]
    Missing(&'static str),
    /// It may not name a unikernel.
    #[error("name: {0:?} may not name a unikernel; letters, digits, hyphens, points and underscores may")]
    Name(String),
    /// An option of `run` has a list of other things than values.
    #[error("options.{0}: a list of lists or objects")]
    Nested(String),
    /// It is JSON, but not an object.
    #[error("not a JSON object")]
    NoObject,
    /// It is not JSON.
    #[error("{0}")]
    NotJson(serde_json::Error),
    /// The options are those of another command.
    #[error("options: not those of rumpkin run")]
    NotRun,
    /// A path is none that a unit can have.
    #[error("{}: not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// `rumpkin run` does not take the options, and says why.
    #[error("options: {0}")]
    Options(String),
    /// There is no such key.
    #[error("{0}: is not a known key")]
    Unknown(String),
    /// The value of an option is an object.
    #[error("options.{0}: must be a string, number, boolean or a list of those")]
    Value(String),
    /// The value of a key is not what it must be.
    #[error("{0}: must be {1}")]
    Wrong(&'static str, &'static str),
}

/// A service to be.
#[derive(Debug)]
pub struct Spec {
    pub name: String,
    pub description: String,
    pub image: PathBuf,
    /// The launcher's absolute path.
    pub launcher: PathBuf,
    /// Options of `rumpkin run`, by their long names.
    options: Map<String, Value>,
    /// The program's arguments.
    arguments: Vec<String>,
    /// The guest's secrets: names, and their files here.
    pub credentials: Vec<(String, String)>,
    /// systemd's word for when it is started again.
    pub restart: String,
    /// Seconds to become ready.
    pub start_timeout: u64,
    /// Seconds for the program to end after SIGTERM.
    pub stop_timeout: u64,
    /// The processors it may use.
    pub cpu_affinity: Option<String>,
    /// Further groups, such as that of a disk.
    pub groups: Vec<String>,
    /// The folder that it may write to, below /var/lib.
    pub state_directory: String,
    /// The program `ip`, as a unit names programs.
    pub ip: String,
}

/// An object whose keys are taken one by one.
struct Keys(Map<String, Value>);

impl Keys {
    fn take<T>(
        &mut self,
        key: &'static str,
        wanted: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(&value).map(Some).ok_or(Error::Wrong(key, wanted)),
        }
    }

    fn string(&mut self, key: &'static str) -> Result<Option<String>, Error> {
        self.take(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    fn seconds(&mut self, key: &'static str) -> Result<Option<u64>, Error> {
        self.take(key, "a whole number of seconds", Value::as_u64)
    }

    fn strings(&mut self, key: &'static str) -> Result<Vec<String>, Error> {
        let read = |value: &Value| value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        Ok(self.take(key, "a list of strings", read)?.unwrap_or_default())
    }

    fn path(&mut self, key: &'static str) -> Result<Option<PathBuf>, Error> {
        self.take(key, "an absolute path", |value| value.as_str().map(PathBuf::from).filter(|path| path.is_absolute()))
    }
}

impl Spec {
    /// Reads the document; `launcher` is the launcher unless it names another.
    ///
    /// # Errors
    /// The message names the key.
    pub fn parse(text: &str, launcher: PathBuf) -> Result<Spec, Error> {
        let value: Value = serde_json::from_str(text).map_err(Error::NotJson)?;
        let Value::Object(map) = value else { return Err(Error::NoObject) };
        let mut keys = Keys(map);
        let name = keys.string("name")?.ok_or(Error::Missing("name"))?;
        if !is_name(&name) {
            return Err(Error::Name(name));
        }
        let below = |value: &Value| {
            let folder = value.as_str()?;
            let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            folder.split('/').all(plain).then(|| folder.to_owned())
        };
        let state_directory = keys.take("stateDirectory", "a relative path without . or ..", below)?;
        let spec = Spec {
            state_directory: state_directory.unwrap_or_else(|| format!("rumpkin/{name}")),
            ip: keys.take("ip", "a program's name or absolute path", program)?.unwrap_or_else(|| "ip".into()),
            description: keys.string("description")?.unwrap_or_else(|| format!("Unikernel {name}")),
            name,
            image: keys.path("image")?.ok_or(Error::Missing("image"))?,
            launcher: keys.path("launcher")?.unwrap_or(launcher),
            options: keys.take("options", "an object", |value| value.as_object().cloned())?.unwrap_or_default(),
            arguments: keys.strings("arguments")?,
            credentials: keys
                .take("credentials", "an object of names and absolute paths", credentials)?
                .unwrap_or_default(),
            restart: keys
                .take("restart", "no, always, on-failure or on-abnormal", restart)?
                .unwrap_or_else(|| "on-failure".into()),
            start_timeout: keys.seconds("startTimeout")?.unwrap_or(90),
            stop_timeout: keys.seconds("stopTimeout")?.unwrap_or(10),
            cpu_affinity: keys.string("cpuAffinity")?,
            groups: keys.strings("groups")?,
        };
        if let Some((key, _)) = keys.0.into_iter().next() {
            return Err(Error::Unknown(key));
        }
        for (option, key) in DERIVED {
            if spec.options.contains_key(option) {
                return Err(if key.is_empty() { Error::Always(option) } else { Error::Derived(option, key) });
            }
        }
        Ok(spec)
    }

    /// Replaces an option of `run`, or takes it away.
    pub fn set_option(&mut self, name: &str, value: Option<Value>) -> Option<Value> {
        match value {
            Some(value) => self.options.insert(name.into(), value),
            None => self.options.remove(name),
        }
    }

    /// The words of the command that runs it, and what the launcher makes of them.
    ///
    /// # Errors
    /// `rumpkin run` does not take them.
    pub fn command(&self) -> Result<(Vec<String>, RunOptions), Error> {
        let text = |path: &PathBuf| path.to_str().map(str::to_owned).ok_or_else(|| Error::NotUtf8(path.clone()));
        let mut words = vec![text(&self.launcher)?, "run".into(), text(&self.image)?];
        words.push(format!("--name={}", self.name));
        words.push(format!("--grace={}", self.stop_timeout));
        words.extend(self.credentials.iter().map(|(name, _)| format!("--credential={name}")));
        for (name, value) in &self.options {
            option(&mut words, name, value)?;
        }
        if !self.arguments.is_empty() {
            words.push("--".into());
            words.extend(self.arguments.iter().cloned());
        }
        let parsed = Options::try_parse_from(&words).map_err(|error| {
            let message = error.to_string();
            Error::Options(message.strip_prefix("error: ").unwrap_or(&message).trim_end().into())
        })?;
        match parsed.command {
            Command::Run(options) => Ok((words, *options)),
            _ => Err(Error::NotRun),
        }
    }
}

/// Adds one option: a switch, a value, or a value for each time that it is given.
fn option(words: &mut Vec<String>, name: &str, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Bool(true) => words.push(format!("--{name}")),
        Value::String(text) => words.push(format!("--{name}={text}")),
        Value::Number(number) => words.push(format!("--{name}={number}")),
        Value::Array(values) => values.iter().try_for_each(|value| match value {
            Value::Array(_) | Value::Object(_) | Value::Null => Err(Error::Nested(name.into())),
            value => option(words, name, value),
        })?,
        Value::Object(_) => {
            return Err(Error::Value(name.into()));
        }
    }
    Ok(())
}

fn credentials(value: &Value) -> Option<Vec<(String, String)>> {
    let read = |(name, path): (&String, &Value)| {
        let path = path.as_str().filter(|path| path.starts_with('/'))?;
        is_plain(name).then(|| (name.clone(), path.to_owned()))
    };
    value.as_object()?.iter().map(read).collect()
}

/// A program as a unit names it: what stands before its name there would change its rights.
fn program(value: &Value) -> Option<String> {
    value.as_str().filter(|text| text.starts_with('/') || is_plain(text)).map(str::to_owned)
}

/// Whether it is a file's name that means nothing else anywhere.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn restart(value: &Value) -> Option<String> {
    value.as_str().filter(|word| ["no", "always", "on-failure", "on-abnormal"].contains(word)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Result<Vec<String>, Error> {
        Spec::parse(text, "/bin/rumpkin".into())?.command().map(|(words, _)| words)
    }

    #[test]
    fn options_are_the_launchers() {
        let words = command(
            r#"{"name":"web","image":"/i","arguments":["-x","a b"],"credentials":{"token":"/etc/token"},"stopTimeout":5,
                "options":{"memory":32,"forward":["8080:80","udp:53:53"],"vhost":false,"env":["A=-1"]}}"#,
        );
        let expected = "/bin/rumpkin run /i --name=web --grace=5 --credential=token --env=A=-1 --forward=8080:80 \
                        --forward=udp:53:53 --memory=32 -- -x|a b";
        assert_eq!(words.unwrap().join(" ").replace("-x a b", "-x|a b"), expected);
    }

    #[test]
    fn errors_name_the_key() {
        for (text, message) in [
            ("[]", "not a JSON object"),
            ("{}", "name: is missing"),
            (r#"{"name":"a/b"}"#, "name: \"a/b\" may not"),
            (r#"{"name":"a"}"#, "image: is missing"),
            (r#"{"name":"a","image":"i"}"#, "image: must be an absolute path"),
            (r#"{"name":"a","image":"/i","memory":1}"#, "memory: is not a known key"),
            (r#"{"name":"a","image":"/i","restart":"often"}"#, "restart: must be no, always"),
            (r#"{"name":"a","image":"/i","stateDirectory":"../x"}"#, "stateDirectory: must be a relative path"),
            (r#"{"name":"a","image":"/i","stopTimeout":-1}"#, "stopTimeout: must be a whole number"),
            (
                r#"{"name":"a","image":"/i","credentials":{"k":"x"}}"#,
                "credentials: must be an object of names and absolute paths",
            ),
            (r#"{"name":"a","image":"/i","options":{"grace":1}}"#, "options.grace: comes from the key stopTimeout"),
            (r#"{"name":"a","image":"/i","options":{"memroy":1}}"#, "options: unexpected argument '--memroy'"),
            (r#"{"name":"a","image":"/i","options":{"memory":"x"}}"#, "options: invalid value 'x'"),
            (r#"{"name":"a","image":"/i","options":{"env":{}}}"#, "options.env: must be a string"),
        ] {
            let error = command(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
