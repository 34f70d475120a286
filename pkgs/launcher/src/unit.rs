//! A systemd unit for a unikernel, with as few rights as its hypervisor needs (systemd.service(5), systemd.exec(5)).
use crate::configuration;
use crate::file::{self, At, Unusable};
use crate::guest::{Accelerator, Disk, hash};
use crate::options::{Hypervisor, RunOptions};
use crate::spec::{self, Spec};
use serde_json::Value;
use std::env;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use thiserror::Error;

/// The rights that are taken away, by hypervisor.
const HARDENING: &str = include_str!("hardening.json");
/// Memory of the hypervisor's process beside the guest's, in MiB.
const OVERHEAD: u32 = 512;
/// What a process without rights needs to open ports below 1024: the right to, in the host's user namespace.
const PRIVILEGED_PORTS: [(&str, &str); 3] = [
    ("AmbientCapabilities", "CAP_NET_BIND_SERVICE"),
    ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"),
    ("PrivateUsers", "no"),
];
/// No specification is longer.
const LIMIT: u64 = 1 << 20;
/// Where state folders are (systemd.exec(5), "%S").
const STATE: &str = "/var/lib";
/// Seconds that the launcher has for its own end.
const MARGIN: u64 = 5;

/// Why there is no unit.
#[derive(Debug, Error)]
pub enum Error {
    /// The document cannot be read.
    #[error(transparent)]
    File(#[from] At<Unusable>),
    /// Where this launcher is is not known.
    #[error("the launcher's own path: {0}")]
    Launcher(io::Error),
    /// What is in the document makes no unit.
    #[error(transparent)]
    Refused(#[from] At<Refused>),
}

/// Why no unit is made of a document.
#[derive(Debug, Error)]
pub enum Refused {
    /// What the launcher is told in it is wrong.
    #[error("options: {0}")]
    Configuration(#[from] configuration::Error),
    /// The table of rights is none.
    #[error("hardening.json: {0}")]
    Hardening(serde_json::Error),
    /// It is not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// A key of it is bad.
    #[error(transparent)]
    Spec(#[from] spec::Error),
    /// The value of a setting would end its line, or go on in the next one.
    #[error(
        "{setting}={value:?} has a control character, or a backslash at its end; a unit is made of lines, and takes neither"
    )]
    Value { setting: String, value: String },
}

/// Prints the unit for the document in the file `path`.
///
/// # Errors
/// The document is bad; the message names the key.
pub fn print(path: &Path) -> Result<(), Error> {
    let text = file::read(path, LIMIT)?;
    let launcher = env::current_exe().map_err(Error::Launcher)?;
    let unit = || unit(Spec::parse(str::from_utf8(&text).map_err(|_| Refused::NotUtf8)?, launcher)?);
    print!("{}", unit().map_err(|error| At::new(path, error))?);
    Ok(())
}

/// A unit's text. This is the one way for a value into it.
#[derive(Default)]
struct Text(String);

impl Text {
    fn begin(&mut self, section: &str) {
        let empty_line = if self.0.is_empty() { "" } else { "\n" };
        self.0 += &format!("{empty_line}[{section}]\n");
    }

    /// A setting, whose value is as systemd reads it. A carriage return ends a line for systemd, too, and a backslash joins
    /// it with the next: what follows would be settings of somebody else's making, such as a command for root.
    fn set(&mut self, key: &str, value: impl fmt::Display) -> Result<(), Refused> {
        let value = value.to_string();
        if value.contains(char::is_control) || value.ends_with('\\') {
            return Err(Refused::Value { setting: key.into(), value });
        }
        self.0 += &format!("{key}={value}\n");
        Ok(())
    }
}

fn unit(mut spec: Spec) -> Result<String, Refused> {
    let (_, options) = spec.command()?;
    configuration::check_options(&options)?;
    let qemu = options.hypervisor == Hypervisor::Qemu;
    let state = Path::new(STATE).join(&spec.state_directory);
    let mut text = Text("# Made by `rumpkin unit`.\n".into());
    text.0 += "[Unit]\n";
    text.set("Description", setting(&spec.description))?;
    text.set("Wants", "network-online.target")?;
    text.set("After", "network-online.target")?;
    text.begin("Service");
    text.set("Type", "notify")?;
    text.set("NotifyAccess", "main")?;
    let mut tap = None;
    if qemu {
        spec.set_option("sandbox", Some(true.into()));
        // QEMU has no bridges: it gets a tap on one, made and removed by root.
        if let Some(bridge) = spec.set_option("bridge", None).and_then(|bridge| bridge.as_str().map(str::to_owned)) {
            let name = tap_name(&spec.name);
            let ip = word(&spec.ip);
            text.set("ExecStartPre", format!("+-{ip} link delete dev {name}"))?;
            text.set("ExecStartPre", format!("+{ip} tuntap add dev {name} mode tap group kvm"))?;
            text.set("ExecStartPre", format!("+{ip} link set dev {name} master {} up", word(&bridge)))?;
            text.set("ExecStopPost", format!("+-{ip} link delete dev {name}"))?;
            spec.set_option("tap", Some(name.clone().into()));
            tap = Some(name);
        }
    }
    // Where `..` leads depends on links that only the launcher sees: it gets the name that rights are given for.
    let disks = options.disk.iter().map(|disk| {
        let has_detour = disk.path.components().any(|part| part == Component::ParentDir);
        let path = if has_detour { place(&state, &disk.path) } else { disk.path.clone() };
        Value::from(Disk { path, ..*disk }.to_string())
    });
    if !options.disk.is_empty() {
        spec.set_option("disk", Some(disks.collect()));
    }
    let (words, options) = spec.command()?;
    let words: Vec<String> = words.iter().map(|text| word(text)).collect();
    text.set("ExecStart", words.join(" "))?;
    text.set("Restart", &spec.restart)?;
    text.set("RestartSec", "1")?;
    // The program asked for it; against a wrong command line or configuration it does not help.
    text.set("RestartForceExitStatus", "75")?;
    text.set("RestartPreventExitStatus", "2 125")?;
    text.set("SuccessExitStatus", "143")?;
    text.set("TimeoutStartSec", spec.start_timeout)?;
    text.set("TimeoutStopSec", spec.stop_timeout.saturating_add(MARGIN))?;
    text.set("KillMode", "mixed")?;
    text.set("RuntimeDirectory", format!("rumpkin/{}", spec.name))?;
    text.set("RuntimeDirectoryMode", "0700")?;
    if !qemu {
        // A domain outlives a launcher that is killed; the next one finds word of it there.
        text.set("RuntimeDirectoryPreserve", "yes")?;
    }
    text.set("StateDirectory", listed(&spec.state_directory))?;
    text.set("StateDirectoryMode", "0700")?;
    text.set("WorkingDirectory", format!("%S/{}", setting(&spec.state_directory)))?;
    for (name, path) in &spec.credentials {
        text.set("LoadCredential", setting(&format!("{name}:{path}")))?;
    }
    if let Some(processors) = &spec.cpu_affinity {
        text.set("CPUAffinity", setting(processors))?;
    }
    let mut groups = spec.groups.clone();
    if qemu {
        text.set("MemoryMax", format!("{}M", options.memory.saturating_add(OVERHEAD)))?;
        if tap.is_some() || options.vhost || options.accel != Accelerator::Tcg {
            groups.push("kvm".into());
        }
        devices(&mut text, &options, &state)?;
    }
    if !groups.is_empty() {
        text.set("SupplementaryGroups", setting(&groups.join(" ")))?;
    }
    let ports: &[(&str, &str)] =
        if options.forward.iter().any(|forward| forward.host < 1024) { &PRIVILEGED_PORTS } else { &[] };
    harden(&mut text, if qemu { "qemu" } else { "xen" }, ports)?;
    text.begin("Install");
    text.set("WantedBy", "multi-user.target")?;
    Ok(text.0)
}

/// Where a disk's name leads, seen from the folder `state`, without the detours that are in it.
fn place(state: &Path, path: &Path) -> PathBuf {
    let mut place = PathBuf::new();
    for part in state.join(path).components() {
        match part {
            Component::ParentDir => drop(place.pop()),
            Component::CurDir => {}
            part => place.push(part),
        }
    }
    place
}

/// The devices and files of the host that QEMU opens. What is in the folder `state` is open to it anyway.
fn devices(text: &mut Text, options: &RunOptions, state: &Path) -> Result<(), Refused> {
    let mut allow = |path: &str, rights: &str, optional: &str| {
        text.set("DeviceAllow", format!("{} {rights}", listed(path)))?;
        text.set("BindPaths", listed(&format!("{optional}{path}")))
    };
    if options.accel != Accelerator::Tcg {
        allow("/dev/kvm", "rw", if options.accel == Accelerator::Auto { "-" } else { "" })?;
    }
    if options.tap.is_some() {
        allow("/dev/net/tun", "rw", "")?;
    }
    if options.vhost {
        allow("/dev/vhost-net", "rw", "")?;
    }
    for disk in &options.disk {
        let path = place(state, &disk.path);
        let name = path.to_string_lossy();
        if path.starts_with("/dev") {
            allow(&name, if disk.read_only { "r" } else { "rw" }, "")?;
        }
    }
    for disk in &options.disk {
        let path = place(state, &disk.path);
        if !disk.read_only && !path.starts_with("/dev") && !path.starts_with(state) {
            text.set("ReadWritePaths", listed(&path.to_string_lossy()))?;
        }
    }
    // Emulation writes the code that it runs.
    if options.accel == Accelerator::Kvm {
        text.set("MemoryDenyWriteExecute", "yes")?;
    }
    Ok(())
}

/// Takes away the rights in the hypervisor's table, but for `exceptions`, which have other values.
fn harden(text: &mut Text, hypervisor: &str, exceptions: &[(&str, &str)]) -> Result<(), Refused> {
    let tables: Value = serde_json::from_str(HARDENING).map_err(Refused::Hardening)?;
    for (key, value) in tables.get(hypervisor).and_then(Value::as_object).into_iter().flatten() {
        if let Some((_, exception)) = exceptions.iter().find(|(name, _)| name == key) {
            text.set(key, exception)?;
            continue;
        }
        match value {
            Value::Array(values) => {
                values.iter().filter_map(Value::as_str).try_for_each(|value| text.set(key, value))?;
            }
            value => text.set(key, value.as_str().unwrap_or_default())?,
        }
    }
    Ok(())
}

/// The name of a unikernel's tap: an interface's name has at most 15 characters.
fn tap_name(name: &str) -> String {
    if name.len() <= 12 { format!("rk-{name}") } else { format!("rk-{:08x}", hash(name)) }
}

/// `text` as the value of a setting, in which `%` introduces a specifier.
fn setting(text: &str) -> String {
    text.replace('%', "%%")
}

/// A path in a setting that is a list of words, or of pairs of paths with a colon between them.
fn listed(path: &str) -> String {
    let text = setting(path);
    if text.contains(|c: char| c.is_whitespace() || "\"'\\:".contains(c)) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

/// `text` as one word of a command (systemd.service(5), "Command lines").
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> String {
        unit(Spec::parse(text, "/bin/rumpkin".into()).unwrap()).unwrap()
    }

    fn has(unit: &str, lines: &[&str]) {
        for line in lines {
            assert!(unit.lines().any(|other| other == *line), "{line} in\n{unit}");
        }
    }

    #[test]
    fn emulation_needs_no_device() {
        let unit =
            made(r#"{"name":"web","image":"/i","options":{"accel":"tcg","forward":["8080:80"],"ready":"tcp:80"}}"#);
        has(
            &unit,
            &[
                "ExecStart=/bin/rumpkin run /i --name=web --grace=10 --accel=tcg --forward=8080:80 --ready=tcp:80 --sandbox",
                "Type=notify",
                "DynamicUser=yes",
                "MemoryMax=576M",
                "SystemCallFilter=~@privileged",
                "TimeoutStopSec=15",
            ],
        );
        assert!(!unit.contains("DeviceAllow") && !unit.contains("SupplementaryGroups"), "{unit}");
    }

    #[test]
    fn what_is_used_of_the_host_is_allowed_and_nothing_else() {
        let unit = made(
            r#"{"name":"db","image":"/i","cpuAffinity":"0-1","groups":["disk"],"credentials":{"key":"/etc/a%b"},
                "options":{"accel":"kvm","tap":"t","vhost":true,"disk":["/dev/sdb","/srv/d:ro","/srv/e","/srv/f g","f"]}}"#,
        );
        has(
            &unit,
            &[
                "DeviceAllow=/dev/kvm rw",
                "DeviceAllow=/dev/net/tun rw",
                "DeviceAllow=/dev/vhost-net rw",
                "DeviceAllow=/dev/sdb rw",
                "BindPaths=/dev/kvm",
                "ReadWritePaths=/srv/e",
                "ReadWritePaths=\"/srv/f g\"",
                "SupplementaryGroups=disk kvm",
                "MemoryDenyWriteExecute=yes",
                "CPUAffinity=0-1",
                "LoadCredential=key:/etc/a%%b",
            ],
        );
        assert!(!unit.contains("ReadWritePaths=/srv/d") && !unit.contains("ReadWritePaths=f\n"), "{unit}");
    }

    #[test]
    fn low_ports_need_a_right_and_others_none() {
        let rights = ["AmbientCapabilities", "CapabilityBoundingSet"];
        let low = made(r#"{"name":"web","image":"/i","options":{"forward":["8080:80","0.0.0.0:80:80"]}}"#);
        let high = made(r#"{"name":"web","image":"/i","options":{"forward":["8080:80"]}}"#);
        for right in rights {
            has(&low, &[&format!("{right}=CAP_NET_BIND_SERVICE"), "PrivateUsers=no"]);
            has(&high, &[&format!("{right}="), "PrivateUsers=yes"]);
        }
    }

    #[test]
    fn a_bridge_gets_a_tap_of_the_guests_own() {
        let unit = made(r#"{"name":"web","image":"/i","options":{"bridge":"br0"}}"#);
        has(
            &unit,
            &[
                "ExecStartPre=+ip tuntap add dev rk-web mode tap group kvm",
                "ExecStartPre=+ip link set dev rk-web master br0 up",
                "ExecStopPost=+-ip link delete dev rk-web",
                "BindPaths=-/dev/kvm",
            ],
        );
        assert!(unit.contains("--tap=rk-web") && !unit.contains("--bridge"), "{unit}");
        assert_eq!(tap_name("a-name-that-is-long").len(), 11);
    }

    #[test]
    fn xen_is_for_root() {
        let unit = made(r#"{"name":"web","image":"/i","options":{"hypervisor":"xen","bridge":"br0"}}"#);
        assert!(
            unit.contains("--bridge=br0") && !unit.contains("DynamicUser") && !unit.contains("--sandbox"),
            "{unit}"
        );
        has(
            &unit,
            &[
                "DevicePolicy=closed",
                "DeviceAllow=/dev/xen/privcmd rw",
                "ProtectSystem=full",
                "RuntimeDirectoryPreserve=yes",
            ],
        );
    }

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        assert_eq!(word("plain-1.0/x"), "plain-1.0/x");
        assert_eq!(word(""), "\"\"");
        assert_eq!(word("a \"b\" $c %d \\"), r#""a \"b\" $$c %%d \\""#);
        assert_eq!(listed("/dev/disk/by-path/pci-0:1 %\\"), r#""/dev/disk/by-path/pci-0:1 %%\\""#);
    }

    /// Each text of a document, once with each character that would make a line of its own of what follows.
    #[test]
    fn no_value_gets_out_of_its_line() {
        let document = serde_json::json!({
            "name": "web", "image": "/i", "description": "d", "launcher": "/bin/rumpkin", "arguments": ["a"],
            "credentials": { "key": "/etc/key" }, "restart": "no", "cpuAffinity": "0-1", "stateDirectory": "s/t",
            "groups": ["disk"],
            "options": {
                "accel": "tcg", "machine": "pc", "qemu": "/bin/qemu", "disk": ["/dev/sda", "/srv/d", "e:ro"],
                "forward": ["80:80"], "mac": "52:54:00:00:00:01", "config": "/etc/c", "env": ["A=b"], "hostname": "h",
                "address": "10.0.0.2/24", "gateway": "10.0.0.1", "nameserver": ["10.0.0.1"], "ready": "line:up",
                "journal": "on", "hypervisor": "qemu"
            }
        });
        let bridged =
            serde_json::json!({ "name": "web", "image": "/i", "ip": "/bin/ip", "options": { "bridge": "br0" } });
        let tapped = serde_json::json!({ "name": "web", "image": "/i", "options": { "tap": "tap0", "xl": "/bin/xl" } });
        let mut texts = 0;
        for document in [document, bridged, tapped] {
            made(&document.to_string());
            let mut places = vec![];
            strings("", &document, &mut places);
            texts += places.len();
            for (place, end) in
                places.iter().flat_map(|place| ["\r", "\n", "\0", "\u{b}", "\u{85}", "\\"].map(|c| (place, c)))
            {
                let mut changed = document.clone();
                let text = changed.pointer_mut(place).unwrap();
                let evil = format!("{}{end}ExecStartPre=+/bin/evil", text.as_str().unwrap());
                // A backslash does harm at the end of a line, and only there.
                *text = if end == "\\" { format!("{}\\", text.as_str().unwrap()).into() } else { evil.into() };
                if let Ok(unit) =
                    Spec::parse(&changed.to_string(), "/bin/rumpkin".into()).map_err(Refused::Spec).and_then(unit)
                {
                    assert!(end == "\\", "{place} with {end:?} gives\n{unit}");
                    assert!(!unit.contains("\\\n") && !unit.contains("evil"), "{place} gives\n{unit}");
                }
            }
        }
        assert_eq!(texts, 27 + 4 + 4);
    }

    /// The places of all texts in a value, as JSON pointers.
    fn strings(place: &str, value: &Value, places: &mut Vec<String>) {
        match value {
            Value::String(_) => places.push(place.into()),
            Value::Array(values) => {
                values
                    .iter()
                    .enumerate()
                    .for_each(|(index, value)| strings(&format!("{place}/{index}"), value, places));
            }
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| strings(&format!("{place}/{key}"), value, places));
            }
            _ => {}
        }
    }

    #[test]
    fn names_of_credentials_and_programs_are_names() {
        for (text, message) in [
            (r#"{"name":"a","image":"/i","credentials":{"k\rX=y":"/k"}}"#, "credentials: must be"),
            (r#"{"name":"a","image":"/i","credentials":{"k:/etc/shadow":"/k"}}"#, "credentials: must be"),
            (r#"{"name":"a","image":"/i","ip":"-ip","options":{"bridge":"b"}}"#, "ip: must be"),
        ] {
            let error = Spec::parse(text, "/bin/rumpkin".into()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
        let error =
            unit(Spec::parse(r#"{"name":"a","image":"/i","cpuAffinity":"0\rX=y"}"#, "/bin/rumpkin".into()).unwrap());
        assert!(error.unwrap_err().to_string().starts_with(r#"CPUAffinity="0\rX=y" has a control character"#));
    }

    #[test]
    fn rights_are_for_the_file_that_a_name_leads_to() {
        let unit = made(
            r#"{"name":"a","image":"/i","options":{"accel":"tcg",
                "disk":["/dev/../etc/shadow","/srv/./x/../../dev//sdb:ro","d","../a/e","../../../../srv/f"]}}"#,
        );
        has(&unit, &["DeviceAllow=/dev/sdb r", "ReadWritePaths=/etc/shadow", "ReadWritePaths=/srv/f"]);
        let disks = ["/etc/shadow", "/dev/sdb:ro", "d", "/var/lib/rumpkin/a/e", "/srv/f"];
        let disks: Vec<_> = disks.iter().map(|disk| format!("--disk={disk}")).collect();
        assert!(unit.contains(&disks.join(" ")), "{unit}");
        assert_eq!(unit.matches("DeviceAllow").count(), 1, "{unit}");
        assert_eq!(unit.matches("ReadWritePaths").count(), 2, "{unit}");
    }

    #[test]
    fn addresses_are_those_that_the_guest_would_take() {
        let spec = r#"{"name":"a","image":"/i","options":{"address":"255.255.255.255/0"}}"#;
        let error = unit(Spec::parse(spec, "/bin/rumpkin".into()).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("options: configuration: network.address: `255.255.255.255/0` has"), "{error}");
    }
}
