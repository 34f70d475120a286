//! Documents made from settings give these settings, however they are written; and two documents give what the upper one says,
//! key by key.

use proptest::prelude::*;
use rumpkin_configuration::{Settings, Tracing, read};
use rumpkin_kernel::config::{Address, Network};
use rumpuser::boot::BootData;
use rumpuser_hosted as _;

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
        (any::<[u8; 4]>(), 0..=32u8).prop_map(|(address, prefix)| Address::Static { address, prefix }),
    ];
    let level = prop::sample::select(log::LevelFilter::iter().skip(1).collect::<Vec<_>>());
    let hostname = "[^\\p{Cc}]{1,16}";
    let option = prop::option::of::<BoxedStrategy<String>>;
    (
        option(hostname.boxed()),
        prop::option::of(address),
        prop::option::of(any::<[u8; 4]>()),
        prop::option::of(prop::collection::vec(any::<[u8; 4]>(), 0..4)),
        prop::option::of(level),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(hostname, address, gateway, nameservers, level, syscalls)| Wishes {
            hostname,
            address,
            gateway,
            nameservers,
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

/// Reads documents as an image does. They live as long as the process, which is not for long.
fn settings(baked: Option<String>, launch: Option<String>) -> Result<Settings, String> {
    let keep = |text: String| -> &'static [u8] { text.into_bytes().leak() };
    let boot = BootData {
        baked_configuration: baked.map(keep),
        launch_configuration: launch.map(keep),
        ..BootData::default()
    };
    let mut root = read(&boot).map_err(|error| error.to_string())?.ok_or("there is no document")?;
    let settings = Settings::take(&mut root).map_err(|wrong| wrong.to_string())?;
    root.finish().map_err(|wrong| wrong.to_string())?;
    Ok(settings)
}

proptest! {
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
        prop_assert_eq!(settings(Some(baked.clone()), None), Ok(below.over(&nothing)), "{}", baked);
        prop_assert_eq!(settings(None, Some(launch.clone())), Ok(above.over(&nothing)), "{}", launch);
        prop_assert_eq!(settings(Some(baked.clone()), Some(launch.clone())), Ok(above.over(&below)), "{} under {}", baked, launch);
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
        let boot = BootData { baked_configuration: Some(text.leak()), ..BootData::default() };
        match read(&boot) {
            Err(error) => prop_assert!(error.to_string().len() > 20),
            Ok(root) => {
                let mut root = root.unwrap();
                if let Err(wrong) = Settings::take(&mut root).and_then(|_| root.finish()) {
                    prop_assert!(wrong.to_string().contains(": "), "{}", wrong);
                }
            }
        }
    }
}
