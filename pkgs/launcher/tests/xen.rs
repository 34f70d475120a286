//! The command with `--hypervisor xen`, against a toolstack that plays a domain: what it is asked for and what comes of it.
#[path = "../../bake/tests/common/mod.rs"]
mod common;
mod script;

use rumpkin_bake::{Parts, bake};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// Plays `xl create` to its end: `create` shows a line and waits for one of the files that the other commands make.
const XL: &str = r#"cd "$HOME"
echo "$1" >> calls
case $1 in
create)
  [ ! -e refused ] || { cat refused >&2; exit 3; }
  echo "Waiting for domain x (domid 7) to die [pid 1]" >&2
  cp "$5" domain.cfg
  echo from the guest
  while [ ! -e ending ] && [ ! -e destroyed ]; do sleep 0.02; done
  [ ! -e ending ] || echo "Domain 7 has shut down, reason code $(cat ending)" >&2
  while [ ! -e destroyed ]; do sleep 0.02; done
  echo "Domain 7 has been destroyed." >&2 ;;
shutdown) [ -e deaf ] || mv next ending ;;
destroy) echo "$2" >> gone; touch destroyed ;;
vm-list) echo "UUID  ID  name"; sed -n 's/^uuid = "\(.*\)"/\1  7    x/p' domain.cfg ;;
esac
"#;

/// The store, in which the domain 7 has left what is in the file `status`.
const STORE: &str = r#"[ "$*" = "-R /local/domain/7/data/ending" ] && exec cat "$HOME/status"
"#;

struct Host(tempfile::TempDir);

impl Host {
    fn new(files: &[(&str, &str)]) -> Host {
        let host = Host(tempfile::tempdir().unwrap());
        let rootfs = common::rootfs(4096);
        let parts = Parts { rootfs: Some(&rootfs), configuration: Some("{}") };
        let image = bake(&common::kernel(), &parts).unwrap();
        host.write("image", &image);
        for (name, text) in [("xl", XL), ("xenstore-read", STORE)] {
            script::write(&host.0.path().join(name), text);
        }
        for (name, text) in files {
            host.write(name, text.as_bytes());
        }
        host
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let folder = self.0.path();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        Command::new(env!("CARGO_BIN_EXE_rumpkin"))
            .current_dir(folder)
            .env("HOME", folder)
            .env("XDG_RUNTIME_DIR", folder)
            .env_remove("RUNTIME_DIRECTORY")
            .env("PATH", path)
            .args(["run", "image", "--hypervisor", "xen"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().unwrap()
    }

    /// Starts, and asks to stop when the guest's first line has come.
    fn stop(&self, arguments: &[&str]) -> Output {
        let mut child = self.start(arguments);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "from the guest\n");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn what_the_guest_leaves_in_the_store_is_its_status() {
    for (ending, status, code) in [("0 0x0", "exit 5", 5), ("3 0x3", "panic", 70), ("1 0x1", "reboot", 75)] {
        let host = Host::new(&[("ending", ending), ("status", status)]);
        let output = host.run(&[]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "from the guest\n");
        assert_eq!(host.read("calls"), "create\ndestroy\n");
    }
}

#[test]
fn without_a_status_the_reason_tells() {
    for (ending, code, message) in [("0 0x0", 71, "powered off"), ("3 0x3", 70, "panicked"), ("1 0x1", 75, "restarted")]
    {
        let output = Host::new(&[("ending", ending)]).run(&[]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_stop_is_passed_on() {
    let host = Host::new(&[("next", "0 0x0"), ("status", "exit 143")]);
    let output = host.stop(&["--memory", "24", "--name", "web"]);
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    assert_eq!(host.read("calls"), "create\nshutdown\ndestroy\n");
    let domain = host.read("domain.cfg");
    assert!(domain.starts_with("name = \"web\"\n") && domain.contains("\nmemory = 24\n"), "{domain}");
}

#[test]
fn a_guest_that_does_not_stop_is_destroyed() {
    let host = Host::new(&[("deaf", "")]);
    let output = host.stop(&["--grace", "0"]);
    assert_eq!(output.status.code(), Some(137), "{}", text(&output.stderr));
    assert_eq!(host.read("calls"), "create\nshutdown\ndestroy\n");
}

#[test]
fn a_domain_that_cannot_be_made_is_the_launchers_failure() {
    let output = Host::new(&[("refused", "libxl: error: no memory\n")]).run(&[]);
    assert_eq!(output.status.code(), Some(125));
    let message = text(&output.stderr);
    assert!(message.contains("xl could not create the domain") && message.contains("no memory"), "{message}");
}

#[test]
fn the_domain_of_a_launcher_that_was_killed_is_destroyed_by_the_next() {
    let host = Host::new(&[("ending", "0\n"), ("status", "exit 0\n")]);
    fs::remove_file(host.0.path().join("ending")).unwrap();
    let mut killed = host.start(&["--name", "web"]);
    let mut line = String::new();
    BufReader::new(killed.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "from the guest\n");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let first = host.read("domain.cfg");

    host.write("ending", b"0\n");
    let output = host.run(&["--name", "web"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // By its number, which its UUID gives: another domain may have its name by now.
    assert_eq!(host.read("gone").lines().next(), Some("7"));
    assert_eq!(host.read("calls").lines().take(3).collect::<Vec<_>>(), ["create", "vm-list", "destroy"]);
    assert_ne!(first, host.read("domain.cfg"));
    let left = fs::read_dir(host.0.path()).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with("rumpkin-")).count(), 0);
}
