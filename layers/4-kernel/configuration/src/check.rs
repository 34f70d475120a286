//! What a guest would say of its documents, for those who make an image and who start it.

use crate::{
    configuration::Configuration,
    document::Document,
    documents::{ConfigurationError, Documents},
    node::Node,
    settings::Settings,
};

/// When documents are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The image is made: another document may say what is missing.
    Making,
    /// The image is started.
    Starting,
}

/// Checks the documents for an image, for a machine with `memory` bytes of memory; what the kernel is told comes back.
///
/// `manifest` is what the kernel says of itself. If it runs no programs, only the keys of the kernel are looked at: the others
/// are for whatever else runs.
///
/// # Errors
/// The guest would refuse them.
pub fn check(
    manifest: Option<&str>,
    baked: Option<&[u8]>,
    launch: Option<&[u8]>,
    memory: u64,
    moment: Moment,
) -> Result<Settings, ConfigurationError> {
    let documents = Documents::read(baked, launch, memory)?;
    let Some(mut root) = documents.root()? else { return Ok(Settings::default()) };
    if !manifest.is_some_and(runs_programs) {
        return Ok(Settings::take(&mut root)?);
    }
    let configuration = Configuration::read(root)?;
    if moment == Moment::Starting {
        configuration.program()?;
    }
    Ok(configuration.settings)
}

/// Whether a kernel with this manifest has the component without which no program runs.
fn runs_programs(manifest: &str) -> bool {
    let Ok(manifest) = Document::of_object(manifest.as_bytes()) else { return false };
    let components = Node::new(&manifest, 0).object().ok().and_then(|mut root| root.take("components"));
    let mut components = components.and_then(|components| components.list().ok()).into_iter().flatten();
    components.any(|name| name.string().is_ok_and(|name| name == "process"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    const PROGRAMS: &str = r#"{"version":"1","components":["net","process"]}"#;

    fn said(manifest: &str, baked: &str, launch: &str, moment: Moment) -> Result<(), String> {
        let checked = check(Some(manifest), Some(baked.as_bytes()), Some(launch.as_bytes()), 1 << 30, moment);
        checked.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn an_image_may_be_made_without_a_program_and_not_started() {
        assert_eq!(said(PROGRAMS, "{}", "{}", Moment::Making), Ok(()));
        let missing = "configuration: programs: is missing; name a program with its argv";
        assert_eq!(said(PROGRAMS, "{}", "{}", Moment::Starting), Err(missing.into()));
        assert_eq!(said(PROGRAMS, "{}", r#"{"programs":[{"argv":["/a"]}]}"#, Moment::Starting), Ok(()));
    }

    #[test]
    fn keys_are_those_of_what_runs() {
        for (manifest, document, message) in [
            (PROGRAMS, r#"{"sensor":{}}"#, "configuration: sensor: is not a known key"),
            (
                PROGRAMS,
                r#"{"programs":[{}]}"#,
                "configuration: programs[0].argv: is missing or empty; its first entry is the path of the program",
            ),
            (
                r#"{"components":["net"]}"#,
                r#"{"sensor":{},"hostname":""}"#,
                "configuration: hostname: must have 1 to 64 bytes, and no control characters",
            ),
            ("{}", r#"{"hostname":1}"#, "configuration: hostname: is a number; it must be a string"),
        ] {
            assert_eq!(
                said(manifest, document, "{}", Moment::Making),
                Err(message.into()),
                "{document} for {manifest}"
            );
        }
        assert_eq!(said(r#"{"components":["net"]}"#, r#"{"sensor":{}}"#, "{}", Moment::Starting), Ok(()));
        assert_eq!(said("no manifest", r#"{"sensor":{}}"#, "{}", Moment::Starting), Ok(()));
    }

    #[test]
    fn what_is_baked_and_what_is_given_must_fit_each_other() {
        let baked = r#"{"network":{"gateway":"10.0.0.1"}}"#;
        assert_eq!(said(PROGRAMS, baked, "{}", Moment::Making), Ok(()));
        let message = said(PROGRAMS, baked, r#"{"network":{"address":"10.0.1.2/24"}}"#, Moment::Making).unwrap_err();
        assert!(message.contains("network.gateway: `10.0.0.1` is not in 10.0.1.0/24"), "{message}");
    }
}
