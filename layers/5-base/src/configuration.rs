//! The configuration document: what layer 5 takes from it, and the kernel's settings.
//!
//! `docs/configuration.md` is the reference, `docs/configuration.schema.json` the schema.

use crate::credentials::{self, Credential};
use alloc::{format, string::String, vec::Vec};
use rumpkin_configuration::{ConfigurationError, Node, Object, Settings, Wrong, read};
use rumpuser::boot::BootData;

/// A configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What to run.
    pub program: Program,
    /// Secrets for the program, files of `/run/credentials`.
    pub credentials: Vec<Credential>,
    /// What the kernel is told.
    pub settings: Settings,
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

/// Reads and checks the documents of an image: the baked default, overridden by what was given at launch.
pub fn configuration(boot: &BootData) -> Result<Document, ConfigurationError> {
    Ok(document(read(boot)?.ok_or_else(|| Wrong::at("", MISSING))?)?)
}

const MISSING: &str = "there is none: bake one into the image, or give one at launch (-initrd)";

fn document(mut root: Object) -> Result<Document, Wrong> {
    let programs =
        root.take("programs").ok_or_else(|| Wrong::at("programs", "is missing; name a program with its argv"))?;
    let mut program = program(only_program(programs)?)?;
    let settings = Settings::take(&mut root)?;
    if let Some(disks) = root.take("disks") {
        no_disks(disks)?;
    }
    let credentials = root.take("credentials").map(credentials::read).transpose()?.unwrap_or_default();
    if !credentials.is_empty() {
        credentials::announce(&mut program.env);
    }
    root.finish()?;
    Ok(Document { program, credentials, settings })
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use rumpkin_kernel::config::Address;

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
        let config = read(Some(baked), Some(launch)).unwrap().settings.kernel_config();
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
        assert!(read(None, None).unwrap_err().contains("there is none"));
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
