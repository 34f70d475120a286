//! Documents made from settings give these settings, however they are written; and two documents give what the upper one says,
//! key by key.

use proptest::prelude::*;
use rumpkin_configuration::{
    Address, ConfigurationError, Document, Documents, LIMIT, Network, Settings, Tracing, limit, overlay,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const GIBIBYTE: u64 = 1 << 30;

/// Settings of which some are left out.
#[derive(Debug, Clone, Default)]
struct Wishes {
    hostname: Option<String>,
    address: Option<Address>,
    gateway: Option<[u8; 4]>,
    nameservers: Option<Vec<[u8; 4]>>,
    level: Option<log::LevelFilter>,
    syscalls: Option<bool>,
}

fn wishes() -> impl Strategy<Value = Wishes> {
    let address = prop_oneof![
        Just(Address::Dhcp),
        Just(Address::None),
        (any::<u8>(), 2..255u8, 1..=16u8).prop_map(|(c, d, prefix)| Address::Static { address: [10, 1, c, d], prefix }),
    ];
    let level = prop::sample::select(log::LevelFilter::iter().skip(1).collect::<Vec<_>>());
    let hostname = "[^\\p{Cc}]{1,16}";
    let option = prop::option::of::<BoxedStrategy<String>>;
    (
        option(hostname.boxed()),
        prop::option::of(address),
        // In the network of each of these addresses, and none of them.
        prop::option::of(any::<u8>().prop_map(|c| [10, 1, c, 1])),
        prop::option::of(prop::collection::vec((1..224u8, any::<[u8; 3]>()), 0..4)),
        prop::option::of(level),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(hostname, address, gateway, servers, level, syscalls)| Wishes {
            hostname,
            address,
            gateway,
            nameservers: servers.map(|servers| servers.into_iter().map(|(a, [b, c, d])| [a, b, c, d]).collect()),
            level,
            syscalls,
        })
}

fn dotted([a, b, c, d]: [u8; 4]) -> String {
    format!("\"{a}.{b}.{c}.{d}\"")
}

/// A JSON string; every character may be escaped.
fn quoted(text: &str, escaped: bool) -> String {
    let mut result = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => result.extend(['\\', c]),
            _ if escaped => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| result += &format!("\\u{unit:04x}")),
            _ => result.push(c),
        }
    }
    result + "\""
}

impl Wishes {
    /// A document that says so, with `space` between all its parts, its keys turned by `turn` places.
    fn document(&self, space: &str, turn: usize, escaped: bool) -> String {
        let object = |mut entries: Vec<(&str, String)>| {
            let count = entries.len().max(1);
            entries.rotate_left(turn % count);
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("\"{key}\"{space}:{space}{value}")).collect();
            format!("{{{space}{}{space}}}", entries.join(&format!("{space},{space}")))
        };
        let mut network = Vec::new();
        if let Some(address) = self.address {
            network.push((
                "address",
                match address {
                    Address::Dhcp => "\"dhcp\"".into(),
                    Address::None => "\"none\"".into(),
                    Address::Static { address, prefix } => {
                        format!("{}/{prefix}\"", dotted(address).trim_end_matches('"'))
                    }
                },
            ));
        }
        network.extend(self.gateway.map(|gateway| ("gateway", dotted(gateway))));
        if let Some(servers) = &self.nameservers {
            let servers: Vec<_> = servers.iter().map(|server| dotted(*server)).collect();
            network.push(("nameservers", format!("[{}]", servers.join(&format!("{space},{space}")))));
        }
        let mut tracing: Vec<(&str, String)> = Vec::new();
        tracing.extend(self.level.map(|level| ("level", format!("\"{}\"", level.as_str().to_lowercase()))));
        tracing.extend(self.syscalls.map(|on| ("syscalls", on.to_string())));
        let mut root = Vec::new();
        root.extend(self.hostname.as_ref().map(|hostname| ("hostname", quoted(hostname, escaped))));
        root.push(("network", object(network)));
        root.push(("tracing", object(tracing)));
        format!("{space}{}{space}", object(root))
    }

    /// What comes of it, over what is below.
    fn over(&self, below: &Wishes) -> Settings {
        let default = Settings::default();
        Settings {
            hostname: self.hostname.clone().or(below.hostname.clone()).unwrap_or(default.hostname),
            network: Network {
                address: self.address.or(below.address).unwrap_or_default(),
                gateway: self.gateway.or(below.gateway),
                nameservers: self.nameservers.clone().or(below.nameservers.clone()).unwrap_or_default(),
            },
            tracing: Tracing {
                level: self.level.or(below.level).unwrap_or(default.tracing.level),
                syscalls: self.syscalls.or(below.syscalls).unwrap_or(default.tracing.syscalls),
            },
        }
    }
}

