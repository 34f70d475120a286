//! What is made of the description of the keys: the schema and the page. And that it describes what is read.
//!
//! `UPDATE_DOCS=1 cargo test -p rumpkin-configuration --test description` brings both up to date.

use rumpkin_configuration::{Configuration, Documents, Form, Key, Settings, Text};
use serde_json::{Map, Value, json};
use std::{env, fs, path::Path};

/// The schema of a value, which may be left out by `null` where a key may be left out.
fn schema(form: &Form, may_be_null: bool) -> Map<String, Value> {
    let kind = |name: &str| match may_be_null {
        true => json!([name, "null"]),
        false => json!(name),
    };
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| drop(members.insert(name.into(), value));
    match form {
        Form::Flag => add("type", kind("boolean")),
        Form::Text(text) => {
            add("type", kind("string"));
            of_text(text, add);
        }
        Form::Words(words) => {
            let null = may_be_null.then_some(Value::Null);
            add("enum", words.iter().map(|word| json!(word)).chain(null).collect());
        }
        Form::List { of, least, most } => {
            add("type", kind("array"));
            if *most > 0 {
                add("items", schema(of, false).into());
            }
            if *least > 0 {
                add("minItems", json!(least));
            }
            if *most < usize::MAX {
                add("maxItems", json!(most));
            }
        }
        Form::Object(keys) => {
            add("type", kind("object"));
            add("additionalProperties", json!(false));
            let keys = || keys.iter().copied().flatten();
            add("properties", keys().map(|key| (key.name.to_owned(), property(key))).collect());
            let required: Vec<_> = keys().filter(|key| key.required).map(|key| key.name).collect();
            if !required.is_empty() {
                add("required", json!(required));
            }
        }
        Form::Table { names, of } => {
            add("type", kind("object"));
            add("additionalProperties", schema(of, false).into());
            let mut of_names = Map::new();
            of_text(names, |name, value| drop(of_names.insert(name.into(), value)));
            add("propertyNames", of_names.into());
        }
    }
    members
}

fn of_text(text: &Text, mut add: impl FnMut(&str, Value)) {
    if !text.pattern.is_empty() {
        add("pattern", json!(text.pattern));
    }
    if !text.format.is_empty() {
        add("format", json!(text.format));
    }
    if text.least > 0 {
        add("minLength", json!(text.least));
    }
    if text.most < usize::MAX {
        add("maxLength", json!(text.most));
    }
}

fn property(key: &Key) -> Value {
    let mut members = schema(key.form, !key.required);
    members.insert("description".into(), json!(key.meaning.trim()));
    if !key.default.is_empty() {
        members.insert("default".into(), serde_json::from_str(key.default).unwrap());
    }
    members.into()
}

fn whole_schema() -> String {
    let mut members = schema(&Configuration::FORM, false);
    members["properties"]["$schema"] = json!({ "type": "string" });
    members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    members.insert("title".into(), json!("Rumpkin configuration"));
    format!("{:#}\n", Value::from(members))
}

/// What a value is, in words.
fn words(form: &Form) -> String {
    match form {
        Form::Flag => "boolean".into(),
        Form::Text(text) => text.what.into(),
        Form::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::List { most: 0, .. } => "empty list".into(),
        Form::List { of, most, .. } => {
            let limit = if (2..usize::MAX).contains(most) { format!(", {most} at most") } else { String::new() };
            match of {
                Form::Object(_) => "list".into(),
                of => format!("list: {}{limit}", words(of)),
            }
        }
        Form::Object(_) => "object".into(),
        Form::Table { names, of } => format!("object: {}, {}", names.what, words(of)),
    }
}

/// A line for each key whose value is no object of keys.
fn lines(form: &Form, path: &str, out: &mut String) {
    match form {
        Form::Object(keys) => {
            for key in keys.iter().copied().flatten() {
                let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
                if !matches!(key.form, Form::Object(_)) {
                    let default = match (key.required, key.default) {
                        (true, _) => "required".into(),
                        (false, "") => String::new(),
                        (false, default) => format!("`{default}`"),
                    };
                    *out += &format!("| `{path}` | {} | {default} | {} |\n", words(key.form), key.meaning.trim());
                }
                lines(key.form, &path, out);
            }
        }
        Form::List { of, .. } => lines(of, &format!("{path}[0]"), out),
        _ => {}
    }
}

const TABLE: &str = "| key | type | default | meaning |\n|---|---|---|---|\n";

/// The page with its table as it should be.
fn page(page: &str) -> String {
    let begin = page.find(TABLE).expect("the page has a table of keys") + TABLE.len();
    let end = begin + page[begin..].find("\n\n").expect("the table ends") + 1;
    let mut table = String::new();
    lines(&Configuration::FORM, "", &mut table);
    [&page[..begin], &table, &page[end..]].concat()
}

