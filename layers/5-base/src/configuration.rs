//! The configuration document: a JSON default baked into the image, overridden key by key at launch.
//!
//! `docs/configuration.md` is the reference, `docs/configuration.schema.json` the schema.

use crate::{
    credentials::{self, Credential},
    json::{Node, Wrong},
    value::{self, Value, merge},
};
use alloc::{format, string::String, vec::Vec};
use core::fmt;
use rumpkin_kernel::config::{Address, Config, Network};
use rumpuser::boot::BootData;

/// A configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What to run.
    pub program: Program,
    /// The name of the machine.
    pub hostname: String,
    /// The first link's addresses.
    pub network: Network,
    /// Secrets for the program, files of `/run/credentials`.
    pub credentials: Vec<Credential>,
    /// What is logged.
    pub tracing: Tracing,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Path and arguments; there is at least the path.
    pub argv: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Working directory, absolute.
    pub cwd: String,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracing {
    /// Messages of this level and above.
    pub level: log::LevelFilter,
    /// Log each system call.
    pub syscalls: bool,
}

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationError(String);

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the documents of an image: the baked default, overridden by what was given at launch.
pub fn configuration(boot: &BootData) -> Result<Document, ConfigurationError> {
    let baked = boot.baked_configuration.map(|bytes| parse("the image's configuration", bytes)).transpose()?;
    let launch = boot.launch_configuration.map(|bytes| parse("the launch configuration", bytes)).transpose()?;
    let merged = match (baked, launch) {
        (Some(baked), Some(launch)) => merge(baked, launch),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => {
            return Err(ConfigurationError(String::from(
                "there is no configuration: bake one into the image, or give one at launch (-initrd)",
            )));
        }
    };
    check(merged)
}

fn parse(what: &str, bytes: &[u8]) -> Result<Value, ConfigurationError> {
    // Boot loaders may pad a module with zeroes.
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last.saturating_add(1));
    let bytes = bytes.get(..length).unwrap_or_default();
    let value = value::parse(bytes).map_err(|error| ConfigurationError(format!("{what} {error}")))?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(ConfigurationError(format!("{what} is not a JSON object"))),
    }
}

fn check(value: Value) -> Result<Document, ConfigurationError> {
    document(Node::root(value)).map_err(|wrong| ConfigurationError(format!("configuration: {wrong}")))
}

fn document(root: Node) -> Result<Document, Wrong> {
    let mut root = root.object()?;
    // For editors.
    root.take("$schema");
    let programs =
        root.take("programs").ok_or_else(|| Wrong::at("programs", "is missing; name a program with its argv"))?;
    let mut program = program(only_program(programs)?)?;
    let hostname = root.take("hostname").map(hostname).transpose()?;
    let network = root.take("network").map(network).transpose()?;
    if let Some(disks) = root.take("disks") {
        no_disks(disks)?;
    }
    let credentials = root.take("credentials").map(credentials::read).transpose()?.unwrap_or_default();
    if !credentials.is_empty() {
        credentials::announce(&mut program.env);
    }
    let tracing = root.take("tracing").map(tracing).transpose()?;
    root.finish()?;
    Ok(Document {
        program,
        credentials,
        hostname: hostname.unwrap_or_else(|| String::from("rumpkin")),
        network: network.unwrap_or_default(),
        tracing: tracing.unwrap_or(Tracing { level: DEFAULT_LEVEL, syscalls: false }),
    })
}

/// What is logged unless the document says otherwise.
const DEFAULT_LEVEL: log::LevelFilter = log::LevelFilter::Warn;

fn only_program(programs: Node) -> Result<Node, Wrong> {
    let path = programs.path().clone();
    let mut list = programs.list()?.into_iter();
    match (list.next(), list.next()) {
        (Some(program), None) => Ok(program),
        (None, _) => Err(Wrong::at(path, "is empty; name a program with its argv")),
        (Some(_), Some(_)) => Err(Wrong::at(path, "several programs in one image are not supported yet; leave one")),
    }
}

