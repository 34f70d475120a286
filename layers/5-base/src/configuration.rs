//! What the program, `/etc` and the kernel are made of, out of the configuration document.
//!
//! `rumpkin_configuration` reads and checks it; `docs/configuration.md` is the reference.

use crate::credentials;
use alloc::{string::String, vec::Vec};
use rumpkin_configuration::{
    Configuration, ConfigurationError, Credential, Documents, MOST_ARGUMENTS, Mount, Node, Settings, Userland, Wrong,
};
use rumpkin_exec::MAX_ARGUMENTS;
use rumpkin_spine::strings::Strings;
use rumpuser::{
    boot::BootData,
    memory::{self, PAGE_SIZE},
};

/// What the launcher refuses is what no stack has room for.
const _: () = assert!(MOST_ARGUMENTS == MAX_ARGUMENTS);

/// A configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What to run.
    pub program: Program,
    /// Secrets for the program, files of `/run/credentials`.
    pub credentials: Vec<Credential>,
    /// File systems to be mounted before the program starts.
    pub mounts: Vec<Mount>,
    /// What the kernel is told.
    pub settings: Settings,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Path and arguments; there is at least the path.
    pub argv: Strings,
    /// Environment variables, as `NAME=value`.
    pub env: Strings,
    /// Working directory, absolute.
    pub cwd: String,
}

/// Reads and checks the documents of an image: the baked default, overridden by what was given at launch.
pub fn configuration(boot: &BootData) -> Result<Document, ConfigurationError> {
    let memory = (memory::total_frames() as u64).saturating_mul(PAGE_SIZE as u64);
    let documents = Documents::read(boot.baked_configuration, boot.launch_configuration, memory)?;
    let root = documents.root()?.ok_or_else(|| Wrong::at("", MISSING))?;
    let configuration = Configuration::read(root)?;
    let mut program = program(configuration.program()?)?;
    let Userland { credentials, mounts, .. } = configuration.userland;
    if !credentials.is_empty() {
        credentials::announce(&mut program.env)?;
    }
    Ok(Document { program, credentials, mounts, settings: configuration.settings })
}

const MISSING: &str = "there is none: bake one into the image, or give one at launch (-initrd)";

fn program(given: &rumpkin_configuration::Program<'_>) -> Result<Program, Wrong> {
    let mut argv = Strings::default();
    for argument in given.argv.iter() {
        push(&mut argv, argument, [&argument.string()?])?;
    }
    let mut env = Strings::default();
    for (name, value) in given.env.iter() {
        push(&mut env, value, [&name.string()?, "=", &value.string()?])?;
    }
    Ok(Program { argv, env, cwd: given.cwd.clone() })
}

/// Adds the string that `parts` are.
fn push<const N: usize>(strings: &mut Strings, node: Node<'_>, parts: [&str; N]) -> Result<(), Wrong> {
    strings.push(parts.map(str::as_bytes)).map_err(|_| node.wrong("there is no memory for it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};
    use rumpkin_spine::config::{Address, Config};

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
        let baked =
            r#"{"programs":[{"argv":["/a"]}],"hostname":"a","network":{"address":"none","gateway":"10.2.3.4"}}"#;
        let launch = "{\"hostname\":\"b\",\"network\":{\"address\":\"10.0.0.2/8\"}}\0\0";
        let config = Config::from(&read(Some(baked), Some(launch)).unwrap().settings);
        assert_eq!(config.hostname, "b");
        assert_eq!(config.network.address, Address::Static { address: [10, 0, 0, 2], prefix: 8 });
        assert_eq!(config.network.gateway, Some([10, 2, 3, 4]));
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
            (
                r#"{"programs":[{"argv":["/a"]}],"network":{"address":"127.0.0.1/8"}}"#,
                "network.address: `127.0.0.1/8` is",
            ),
            (r#"{"programs":[{"argv":["/a"],"env":{"A":"1","B":"2","A":"3"}}]}"#, "the key `programs[0].env.A` twice"),
            (r#"{"programs":[{"argv":["/a"]}],"tracing":{"level":"loud"}}"#, "tracing.level"),
            (r#"{"programs":[{"argv":["/a"]}],"nework":{}}"#, "nework"),
            (r#"{"programs":[{"argv":["/a"]}],"credentials":{"k":"a"}}"#, "credentials.k: is not Base64"),
            (r#"{"programs":[{"argv":["/a"]}],"mounts":[{"target":"/b"}]}"#, "mounts[0].type: is missing"),
            ("{", "not valid JSON"),
            ("[]", "not a JSON object"),
        ];
        for (text, expected) in cases {
            let message = read(Some(text), None).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(read(None, None).unwrap_err().contains("there is none"));
    }

    #[test]
    fn what_no_stack_has_room_for_is_said_with_its_number() {
        let text = |count| format!(r#"{{"programs":[{{"argv":["/a"{}]}}]}}"#, ",\"x\"".repeat(count)).leak();
        assert_eq!(read(Some(text(209_714)), None).unwrap().program.argv.count(), 209_715);
        assert_eq!(
            read(Some(text(209_715)), None).unwrap_err(),
            "configuration: programs[0]: argv and env take 2097161 bytes, eight for each string among them; \
             a program can be given 2097152"
        );
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
