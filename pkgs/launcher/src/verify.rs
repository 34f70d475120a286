//! Compares an image with what a flake gives, part by part.
use crate::flake;
use crate::inspect::{self, parse, read};
use crate::options::InspectOptions;
use rumpkin_format::{CHECKSUMS_SIZE, Image, PAYLOAD_SIZE};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Exit statuses: the images are the same, they differ, they could not be compared.
const SAME: u8 = 0;
const DIFFERENT: u8 = 1;
const FAILED: u8 = 2;

/// Why images could not be compared.
#[derive(Debug, Error)]
enum Error {
    /// The flake gives none.
    #[error(transparent)]
    Flake(#[from] flake::Error),
    /// The flake gives a folder.
    #[error("{flake} gives a folder, {}; name an attribute that is an image", .path.display())]
    Folder { flake: String, path: PathBuf },
    /// One of them is none.
    #[error(transparent)]
    Image(#[from] inspect::Error),
}

/// Builds `flake` and compares the image with it; prints what it found, and gives back the exit status.
pub fn verify(options: &InspectOptions, flake: &str) -> u8 {
    let found = || {
        let file = read(&options.image)?;
        parse(&options.image, &file)?;
        let path = flake::build(flake, &options.nix)?;
        if path.is_dir() {
            return Err(Error::Folder { flake: flake.into(), path });
        }
        let built = read(&path)?;
        parse(&path, &built)?;
        compare(&options.image, &file, &path, &built)
    };
    match found() {
        Ok(None) => {
            println!("verified: {} is what {flake} gives", options.image.display());
            SAME
        }
        Ok(Some(differences)) => {
            println!("different: {} is not what {flake} gives\n{differences}", options.image.display());
            DIFFERENT
        }
        Err(error) => {
            eprintln!("rumpkin: {error}");
            FAILED
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Prints the digests; what differs, a line for each part, or `None`.
fn compare(path: &Path, file: &[u8], built_path: &Path, built: &[u8]) -> Result<Option<String>, Error> {
    println!("sha256 {}  {}", digest(file), path.display());
    println!("sha256 {}  {}", digest(built), built_path.display());
    if file == built {
        return Ok(None);
    }
    let lines = differences(&parse(path, file)?, file, &parse(built_path, built)?, built);
    Ok(Some(lines.join("\n")))
}

/// What differs between two images, the one at hand first.
fn differences(image: &Image<'_>, file: &[u8], built: &Image<'_>, built_file: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut part = |name: &str, ours: Option<&[u8]>, theirs: Option<&[u8]>| {
        if ours != theirs {
            lines.push(format!("  {name:<17}{}", difference(ours, theirs)));
        }
    };
    for (name, flag) in [("kernel's code", 5), ("kernel's constants", 4), ("kernel's data", 6)] {
        let (ours, theirs) = (kernel_bytes(image, file, flag), kernel_bytes(built, built_file, flag));
        part(name, Some(&ours), Some(&theirs));
    }
    part("root file system", image.rootfs, built.rootfs);
    lines.extend(configuration(image.configuration, built.configuration));
    if lines.is_empty() {
        lines.push("  headers or symbols, which are not loaded".into());
    }
    lines
}

/// The bytes of the kernel's segments with these flags; where the payload is, and the checksums, do not count.
fn kernel_bytes(image: &Image<'_>, file: &[u8], flags: u32) -> Vec<u8> {
    let payload = image.payload_offset..image.payload_offset.saturating_add(PAYLOAD_SIZE);
    let checksums = image.checksums_offset..image.checksums_offset.saturating_add(CHECKSUMS_SIZE);
    image
        .kernel_segments()
        .filter(|segment| segment.flags == flags)
        .flat_map(|segment| {
            let start = usize::try_from(segment.offset).unwrap_or(usize::MAX);
            segment.bytes(file).unwrap_or_default().iter().zip(start..)
        })
        .map(|(byte, place)| if payload.contains(&place) || checksums.contains(&place) { 0 } else { *byte })
        .collect()
}

fn difference(ours: Option<&[u8]>, theirs: Option<&[u8]>) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            let first = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
            format!(
                "differs from byte {first}: {} bytes, sha256 {}; built: {} bytes, sha256 {}",
                ours.len(),
                digest(ours),
                theirs.len(),
                digest(theirs)
            )
        }
        (Some(ours), None) => format!("has {} bytes; built: none", ours.len()),
        (None, Some(theirs)) => format!("none; built: {} bytes", theirs.len()),
        (None, None) => String::new(),
    }
}

/// A line for each key of the configuration that differs.
fn configuration(ours: Option<&str>, theirs: Option<&str>) -> Vec<String> {
    let value = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let mut lines = Vec::new();
    keys("", &value(ours), &value(theirs), &mut lines);
    if lines.is_empty() && ours != theirs {
        lines.push("  configuration    differs in its spelling".into());
    }
    lines
}

fn keys(path: &str, ours: &Value, theirs: &Value, lines: &mut Vec<String>) {
    match (ours, theirs) {
        _ if ours == theirs => {}
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                keys(&path, &ours[key], &theirs[key], lines);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                keys(&format!("{path}[{index}]"), one, other, lines);
            }
        }
        _ => {
            let path = if path.is_empty() { "all of it" } else { path };
            lines.push(format!("  configuration    {path} is {ours}; built: {theirs}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_differ_by_keys() {
        let ours = r#"{"hostname":"a","programs":[{"argv":["/bin/a"],"env":{"X":"1"}}]}"#;
        let theirs = r#"{"programs":[{"argv":["/bin/a","b"],"env":{"X":"2"}}]}"#;
        assert_eq!(
            configuration(Some(ours), Some(theirs)),
            [
                r#"  configuration    hostname is "a"; built: null"#,
                r#"  configuration    programs[0].argv is ["/bin/a"]; built: ["/bin/a","b"]"#,
                r#"  configuration    programs[0].env.X is "1"; built: "2""#,
            ]
        );
        assert!(configuration(Some(ours), Some(ours)).is_empty());
        assert_eq!(configuration(Some("{}"), Some("{ }")).len(), 1);
        assert_eq!(configuration(Some("{}"), None), ["  configuration    all of it is {}; built: null"]);
    }
}