fn program(node: Node) -> Result<Program, Wrong> {
    let path = node.path().clone();
    let mut node = node.object()?;
    let missing =
        || Wrong::at(format!("{path}.argv"), "is missing or empty; its first entry is the path of the program");
    let argv = node.take("argv").ok_or_else(missing)?.list()?;
    let argv = argv.into_iter().map(plain_string).collect::<Result<Vec<_>, _>>()?;
    if argv.is_empty() {
        return Err(missing());
    }
    let mut env = Vec::new();
    if let Some(variables) = node.take("env") {
        for (name, value) in variables.object()?.entries() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(Wrong::at(value.path(), "is no name for an environment variable"));
            }
            env.push((name, plain_string(value)?));
        }
    }
    let cwd = node.take("cwd").map(absolute_path).transpose()?;
    node.finish()?;
    Ok(Program { argv, env, cwd: cwd.unwrap_or_else(|| String::from("/")) })
}

/// A string that a program can be given.
fn plain_string(node: Node) -> Result<String, Wrong> {
    node.parse(|text| match text.contains('\0') {
        true => Err("holds a zero byte, which no program can be given".into()),
        false => Ok(String::from(text)),
    })
}

fn absolute_path(node: Node) -> Result<String, Wrong> {
    node.parse(|text| match text.starts_with('/') && !text.contains('\0') {
        true => Ok(String::from(text)),
        false => Err(format!("`{text}` is not an absolute path")),
    })
}

fn hostname(node: Node) -> Result<String, Wrong> {
    node.parse(|text| match (1..=64).contains(&text.len()) && !text.contains(char::is_control) {
        true => Ok(String::from(text)),
        false => Err("must have 1 to 64 bytes, and no control characters".into()),
    })
}

fn network(node: Node) -> Result<Network, Wrong> {
    let mut node = node.object()?;
    let address = node.take("address").map(|node| node.parse(parse_address)).transpose()?;
    let gateway = node.take("gateway").map(|node| node.parse(parse_ipv4)).transpose()?;
    let nameservers = match node.take("nameservers") {
        None => Vec::new(),
        Some(list) => list.list()?.into_iter().map(|node| node.parse(parse_ipv4)).collect::<Result<_, _>>()?,
    };
    node.finish()?;
    Ok(Network { address: address.unwrap_or_default(), gateway, nameservers })
}

fn parse_ipv4(text: &str) -> Result<[u8; 4], String> {
    let address = text.parse::<core::net::Ipv4Addr>();
    address.map(|address| address.octets()).map_err(|_| format!("`{text}` is not an IPv4 address like 10.0.2.2"))
}

