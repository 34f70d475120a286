//! A running unikernel with a name: its readiness, and the commands that talk to it. Its kernel is made by hand.
#[allow(dead_code, reason = "not every test needs every kernel")]
#[path = "../../bake/tests/common/mod.rs"]
mod common;

use rumpkin_bake::{Parts, bake};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const QEMU: &str = "/usr/bin/qemu-system-x86_64";

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Host {
        let host = Host(tempfile::tempdir().unwrap());
        let rootfs = common::rootfs(4096);
        let configuration = r#"{"network":{"address":"none"},"programs":[{"argv":["/bin/a"]}]}"#;
        let parts = Parts { rootfs: Some(&rootfs), configuration: Some(configuration) };
        // It ends its line and stands still.
        let kernel = common::kernel_that_ends(b"\xb0\n\xba\xf8\x03\0\0\xee");
        fs::write(host.path("image"), bake(&kernel, &parts).unwrap()).unwrap();
        fs::write(host.path("secret"), b"\0word").unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rumpkin"));
        command.current_dir(self.0.path()).args(arguments).env("XDG_RUNTIME_DIR", self.0.path());
        command.env_remove("RUNTIME_DIRECTORY").env_remove("CREDENTIALS_DIRECTORY").env_remove("NOTIFY_SOCKET");
        command
    }

    fn rumpkin(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    /// A unikernel that never ends by itself, and the socket that its service manager listens on.
    fn start(&self, arguments: &[&str]) -> (Child, UnixDatagram) {
        let manager = UnixDatagram::bind(self.path("manager")).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let all = ["run", "image", "--accel", "tcg", "--grace", "0", "--qemu", QEMU, "--name", "web"];
        let mut command = self.command(&all);
        command.args(arguments).env("NOTIFY_SOCKET", self.path("manager"));
        (command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), manager)
    }
}

fn told(manager: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = loop {
        match manager.recv(&mut message) {
            // The end of a child interrupts.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            received => break received.unwrap(),
        }
    };
    String::from_utf8(message[..length].to_vec()).unwrap()
}

fn has_qemu() -> bool {
    let found = Path::new(QEMU).exists();
    if !found {
        eprintln!("skipped: no {QEMU}");
    }
    found
}

