//! The command line.
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "usage: httpd [--root DIRECTORY] [--listen ADDRESS:PORT] [--log on|off] [--idle SECONDS]";

/// What the command line says.
#[derive(Debug, Eq, PartialEq)]
pub struct Options {
    /// The directory that is served.
    pub root: PathBuf,
    /// Where to accept connections.
    pub listen: SocketAddr,
    /// Whether to write an access log to standard output.
    pub log: bool,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
}

impl Options {
    /// Reads the arguments that follow the program's name.
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Options, String> {
        let mut options = Options {
            root: "/srv/www".into(),
            listen: SocketAddr::from(([0, 0, 0, 0], 80)),
            log: true,
            idle: Duration::from_secs(75),
        };
        while let Some(name) = arguments.next() {
            let name = name.to_string_lossy();
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"));
            let refuse = |value: OsString| format!("{name}: cannot be {}\n{USAGE}", value.display());
            match &*name {
                "--root" => options.root = value()?.into(),
                "--listen" => options.listen = number(value()?).map_err(refuse)?,
                "--idle" => options.idle = Duration::from_secs(number::<u32>(value()?).map_err(refuse)?.into()),
                "--log" => match value()? {
                    on if on == "on" => options.log = true,
                    off if off == "off" => options.log = false,
                    other => return Err(refuse(other)),
                },
                _ => return Err(format!("unknown argument {name}\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

/// `value` parsed, or else `value` itself.
fn number<T: std::str::FromStr>(value: OsString) -> Result<T, OsString> {
    value.to_str().and_then(|text| text.parse().ok()).ok_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn values_replace_defaults() {
        let options = parse("--root /a --listen 127.0.0.1:8080 --log off --idle 5").unwrap();
        assert_eq!(options.root, PathBuf::from("/a"));
        assert_eq!(options.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!((options.log, options.idle), (false, Duration::from_secs(5)));
        assert_eq!(parse("").unwrap().listen.port(), 80);
    }

    #[test]
    fn bad_arguments_are_named() {
        for (line, name) in [
            ("--root", "--root"),
            ("--listen 80", "--listen"),
            ("--log maybe", "maybe"),
            ("--idle -1", "-1"),
            ("x", "x"),
        ] {
            assert!(parse(line).unwrap_err().contains(name), "{line}");
        }
    }
}