#[test]
fn schema_and_page_are_up_to_date() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs");
    for (name, should_be) in
        [("configuration.schema.json", (|_| whole_schema()) as fn(&str) -> String), ("configuration.md", page)]
    {
        let is = fs::read_to_string(docs.join(name)).unwrap();
        let should_be = should_be(&is);
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(docs.join(name), should_be).unwrap();
        } else {
            assert!(is == should_be, "docs/{name} is not up to date; run this test with UPDATE_DOCS=1");
        }
    }
}

/// Reads a document as the guest does; an error is its message.
fn read(document: &Value) -> Result<Settings, String> {
    let text = document.to_string();
    let documents = Documents::read(None, Some(text.as_bytes()), 1 << 30).map_err(|error| error.to_string())?;
    let root = documents.root().map_err(|error| error.to_string())?.unwrap();
    Configuration::read(root).map(|configuration| configuration.settings).map_err(|error| error.to_string())
}

/// A value that a form allows.
fn example(form: &Form) -> Value {
    match form {
        Form::Flag => json!(true),
        Form::Text(Text { format: "ipv4", .. }) => json!("10.0.0.1"),
        Form::Text(text) if text.pattern.starts_with("^(dhcp") => json!("10.0.0.2/24"),
        Form::Text(text) if text.pattern.starts_with("^/") => json!("/a"),
        Form::Text(_) => json!("abcd"),
        Form::Words(words) => json!(words[0]),
        Form::List { most: 0, .. } => json!([]),
        Form::List { of, .. } => json!([example(of)]),
        Form::Object(keys) => keys.iter().copied().flatten().map(|key| (key.name, example(key.form))).collect(),
        Form::Table { of, .. } => json!({ "name": example(of) }),
    }
}

/// Calls `visit` with each form of a document, its place, and whether it may be `null` there.
fn visit(form: &Form, place: &str, may_be_null: bool, visitor: &mut impl FnMut(&Form, &str, bool)) {
    visitor(form, place, may_be_null);
    match form {
        Form::Object(keys) => {
            for key in keys.iter().copied().flatten() {
                visit(key.form, &format!("{place}/{}", key.name), !key.required, visitor);
            }
        }
        Form::List { most: 0, .. } => {}
        Form::List { of, .. } => visit(of, &format!("{place}/0"), false, visitor),
        Form::Table { of, .. } => visit(of, &format!("{place}/name"), false, visitor),
        Form::Flag | Form::Text(_) | Form::Words(_) => {}
    }
}

#[test]
fn what_is_described_is_what_is_read() {
    let whole = example(&Configuration::FORM);
    read(&whole).unwrap();
    let with = |place: &str, value: Value| {
        let mut document = whole.clone();
        *document.pointer_mut(place).unwrap() = value;
        read(&document)
    };
    visit(&Configuration::FORM, "", false, &mut |form, place, may_be_null| {
        assert_eq!(with(place, Value::Null).is_ok(), may_be_null, "null at {place}");
        for (value, fits) in [
            (json!(true), matches!(form, Form::Flag)),
            (json!(1), false),
            (json!([]), matches!(form, Form::List { least: 0, .. })),
            (json!("\u{1}"), matches!(form, Form::Text(Text { pattern: "", format: "", most: usize::MAX, .. }))),
        ] {
            assert_eq!(with(place, value.clone()).is_ok(), fits, "{value} at {place}");
        }
        match form {
            Form::List { of, most, .. } if *most < usize::MAX => {
                let too_many = vec![example(of); most + 1];
                assert!(with(place, json!(too_many)).is_err(), "{} at {place}", most + 1);
            }
            Form::Words(words) => {
                assert!(words.iter().all(|word| with(place, json!(word)).is_ok()), "{words:?} at {place}");
                assert!(with(place, json!("another")).is_err());
            }
            Form::Object(_) => {
                let mut more = whole.pointer(place).unwrap().clone();
                more["another"] = json!(1);
                assert!(with(place, more).unwrap_err().contains("another: is not a known key"), "{place}");
            }
            Form::Text(text) if text.most < usize::MAX => {
                assert!(with(place, json!("x".repeat(text.most))).is_ok(), "{place}");
                assert!(with(place, json!("x".repeat(text.most + 1))).is_err(), "{place}");
            }
            _ => {}
        }
    });
}

#[test]
fn defaults_are_what_holds_without_a_key() {
    let empty = read(&json!({})).unwrap();
    let mut defaults = json!({});
    for key in Settings::KEYS {
        match key.form {
            Form::Object(keys) => {
                for inner in keys.iter().copied().flatten().filter(|inner| !inner.default.is_empty()) {
                    defaults[key.name][inner.name] = serde_json::from_str(inner.default).unwrap();
                }
            }
            _ => defaults[key.name] = serde_json::from_str(key.default).unwrap(),
        }
    }
    assert_eq!(read(&defaults).unwrap(), empty);
    assert_eq!(empty, Settings::default());
}
