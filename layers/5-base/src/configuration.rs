//! The configuration document: a JSON default baked into the image, overridden key by key at launch.
//!
//! `docs/configuration.md` is the reference, `docs/configuration.schema.json` the schema.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::{fmt, str::FromStr};
use rumpkin_kernel::config::{Address, Config, Network};
use rumpuser::boot::BootData;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

/// A configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What to run: exactly one program for now.
    pub programs: Vec<Program>,
    /// The name of the machine.
    #[serde(default = "default_hostname")]
    pub hostname: String,
    #[serde(default)]
    network: NetworkSection,
    /// Reserved for file systems on disks; must be empty. Disks themselves need no configuration: they are
    /// `/dev/vda` and so on.
    #[serde(default)]
    disks: Vec<Value>,
    /// What is logged.
    #[serde(default)]
    pub tracing: Tracing,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Path and arguments.
    pub argv: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Working directory.
    #[serde(default = "root")]
    pub cwd: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NetworkSection {
    address: AddressValue,
    gateway: Option<Ipv4>,
    nameservers: Vec<Ipv4>,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracing {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    #[serde(deserialize_with = "level")]
    pub level: log::LevelFilter,
    /// Log each system call.
    pub syscalls: bool,
}

impl Default for Tracing {
    fn default() -> Self {
        Tracing { level: log::LevelFilter::Warn, syscalls: false }
    }
}

fn default_hostname() -> String {
    String::from("rumpkin")
}

fn root() -> String {
    String::from("/")
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<log::LevelFilter, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.as_str() {
        "error" => Ok(log::LevelFilter::Error),
        "warn" => Ok(log::LevelFilter::Warn),
        "info" => Ok(log::LevelFilter::Info),
        "debug" => Ok(log::LevelFilter::Debug),
        "trace" => Ok(log::LevelFilter::Trace),
        _ => Err(de::Error::custom(format_args!("`{name}` is not one of error, warn, info, debug, trace"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ipv4([u8; 4]);

impl FromStr for Ipv4 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse::<core::net::Ipv4Addr>();
        address
            .map(|address| Ipv4(address.octets()))
            .map_err(|_| format!("`{text}` is not an IPv4 address like 10.0.2.2"))
    }
}

impl<'de> Deserialize<'de> for Ipv4 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct AddressValue(Address);

impl FromStr for AddressValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dhcp" => return Ok(AddressValue(Address::Dhcp)),
            "none" => return Ok(AddressValue(Address::None)),
            _ => {}
        }
        let wrong = || format!("`{text}` is neither \"dhcp\" nor \"none\" nor an address like 10.0.2.15/24");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let Ipv4(address) = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if prefix > 32 {
            return Err(wrong());
        }
        Ok(AddressValue(Address::Static { address, prefix }))
    }
}

impl<'de> Deserialize<'de> for AddressValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
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
    // QEMU and Xen may pad a module with zeroes.
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last.saturating_add(1));
    let value = serde_json::from_slice(bytes.get(..length).unwrap_or_default())
        .map_err(|error| ConfigurationError(format!("{what} is not valid JSON: {error}")))?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(ConfigurationError(format!("{what} is not a JSON object"))),
    }
}

/// Objects are merged key by key; anything else is replaced.
fn merge(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut below), Value::Object(above)) => {
            for (key, value) in above {
                let merged = match below.remove(&key) {
                    Some(old) => merge(old, value),
                    None => value,
                };
                below.insert(key, merged);
            }
            Value::Object(below)
        }
        (_, above) => above,
    }
}

fn check(value: Value) -> Result<Document, ConfigurationError> {
    let value = without_schema(value);
    let document: Document = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().clone();
        match path.iter().next() {
            None => ConfigurationError(format!("configuration: {}", error.inner())),
            Some(_) => ConfigurationError(format!("configuration: {path}: {}", error.inner())),
        }
    })?;
    let wrong = |message: &str| Err(ConfigurationError(format!("configuration: {message}")));
    match document.programs.as_slice() {
        [] => return wrong("programs: there is none; give one with its argv"),
        [program] => {
            if program.argv.is_empty() {
                return wrong("programs[0].argv: is empty; its first entry is the path of the program");
            }
            let strings = program.argv.iter().chain(program.env.keys()).chain(program.env.values());
            if strings.chain([&program.cwd]).any(|string| string.contains('\0')) {
                return wrong("programs[0]: a string holds a zero byte, which no program can be given");
            }
            if program.env.keys().any(|name| name.is_empty() || name.contains('=')) {
                return wrong("programs[0].env: a name is empty or holds `=`");
            }
            if !program.cwd.starts_with('/') {
                return wrong("programs[0].cwd: is not an absolute path");
            }
        }
        _ => return wrong("programs: several programs in one image are not supported yet; leave one"),
    }
    if !document.disks.is_empty() {
        return wrong("disks: mounting file systems is not supported yet; disks are /dev/vda and so on by themselves");
    }
    if document.hostname.is_empty() || document.hostname.len() > 64 || document.hostname.contains(['\0', '\n']) {
        return wrong("hostname: must have 1 to 64 characters, without line breaks");
    }
    Ok(document)
}

/// `$schema` is for editors.
fn without_schema(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(key, _)| key != "$schema").collect::<Map<_, _>>()),
        other => other,
    }
}

impl Document {
    /// What the kernel is told.
    pub fn kernel_config(&self) -> Config {
        Config {
            hostname: self.hostname.clone(),
            network: Network {
                address: self.network.address.0,
                gateway: self.network.gateway.map(|address| address.0),
                nameservers: self.network.nameservers.iter().map(|address| address.0).collect(),
            },
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
            (r#"{"programs":[{"argv":["/a"],"evn":{}}]}"#, "programs[0]"),
            (r#"{"programs":[{"argv":["/a",1]}]}"#, "programs[0].argv[1]"),
            (r#"{"programs":[{"argv":["/a"],"cwd":1.5}]}"#, "programs[0].cwd"),
            (r#"{"programs":[{"argv":[]}]}"#, "programs[0].argv"),
            (r#"{"programs":[]}"#, "programs"),
            (r#"{"programs":[{"argv":["/a"]},{"argv":["/b"]}]}"#, "several"),
            (r#"{"programs":[{"argv":["/a"]}],"network":{"address":"10.0.0.1"}}"#, "network.address"),
            (r#"{"programs":[{"argv":["/a"]}],"network":{"gateway":"x"}}"#, "network.gateway"),
            (r#"{"programs":[{"argv":["/a"]}],"tracing":{"level":"loud"}}"#, "tracing.level"),
            (r#"{"programs":[{"argv":["/a"]}],"nework":{}}"#, "nework"),
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