#[test]
fn a_name_leads_to_the_running_unikernel() {
    if !has_qemu() {
        return;
    }
    let host = Host::new();
    let (child, manager) =
        host.start(&["--ready", "line:HEAD", "--sandbox", "--journal", "on", "--credential", "key:secret"]);
    assert!(told(&manager).starts_with("READY=1\nSTATUS=Ready after "));

    let (status, output, _) = host.rumpkin(&["status", "web"]);
    assert_eq!(status, Some(0));
    assert!(output.starts_with("web: ready, for ") && output.contains(" s, image on qemu, process "), "{output}");
    assert!(host.rumpkin(&["status"]).1.starts_with("web: ready"));
    let json: serde_json::Value = serde_json::from_str(&host.rumpkin(&["status", "--json", "web"]).1).unwrap();
    assert_eq!((json["phase"].as_str(), json["memory"].as_u64()), (Some("ready"), Some(64)));

    // The run's own folder, with the secret in it, is the user's alone, and not on a disk.
    let run =
        fs::read_dir(host.0.path()).unwrap().flatten().find(|entry| entry.path().join("configuration.json").exists());
    let run = run.unwrap().path();
    assert_eq!(fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(fs::read_to_string(run.join("configuration.json")).unwrap().contains("AHdvcmQ="));

    let (_, shown, _) = host.rumpkin(&["logs", "web"]);
    assert!(shown.starts_with("HEAD{") && shown.ends_with("}\n"), "{shown}");

    for (name, mode) in [("rumpkin", 0o700), ("rumpkin/web", 0o700), ("rumpkin/web/control", 0o600)] {
        let metadata = fs::metadata(host.path(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    let (status, _, errors) = host.rumpkin(&["run", "image", "--qemu", QEMU, "--accel", "tcg", "--name", "web"]);
    assert_eq!(status, Some(125));
    assert!(errors.contains("web is running already"), "{errors}");

    let console = host.command(&["console", "web"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(host.rumpkin(&["stop", "web"]).0, Some(0));
    assert_eq!(told(&manager), "STOPPING=1");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(137));
    assert!(output.stdout.starts_with(b"<6>HEAD{"), "{:?}", String::from_utf8_lossy(&output.stdout));
    // It ends with the unikernel.
    assert!(console.wait_with_output().unwrap().status.success());

    assert_eq!(host.rumpkin(&["status", "web"]).0, Some(3));
    assert!(host.rumpkin(&["stop", "web"]).2.contains("web is not running"));
    assert!(host.rumpkin(&["logs", "web"]).2.contains("web is not running"));
    assert!(!host.path("rumpkin/web/control").exists() && !run.exists());
}

#[test]
fn what_never_gets_ready_is_starting_until_it_is_stopped() {
    if !has_qemu() {
        return;
    }
    let host = Host::new();
    let (mut child, manager) = host.start(&["--ready", "line:never shown"]);
    let starting = |_| {
        std::thread::sleep(Duration::from_millis(50));
        host.rumpkin(&["status", "web"]).1.starts_with("web: starting")
    };
    assert!((0..100).any(starting));
    assert_eq!(host.rumpkin(&["stop", "web"]).0, Some(0));
    // The first thing that is told.
    assert_eq!(told(&manager), "STOPPING=1");
    child.wait().unwrap();
}

#[test]
fn without_a_condition_a_unikernel_is_ready_when_it_has_been_started() {
    if !has_qemu() {
        return;
    }
    let host = Host::new();
    let (mut child, manager) = host.start(&[]);
    assert!(told(&manager).starts_with("READY=1\n"));
    assert_eq!(host.rumpkin(&["stop", "web"]).0, Some(0));
    child.wait().unwrap();
}

#[test]
fn what_a_killed_launcher_leaves_is_in_nobodys_way() {
    if !has_qemu() {
        return;
    }
    let host = Host::new();
    let folder = host.path("rumpkin/web");
    fs::create_dir_all(&folder).unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.join("control")).unwrap());
    assert_eq!(host.rumpkin(&["status", "web"]).0, Some(3));
    let (mut child, manager) = host.start(&[]);
    told(&manager);
    assert_eq!(host.rumpkin(&["status", "web"]).0, Some(0));
    assert_eq!(host.rumpkin(&["stop", "web"]).0, Some(0));
    child.wait().unwrap();
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    processes.filter(|process| stat(process).is_some_and(|(_, parents)| parents == parent.to_string())).collect()
}

/// The state of a process, and its parent (proc_pid_stat(5)).
fn stat(process: &str) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned);
    Some((words.next()?, words.next()?))
}

#[test]
fn a_launcher_that_is_killed_leaves_no_guest_no_name_and_no_secret() {
    if !has_qemu() {
        return;
    }
    let host = Host::new();
    let (mut child, manager) = host.start(&["--ready", "line:HEAD", "--credential", "key:secret"]);
    told(&manager);
    let guests = children(child.id());
    assert_eq!(guests.len(), 1);
    let folders = || {
        let entries = fs::read_dir(host.0.path()).unwrap().flatten().map(|entry| entry.path());
        entries
            .filter(|path| path.join("lock").exists() && path.join("configuration.json").exists())
            .collect::<Vec<_>>()
    };
    let left = folders();
    assert_eq!(left.len(), 1);

    // SIGKILL, against which it can do nothing.
    child.kill().unwrap();
    child.wait().unwrap();
    // Whoever is its parent now may not have taken note of its end.
    let is_gone = || stat(&guests[0]).is_none_or(|(state, _)| state == "Z");
    let waited = (0..600).any(|_| {
        is_gone() || {
            std::thread::sleep(Duration::from_millis(100));
            false
        }
    });
    assert!(waited, "the guest goes on");
    assert_eq!(host.rumpkin(&["status", "web"]).0, Some(3));
    assert_eq!(folders(), left);

    fs::remove_file(host.path("manager")).unwrap();
    let (mut child, manager) = host.start(&[]);
    assert!(told(&manager).starts_with("READY=1\n"));
    assert!(!left[0].exists() && folders().len() == 1);
    assert_eq!(host.rumpkin(&["stop", "web"]).0, Some(0));
    child.wait().unwrap();
    assert!(folders().is_empty());
}

#[test]
fn credentials_never_show_and_their_absence_is_named() {
    let host = Host::new();
    let (_, line, _) = host.rumpkin(&["run", "image", "--print-command", "--credential", "key:secret"]);
    assert!(line.contains("-initrd") && !line.contains("AHdvcmQ") && !line.contains("word"), "{line}");
    let (status, _, errors) = host.rumpkin(&["run", "image", "--credential", "key"]);
    assert_eq!(status, Some(125));
    assert!(errors.contains("CREDENTIALS_DIRECTORY is not set"), "{errors}");
}

#[test]
fn units_are_printed_or_refused_by_key() {
    let host = Host::new();
    fs::write(host.path("good"), r#"{"name":"web","image":"/i","options":{"accel":"tcg"}}"#).unwrap();
    let (status, unit, _) = host.rumpkin(&["unit", "good"]);
    assert_eq!(status, Some(0));
    let start = format!("ExecStart={} run /i --name=web", env!("CARGO_BIN_EXE_rumpkin"));
    assert!(unit.contains(&start), "{unit}");
    fs::write(host.path("bad"), r#"{"name":"web","image":"/i","option":{}}"#).unwrap();
    let (status, unit, errors) = host.rumpkin(&["unit", "bad"]);
    assert_eq!((status, unit.as_str()), (Some(125), ""));
    assert!(errors.contains("bad: option: is not a known key"), "{errors}");
}