fn parse_address(text: &str) -> Result<Address, String> {
    match text {
        "dhcp" => return Ok(Address::Dhcp),
        "none" => return Ok(Address::None),
        _ => {}
    }
    let wrong = || format!("`{text}` is neither \"dhcp\" nor \"none\" nor an address like 10.0.2.15/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address = parse_ipv4(address).map_err(|_| wrong())?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(wrong)?;
    Ok(Address::Static { address, prefix })
}

/// `disks` is reserved for file systems on disks. Disks themselves need no configuration.
fn no_disks(node: Node) -> Result<(), Wrong> {
    let path = node.path().clone();
    match node.list()?.is_empty() {
        true => Ok(()),
        false => Err(Wrong::at(
            path,
            "file systems on disks are not supported yet; disks are /dev/vda and so on by themselves",
        )),
    }
}

fn tracing(node: Node) -> Result<Tracing, Wrong> {
    let mut node = node.object()?;
    let level = node.take("level").map(|node| node.parse(parse_level)).transpose()?;
    let syscalls = node.take("syscalls").map(Node::boolean).transpose()?;
    node.finish()?;
    Ok(Tracing { level: level.unwrap_or(DEFAULT_LEVEL), syscalls: syscalls.unwrap_or(false) })
}

fn parse_level(text: &str) -> Result<log::LevelFilter, String> {
    match text {
        "error" => Ok(log::LevelFilter::Error),
        "warn" => Ok(log::LevelFilter::Warn),
        "info" => Ok(log::LevelFilter::Info),
        "debug" => Ok(log::LevelFilter::Debug),
        "trace" => Ok(log::LevelFilter::Trace),
        _ => Err(format!("`{text}` is not one of error, warn, info, debug, trace")),
    }
}

impl Document {
    /// What the kernel is told.
    pub fn kernel_config(&self) -> Config {
        Config {
            hostname: self.hostname.clone(),
            network: self.network.clone(),
            trace_system_calls: self.tracing.syscalls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn read(baked: Option<&'static str>, launch: Option<&'static str>) -> Result<Document, String> {
        let boot = BootData {
            baked_configuration: baked.map(str::as_bytes),
            launch_configuration: launch.map(str::as_bytes),
            ..BootData::default()
        };
        configuration(&boot).map_err(|error| error.to_string())
    }

    #[test]
    fn launch_overrides_baked_key_by_key() {
        let baked = r#"{"programs":[{"argv":["/a"]}],"hostname":"a","network":{"address":"none","gateway":"1.2.3.4"}}"#;
        let launch = "{\"hostname\":\"b\",\"network\":{\"address\":\"10.0.0.2/8\"}}\0\0";
        let config = read(Some(baked), Some(launch)).unwrap().kernel_config();
        assert_eq!(config.hostname, "b");
        assert_eq!(config.network.address, Address::Static { address: [10, 0, 0, 2], prefix: 8 });
        assert_eq!(config.network.gateway, Some([1, 2, 3, 4]));
    }

    #[test]
    fn errors_name_the_key() {
        let cases = [
            (r#"{"programs":[{"argv":["/a"],"evn":{}}]}"#, "programs[0].evn: is not a known key"),
            (r#"{"programs":[{"argv":["/a",1]}]}"#, "programs[0].argv[1]"),
            (r#"{"programs":[{"argv":["/a"],"cwd":1.5}]}"#, "programs[0].cwd: is a number; it must be a string"),
            (r#"{"programs":[{"argv":[]}]}"#, "programs[0].argv"),
            (r#"{"programs":[]}"#, "programs"),
            ("{}", "programs"),
            (r#"{"programs":[{"argv":["/a"],"env":{"A=B":"c"}}]}"#, "programs[0].env.A=B"),
            (r#"{"programs":[{"argv":["a\u0000b"]}]}"#, "programs[0].argv[0]: holds a zero byte"),
            (r#"{"programs":"x"}"#, "programs: is a string; it must be a list"),
            (r#"{"programs":[{"argv":["/a"]},{"argv":["/b"]}]}"#, "several"),
            (r#"{"programs":[{"argv":["/a"]}],"network":{"address":"10.0.0.1"}}"#, "network.address"),
            (r#"{"programs":[{"argv":["/a"]}],"network":{"gateway":"x"}}"#, "network.gateway"),
            (r#"{"programs":[{"argv":["/a"]}],"tracing":{"level":"loud"}}"#, "tracing.level"),
            (r#"{"programs":[{"argv":["/a"]}],"nework":{}}"#, "nework"),
            (r#"{"programs":[{"argv":["/a"]}],"credentials":{"k":"a"}}"#, "credentials.k: is not Base64"),
            (r#"{"programs":[{"argv":["/a"]}],"disks":[{}]}"#, "disks"),
            ("{", "not valid JSON"),
            ("[]", "not a JSON object"),
        ];
        for (text, expected) in cases {
            let message = read(Some(text), None).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(read(None, None).unwrap_err().contains("no configuration"));
    }

    #[test]
    fn any_mutation_is_an_error_or_a_document() {
        let good = br#"{"programs":[{"argv":["/a","b"],"env":{"A":"1"}}],"network":{"address":"10.0.2.15/24"}}"#;
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut bytes = good.to_vec();
                bytes[at] = byte;
                let bytes: &'static [u8] = bytes.leak();
                let _ = configuration(&BootData { baked_configuration: Some(bytes), ..BootData::default() });
            }
        }
    }
}
