//! A systemd unit for a unikernel, with as few rights as its hypervisor needs (systemd.service(5), systemd.exec(5)).
use crate::guest::{Accelerator, hash};
use crate::options::{Hypervisor, RunOptions};
use crate::spec::Spec;
use serde_json::Value;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

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
/// Seconds that the launcher has for its own end.
const MARGIN: u64 = 5;

/// Prints the unit for the document in the file `path`.
///
/// # Errors
/// The document is bad; the message names the key.
pub fn print(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let launcher = env::current_exe().map_err(|error| format!("the launcher's own path: {error}"))?;
    let unit = Spec::parse(&text, launcher).and_then(unit);
    print!("{}", unit.map_err(|error| format!("{}: {error}", path.display()))?);
    Ok(())
}

/// Lines of one section.
struct Section(String);

impl Section {
    /// A setting, whose value is as systemd reads it.
    fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{key}={value}");
    }
}

fn unit(mut spec: Spec) -> Result<String, String> {
    let (_, options) = spec.command()?;
    let qemu = options.hypervisor == Hypervisor::Qemu;
    let mut service = Section(String::new());
    service.set("Type", "notify");
    service.set("NotifyAccess", "main");
    let mut tap = None;
    if qemu {
        spec.set_option("sandbox", Some(true.into()));
        // QEMU has no bridges: it gets a tap on one, made and removed by root.
        if let Some(bridge) = spec.set_option("bridge", None).and_then(|bridge| bridge.as_str().map(str::to_owned)) {
            let name = tap_name(&spec.name);
            let ip = word(&spec.ip);
            service.set("ExecStartPre", format!("+-{ip} link delete dev {name}"));
            service.set("ExecStartPre", format!("+{ip} tuntap add dev {name} mode tap group kvm"));
            service.set("ExecStartPre", format!("+{ip} link set dev {name} master {} up", word(&bridge)));
            service.set("ExecStopPost", format!("+-{ip} link delete dev {name}"));
            spec.set_option("tap", Some(name.clone().into()));
            tap = Some(name);
        }
    }
    let (words, options) = spec.command()?;
    let words: Vec<String> = words.iter().map(|text| word(text)).collect();
    service.set("ExecStart", words.join(" "));
    service.set("Restart", &spec.restart);
    service.set("RestartSec", "1");
    // The program asked for it; against a wrong command line or configuration it does not help.
    service.set("RestartForceExitStatus", "75");
    service.set("RestartPreventExitStatus", "2 125");
    service.set("SuccessExitStatus", "143");
    service.set("TimeoutStartSec", spec.start_timeout);
    service.set("TimeoutStopSec", spec.stop_timeout.saturating_add(MARGIN));
    service.set("KillMode", "mixed");
    service.set("RuntimeDirectory", format!("rumpkin/{}", spec.name));
    service.set("RuntimeDirectoryMode", "0700");
    service.set("StateDirectory", file(&spec.state_directory));
    service.set("StateDirectoryMode", "0700");
    service.set("WorkingDirectory", format!("%S/{}", setting(&spec.state_directory)));
    for (name, path) in &spec.credentials {
        service.set("LoadCredential", setting(&format!("{name}:{path}")));
    }
    if let Some(processors) = &spec.cpu_affinity {
        service.set("CPUAffinity", setting(processors));
    }
    let mut groups = spec.groups.clone();
    if qemu {
        service.set("MemoryMax", format!("{}M", options.memory.saturating_add(OVERHEAD)));
        if tap.is_some() || options.vhost || options.accel != Accelerator::Tcg {
            groups.push("kvm".into());
        }
        devices(&mut service, &options);
    }
    if !groups.is_empty() {
        service.set("SupplementaryGroups", setting(&groups.join(" ")));
    }
    let ports: &[(&str, &str)] =
        if options.forward.iter().any(|forward| forward.host < 1024) { &PRIVILEGED_PORTS } else { &[] };
    harden(&mut service, if qemu { "qemu" } else { "xen" }, ports)?;

    Ok(format!(
        "# Made by `rumpkin unit`.\n[Unit]\nDescription={}\nWants=network-online.target\nAfter=network-online.target\n\n\
         [Service]\n{}\n[Install]\nWantedBy=multi-user.target\n",
        setting(&spec.description),
        service.0
    ))
}

/// The devices and files of the host that QEMU opens.
fn devices(service: &mut Section, options: &RunOptions) {
    let mut allow = |path: &str, rights: &str, optional: &str| {
        service.set("DeviceAllow", format!("{} {rights}", file(path)));
        service.set("BindPaths", file(&format!("{optional}{path}")));
    };
    if options.accel != Accelerator::Tcg {
        allow("/dev/kvm", "rw", if options.accel == Accelerator::Auto { "-" } else { "" });
    }
    if options.tap.is_some() {
        allow("/dev/net/tun", "rw", "");
    }
    if options.vhost {
        allow("/dev/vhost-net", "rw", "");
    }
    for disk in &options.disk {
        let path = disk.path.to_string_lossy();
        if path.starts_with("/dev/") {
            allow(&path, if disk.read_only { "r" } else { "rw" }, "");
        }
    }
    for disk in options.disk.iter().filter(|disk| disk.path.is_absolute() && !disk.path.starts_with("/dev")) {
        if !disk.read_only {
            service.set("ReadWritePaths", file(&disk.path.to_string_lossy()));
        }
    }
    // Emulation writes the code that it runs.
    if options.accel == Accelerator::Kvm {
        service.set("MemoryDenyWriteExecute", "yes");
    }
}

/// Takes away the rights in the hypervisor's table, but for `exceptions`, which have other values.
fn harden(service: &mut Section, hypervisor: &str, exceptions: &[(&str, &str)]) -> Result<(), String> {
    let tables: Value = serde_json::from_str(HARDENING).map_err(|error| format!("hardening.json: {error}"))?;
    for (key, value) in tables.get(hypervisor).and_then(Value::as_object).into_iter().flatten() {
        if let Some((_, exception)) = exceptions.iter().find(|(name, _)| name == key) {
            service.set(key, exception);
            continue;
        }
        match value {
            Value::Array(values) => {
                values.iter().filter_map(Value::as_str).for_each(|value| service.set(key, value));
            }
            value => service.set(key, value.as_str().unwrap_or_default()),
        }
    }
    Ok(())
}

/// The name of a unikernel's tap: an interface's name has at most 15 characters.
fn tap_name(name: &str) -> String {
    if name.len() <= 12 { format!("rk-{name}") } else { format!("rk-{:08x}", hash(name)) }
}

/// `text` as the value of a setting, in which `%` introduces a specifier and a line ends the value.
fn setting(text: &str) -> String {
    text.replace('%', "%%").replace('\n', " ")
}

/// A path in a setting that is a list of words.
fn file(path: &str) -> String {
    let text = setting(path);
    if text.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c)) {
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
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
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
        has(&unit, &["DevicePolicy=closed", "DeviceAllow=/dev/xen/privcmd rw", "ProtectSystem=full"]);
    }

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        assert_eq!(word("plain-1.0/x"), "plain-1.0/x");
        assert_eq!(word(""), "\"\"");
        assert_eq!(word("a \"b\" $c %d \\ \n"), r#""a \"b\" $$c %%d \\ \n""#);
        assert_eq!(word("\u{1}"), r#""\u0001""#);
    }
}
