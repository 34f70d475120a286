//! Validates a CycloneDX document: against the schema of its specification, and what a schema cannot say: that references
//! lead somewhere, that licences are SPDX expressions, and that what an image consists of is there.
//!
//! Usage: manifest-check SCHEMA DOCUMENT [NAME…], where each NAME is a component that must be listed.
use jsonschema::Registry;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::{env, fs};

fn read(path: &str) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
}

/// What is wrong by the schema. Its two neighbours, for licences by identifier and for signatures, are not used here:
/// licences are expressions, which are checked apart.
fn by_schema(schema: &Value, document: &Value) -> Result<Vec<String>, String> {
    let neighbours = [
        ("http://cyclonedx.org/schema/spdx.schema.json", json!({ "type": "string" })),
        (
            "http://cyclonedx.org/schema/jsf-0.82.schema.json",
            json!({ "definitions": { "signature": { "type": "object" } } }),
        ),
    ];
    let registry = Registry::new()
        .extend(neighbours)
        .and_then(|registry| registry.prepare())
        .map_err(|error| error.to_string())?;
    let validator = jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| format!("the schema: {error}"))?;
    Ok(validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect())
}

/// All components, also those within others.
fn components<'a>(value: &'a Value, all: &mut Vec<&'a Value>) {
    for component in value["components"].as_array().into_iter().flatten() {
        all.push(component);
        components(component, all);
    }
}

fn beyond_schema(document: &Value, names: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut all = vec![&document["metadata"]["component"]];
    components(document, &mut all);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut references = BTreeSet::new();
    for component in &all {
        if !references.insert(text(&component["bom-ref"])) {
            wrong.push(format!("{} is listed twice", component["bom-ref"]));
        }
        for licence in component["licenses"].as_array().into_iter().flatten() {
            if let Err(error) = spdx::Expression::parse(&text(&licence["expression"])) {
                wrong.push(format!("{}: {error}", component["bom-ref"]));
            }
        }
        let named = component["version"].is_string() && component["type"] == "library";
        let foreign = text(&component["purl"]);
        let missing =
            [("licenses", named), ("hashes", foreign.starts_with("pkg:cargo/") || foreign.starts_with("pkg:deb/"))];
        for (field, _) in missing.iter().filter(|(field, wanted)| *wanted && component[field].is_null()) {
            wrong.push(format!("{} has no {field}", component["bom-ref"]));
        }
    }
    for dependency in document["dependencies"].as_array().into_iter().flatten() {
        let on = dependency["dependsOn"].as_array().into_iter().flatten();
        for reference in on.chain([&dependency["ref"]]).filter(|reference| !references.contains(&text(reference))) {
            wrong.push(format!("{reference} is depended on and not listed"));
        }
    }
    for name in names.iter().filter(|name| !all.iter().any(|component| text(&component["name"]) == **name)) {
        wrong.push(format!("{name} is not listed"));
    }
    wrong
}

fn check(arguments: &[String]) -> Result<Vec<String>, String> {
    let [schema, document, names @ ..] = arguments else { return Err("usage: SCHEMA DOCUMENT [NAME…]".into()) };
    let document = read(document)?;
    let mut wrong = by_schema(&read(schema)?, &document)?;
    wrong.extend(beyond_schema(&document, names));
    Ok(wrong)
}

fn main() -> ExitCode {
    match check(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(wrong) if wrong.is_empty() => ExitCode::SUCCESS,
        Ok(wrong) => {
            wrong.iter().for_each(|line| eprintln!("{line}"));
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("manifest-check: {message}");
            ExitCode::from(2)
        }
    }
}