/// Any JSON, with numbers as `serde_json` writes them.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    // Few keys, so that two documents share some.
    let key = prop::sample::select(vec!["a", "b", "\"", "\u{1f600}", "\n"]);
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let object = prop::collection::vec((key.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// What comes of two values: objects are merged, anything else is replaced.
fn merged(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut below), Value::Object(above)) => {
            for (key, value) in above {
                let lower = below.remove(&key).unwrap_or_default();
                below.insert(key, merged(lower, value));
            }
            below.into()
        }
        (_, above) => above,
    }
}

/// Reads documents as an image does.
fn settings(baked: Option<&str>, launch: Option<&str>) -> Result<Settings, ConfigurationError> {
    let documents = Documents::read(baked.map(str::as_bytes), launch.map(str::as_bytes), GIBIBYTE)?;
    let mut root = documents.root()?.unwrap();
    let settings = Settings::take(&mut root)?;
    root.finish()?;
    Ok(settings)
}

#[test]
fn a_document_may_have_its_share_of_the_memory() {
    for (mebibytes, most) in [(4, 64 << 10), (8, 128 << 10), (64, LIMIT), (1 << 20, LIMIT)] {
        assert_eq!(limit(mebibytes << 20), most);
    }
    let text = format!(r#"{{"hostname":"{}"}}"#, "h".repeat(200_000)).into_bytes();
    let error = Documents::read(None, Some(&text), 8 << 20).unwrap_err().to_string();
    assert_eq!(
        error,
        "the launch configuration has 200015 bytes; with 8 MiB of memory beside the image it may have 131072; give more memory"
    );
    assert!(Documents::read(None, Some(&text), GIBIBYTE).is_ok());
    // Zeroes behind it do not count.
    let padded = [&b"{}"[..], &vec![0; 2 << 20]].concat();
    assert!(Documents::read(Some(&padded), None, GIBIBYTE).is_ok());
}

/// Both documents with as many variables as fit: quadratic, it took 46 s for twenty thousand.
#[test]
fn many_variables_are_laid_over_each_other_in_time() {
    let object = |range: std::ops::Range<u32>, value| {
        let entries: Vec<_> = range.map(|number| format!(r#""V{number}":"{value}""#)).collect();
        format!(r#"{{"env":{{{}}}}}"#, entries.join(","))
    };
    let (below, above) = (object(0..60_000, "b"), object(30_000..90_000, "a"));
    let began = Instant::now();
    let documents = Documents::read(Some(below.as_bytes()), Some(above.as_bytes()), GIBIBYTE).unwrap();
    let env = documents.root().unwrap().unwrap().take("env").unwrap().object().unwrap();
    let entries: Vec<_> = env.entries().map(|(key, value)| (key.string().unwrap(), value.string().unwrap())).collect();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(entries.len(), 90_000);
    assert!(entries.is_sorted());
    assert_eq!(entries.iter().filter(|(_, value)| value == "a").count(), 60_000);
}

proptest! {
    #[test]
    fn documents_are_laid_over_each_other_as_values_are(below in json(), above in json()) {
        let object = |value: Value| json!({ "a": value });
        let (below, above) = (object(below), object(above));
        let (lower, upper) = (below.to_string(), format!("{above:#}"));
        let read = |text| Document::of_object(text).unwrap();
        let text = overlay(&read(lower.as_bytes()), &read(upper.as_bytes()));
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), merged(below, above), "{}", text);
    }

    #[test]
    fn settings_are_what_the_documents_say(
        below in wishes(),
        above in wishes(),
        space in "[ \t\r\n]{0,2}",
        turn in 0..6usize,
        escaped: bool,
    ) {
        let (baked, launch) = (below.document(&space, turn, escaped), above.document("", turn, !escaped) + "\0\0");
        let nothing = Wishes::default();
        prop_assert_eq!(settings(Some(&baked), None), Ok(below.over(&nothing)), "{}", baked);
        prop_assert_eq!(settings(None, Some(&launch)), Ok(above.over(&nothing)), "{}", launch);
        prop_assert_eq!(settings(Some(&baked), Some(&launch)), Ok(above.over(&below)), "{} under {}", baked, launch);
    }

    /// A document with one byte too many, too few, or another one gives settings or a message that says what is wrong.
    #[test]
    fn a_slip_of_the_pen_is_told(wishes in wishes(), place: prop::sample::Index, byte: u8, kind in 0..3u8) {
        let mut text = wishes.document(" ", 0, false).into_bytes();
        let place = place.index(text.len());
        match kind {
            0 => drop(text.remove(place)),
            1 => text.insert(place, byte),
            _ => text[place] = byte,
        }
        let told = |documents: Result<Documents<'_>, ConfigurationError>| {
            let documents = documents?;
            let mut root = documents.root()?.unwrap();
            Settings::take(&mut root)?;
            root.finish()?;
            Ok::<(), ConfigurationError>(())
        };
        if let Err(error) = told(Documents::read(Some(&text), None, GIBIBYTE)) {
            let error = error.to_string();
            prop_assert!(error.len() > 20 && (error.contains(": ") || error.starts_with("the ")), "{}", error);
        }
    }
}
