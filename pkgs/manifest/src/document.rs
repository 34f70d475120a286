//! The manifest: a CycloneDX 1.6 document (ECMA-424) of an image.
use crate::ingredients::{Component, Ingredients, Layer, Part};
use crate::nar::checksum;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The document for `all`.
///
/// # Errors
/// Something of which a checksum is wanted cannot be read.
pub fn document(all: &Ingredients) -> Result<Value, String> {
    let digest = checksum(&all.image)?;
    let mut components = BTreeMap::new();
    let mut dependencies = BTreeMap::new();
    let mut top = BTreeSet::new();

    for layer in &all.layers {
        let reference = format!("layer:{}", layer.name);
        components.insert(reference.clone(), described_layer(layer, &all.kernel, &reference)?);
        top.insert(reference);
    }
    let linked = add(&all.kernel, &all.layers, &mut components);
    dependencies.insert("layer:image".to_owned(), linked);

    for part in &all.parts {
        let reference = part.store.display().to_string();
        let inside = add(&part.components, &[], &mut components);
        // Several files of one package are one component, with several places.
        match (components.get_mut(&reference), &part.place) {
            (Some(same), Some(place)) => add_property(same, "place", place),
            (Some(_), None) => {}
            (None, _) => {
                components.insert(reference.clone(), described_part(part, &reference)?);
                dependencies.insert(reference.clone(), inside);
            }
        }
        top.insert(reference);
    }
    dependencies.insert("image".to_owned(), top);
    for reference in components.keys() {
        dependencies.entry(reference.clone()).or_default();
    }

    let version = env!("CARGO_PKG_VERSION");
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(&digest),
        "version": 1,
        "metadata": {
            "tools": { "components": [{ "type": "application", "name": env!("CARGO_PKG_NAME"), "version": version }] },
            "component": {
                "type": "application",
                "bom-ref": "image",
                "name": all.name,
                "version": version,
                "hashes": hashes(&digest),
            },
        },
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": dependencies
            .into_iter()
            .map(|(reference, on)| json!({ "ref": reference, "dependsOn": on }))
            .collect::<Vec<_>>(),
    }))
}

/// A UUID of version 8 (RFC 9562) that is made of the image's digest: the same for the same image.
fn serial_number(digest: &str) -> String {
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn hashes(sum: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": sum }])
}

/// Puts each of `some` into `components`, once; crates that are of a layer are there already. Gives back the references.
fn add(some: &[Component], layers: &[Layer], components: &mut BTreeMap<String, Value>) -> BTreeSet<String> {
    let foreign = |component: &&Component| layer_of(component, layers).is_none();
    some.iter()
        .filter(foreign)
        .map(|component| {
            let reference = reference(component);
            components.insert(reference.clone(), described(component, &reference, component.sum.as_deref()));
            reference
        })
        .collect()
}

fn layer_of<'a>(component: &Component, layers: &'a [Layer]) -> Option<&'a Layer> {
    let folder = component.folder.as_ref()?;
    layers.iter().find(|layer| layer.members.contains(folder))
}

fn reference(component: &Component) -> String {
    let Component { purl, name, version, folder, .. } = component;
    match (purl, folder) {
        (Some(purl), _) => purl.clone(),
        (None, Some(folder)) => format!("crate:{folder}:{name}@{version}"),
        (None, None) => format!("{name}@{version}"),
    }
}

fn described(component: &Component, reference: &str, sum: Option<&str>) -> Value {
    let mut fields = Map::new();
    fields.insert("type".into(), "library".into());
    fields.insert("bom-ref".into(), reference.into());
    fields.insert("name".into(), component.name.clone().into());
    if !component.version.is_empty() {
        fields.insert("version".into(), component.version.clone().into());
    }
    if let Some(licence) = &component.licence {
        fields.insert("licenses".into(), json!([{ "expression": licence }]));
    }
    if let Some(purl) = &component.purl {
        fields.insert("purl".into(), purl.clone().into());
    }
    if let Some(sum) = sum {
        fields.insert("hashes".into(), hashes(sum));
    }
    fields.into()
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("rumpkin:{name}"), "value": value })
}

/// A layer, with its crates inside.
fn described_layer(layer: &Layer, kernel: &[Component], name: &str) -> Result<Value, String> {
    let own = |component: &&Component| component.folder.as_ref().is_some_and(|folder| layer.members.contains(folder));
    let crates: Vec<Value> = kernel
        .iter()
        .filter(own)
        .map(|component| {
            let folder = layer.source.join(component.folder.as_deref().unwrap_or_default());
            Ok(described(component, &reference(component), Some(&checksum(&folder)?)))
        })
        .collect::<Result<_, String>>()?;
    Ok(json!({
        "type": "framework",
        "bom-ref": name,
        "name": layer.name,
        "version": env!("CARGO_PKG_VERSION"),
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        "hashes": hashes(&checksum(&layer.source)?),
        "components": crates,
        "properties": [property("storePath", &layer.store)],
    }))
}

fn described_part(part: &Part, reference: &str) -> Result<Value, String> {
    let sum = match &part.package.sum {
        Some(sum) => sum.clone(),
        None => checksum(&part.store)?,
    };
    let mut value = described(&part.package, reference, Some(&sum));
    let packaged = !part.package.version.is_empty() || !part.components.is_empty();
    let kind = match &part.place {
        // What a program needs.
        Some(place) if *place == reference => "library",
        Some(_) if packaged => "application",
        Some(_) => "file",
        None => "library",
    };
    value["type"] = kind.into();
    value["properties"] = json!([property("storePath", reference)]);
    if let Some(place) = &part.place {
        add_property(&mut value, "place", place);
    }
    Ok(value)
}

fn add_property(component: &mut Value, name: &str, value: &str) {
    if let Some(properties) = component["properties"].as_array_mut() {
        properties.push(property(name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_uuids_of_the_digest() {
        let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(serial_number(digest), "urn:uuid:01234567-89ab-8def-a123-456789abcdef");
    }

    #[test]
    fn files_of_one_package_are_one_component() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let part = |place: &str| Part {
            store: folder.path().into(),
            place: Some(place.into()),
            package: Component {
                purl: None,
                name: "package".into(),
                version: "1".into(),
                licence: Some("MIT".into()),
                sum: None,
                folder: None,
            },
            components: Vec::new(),
        };
        let all = Ingredients {
            name: "image".into(),
            image: folder.path().join("file"),
            symbols: "/absent".into(),
            kernel: Vec::new(),
            layers: Vec::new(),
            parts: vec![part("/a"), part("/b")],
            packages: Vec::new(),
        };
        let document = document(&all).unwrap();
        assert_eq!(document["components"].as_array().unwrap().len(), 1);
        let places: Vec<_> =
            document["components"][0]["properties"].as_array().unwrap().iter().map(|one| &one["value"]).collect();
        assert_eq!(places[1..], ["/a", "/b"]);
        assert_eq!(document["dependencies"][1], json!({ "ref": "image", "dependsOn": [folder.path().to_str()] }));
    }

    #[test]
    fn what_is_linked_into_two_programs_is_listed_once() {
        let one = Component {
            purl: Some("pkg:cargo/a@1".into()),
            name: "a".into(),
            version: "1".into(),
            licence: None,
            sum: None,
            folder: None,
        };
        let mut components = BTreeMap::new();
        for _ in 0..2 {
            assert_eq!(add(std::slice::from_ref(&one), &[], &mut components).len(), 1);
        }
        assert_eq!(components.len(), 1);
    }
}
