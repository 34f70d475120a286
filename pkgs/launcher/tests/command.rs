//! The command with images of a kernel made by hand: its messages, and guests under QEMU where it is installed.
#[path = "../../bake/tests/common/mod.rs"]
mod common;
mod script;

use rumpkin_bake::{Parts, bake};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const QEMU: &str = "/usr/bin/qemu-system-x86_64";
const CONFIGURATION: &str = r#"{"network":{"address":"none"},"programs":[{"argv":["/bin/a"]}]}"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(kernel: &[u8]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let rootfs = common::rootfs(4096);
        let image = bake(kernel, &Parts { rootfs: Some(&rootfs), configuration: Some(CONFIGURATION) }).unwrap();
        fs::write(folder.path("image"), image).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rumpkin"));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null());
        command
    }

    fn rumpkin(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn has_qemu() -> bool {
    let found = Path::new(QEMU).exists();
    if !found {
        eprintln!("skipped: no {QEMU}");
    }
    found
}

#[test]
fn images_are_described() {
    let folder = Folder::new(&common::kernel());
    let output = folder.rumpkin(&["inspect", "image"]);
    let description = text(&output.stdout);
    for part in [", verified\n", "root           4 KiB", "entered at 0x100000", r#""version":"test""#, CONFIGURATION] {
        assert!(description.contains(part), "{part} in {description}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&folder.rumpkin(&["inspect", "--json", "image"]).stdout).unwrap();
    assert_eq!(json["rootfs"], 4096);
    assert_eq!(json["manifest"]["platforms"][0], "hw");
}

#[test]
fn failures_before_the_guest_have_a_status_of_their_own() {
    let folder = Folder::new(&common::kernel());
    fs::write(folder.path("text"), "no image").unwrap();
    assert!(Command::new("mkfifo").arg(folder.path("pipe")).status().unwrap().success());
    for (arguments, message) in [
        (&["run", "absent"][..], "rumpkin: absent: No such file"),
        (&["run", "text"], "rumpkin: text: not an ELF file"),
        (&["inspect", "text"], "rumpkin: text: not an ELF file"),
        (&["run", "image", "--memory", "1"], "give --memory 3 or more"),
        (&["run", "image", "--config", "text"], "rumpkin: text: is not valid JSON"),
        (&["run", "image", "--address", "127.0.0.1/8"], "configuration: network.address: `127.0.0.1/8` is"),
        (&["run", "pipe"], "rumpkin: pipe: is a named pipe; a regular file is needed"),
        (&["run", "image", "--config", "pipe"], "rumpkin: pipe: is a named pipe; a regular file is needed"),
        (
            &["run", "image", "--credential", "key:pipe"],
            "--credential key: pipe: is a named pipe; a regular file is needed",
        ),
        (&["run", "image", "--disk", "pipe"], "rumpkin: pipe: is a named pipe; a regular file or block device"),
        (&["run", "image", "--disk", "."], "rumpkin: .: is a folder; a regular file or block device"),
        (&["run", "image", "--disk", "nbd:127.0.0.1:10809"], "rumpkin: nbd:127.0.0.1:10809: No such file"),
        (&["inspect", "pipe"], "rumpkin: pipe: is a named pipe"),
        (&["run", "image", "--forward", "8080:80"], "there is no network"),
        (&["run", "image", "--accel", "tcg", "--qemu", "/absent/qemu"], "/absent/qemu not found; install QEMU"),
        (&["run", "image", "--hypervisor", "xen", "--xl", "/absent/xl"], "/absent/xl not found; this needs Xen"),
        (&["run", "image", "--address", "dhcp", "--hypervisor", "xen", "--forward", "80:80"], "give --bridge"),
        (&["run", "image", "--address", "dhcp", "--bridge", "br0"], "give --tap"),
    ] {
        let output = folder.rumpkin(arguments);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
        assert!(text(&output.stderr).contains(message), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_damaged_image_is_refused_in_a_sentence() {
    let folder = Folder::new(&common::kernel());
    let image = fs::read(folder.path("image")).unwrap();
    // A bit of code, of the root file system's content, of the section that nobody loads.
    for place in [0x1005, image.len() - 0x1800, 0x900] {
        let mut damaged = image.clone();
        damaged[place] ^= 0x20;
        fs::write(folder.path("damaged"), damaged).unwrap();
        for command in ["run", "inspect"] {
            let output = folder.rumpkin(&[command, "damaged"]);
            assert_eq!(output.status.code(), Some(125));
            let message = text(&output.stderr);
            assert!(message.starts_with("rumpkin: damaged: damaged: its checksum is "), "{place:#x}: {message}");
        }
    }
    fs::write(folder.path("kernel"), common::kernel()).unwrap();
    assert!(text(&folder.rumpkin(&["run", "kernel"]).stderr).contains("a kernel, not an image; bake it"));
}

#[test]
fn configuration_never_shows_on_the_command_line() {
    let folder = Folder::new(&common::kernel());
    let output = folder.rumpkin(&["run", "image", "--print-command", "--env", "SECRET=word", "--", "argument"]);
    let line = text(&output.stdout);
    assert!(line.starts_with("qemu-system-x86_64 -nodefaults "), "{line}");
    assert!(!line.contains("word") && !line.contains("argument"), "{line}");
}

#[test]
fn the_guests_status_and_console_come_through_on_every_machine() {
    if !has_qemu() {
        return;
    }
    let folder = Folder::new(&common::kernel());
    for machine in ["microvm", "q35", "pc"] {
        let arguments = ["run", "image", "--machine", machine, "--accel", "tcg", "--memory", "16", "--qemu", QEMU];
        let output = folder.rumpkin(&arguments);
        assert_eq!(output.status.code(), Some(5), "{machine}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), format!("HEAD{CONFIGURATION}"), "{machine}");
        assert_eq!(text(&output.stderr), "", "{machine}");
    }
}

#[test]
fn unchecked_configurations_reach_the_guest_as_they_are() {
    let folder = Folder::new(&common::kernel());
    fs::write(folder.path("text"), "no JSON").unwrap();
    script::write(&folder.path("monitor"), "while [ \"$1\" != -initrd ]; do shift; done; cat \"$2\"\n");
    let arguments = ["run", "text", "--config", "text", "--unchecked", "--accel", "tcg", "--qemu", "./monitor"];
    let output = folder.rumpkin(&arguments);
    assert_eq!(text(&output.stdout), "no JSON", "{}", text(&output.stderr));
    let output = folder.rumpkin(&["run", "image", "--unchecked"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

/// What QEMU would take for the names of its drivers, and for options.
#[test]
fn disks_are_files_whatever_their_names() {
    if !has_qemu() {
        return;
    }
    let folder = Folder::new(&common::kernel());
    let names = ["nbd:unix:socket", "json:{\"driver\":\"null-co\"}", "fat:rw:.", "a,readonly=on,file=b"];
    let mut arguments = vec!["run", "image", "--accel", "tcg", "--qemu", QEMU];
    for name in names {
        fs::write(folder.path(name), [0; 4096]).unwrap();
        arguments.extend(["--disk", name]);
    }
    let output = folder.rumpkin(&arguments);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
}

#[test]
fn a_panic_and_a_silent_end_are_told_apart() {
    if !has_qemu() {
        return;
    }
    let panic: Vec<u8> = b"panic\n".iter().flat_map(|byte| [0xb0, *byte, 0xe6, 0xe9]).chain([0xe6, 0xf4]).collect();
    for (ending, status, message) in [(&panic[..], 70, "the kernel panicked"), (&[0xe6, 0xf4], 71, "without a status")]
    {
        let folder = Folder::new(&common::kernel_that_ends(ending));
        let output = folder.rumpkin(&["run", "image", "--accel", "tcg", "--qemu", QEMU]);
        assert_eq!(output.status.code(), Some(status));
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_guest_that_does_not_stop_is_killed() {
    if !has_qemu() {
        return;
    }
    let folder = Folder::new(&common::kernel_that_ends(b"\xb0\n\xba\xf8\x03\0\0\xee"));
    let mut child = folder
        .command(&["run", "image", "--accel", "tcg", "--grace", "0", "--qemu", QEMU])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("HEAD{CONFIGURATION}\n"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(137));
    assert!(text(&output.stderr).contains("was killed"), "{}", text(&output.stderr));
}
