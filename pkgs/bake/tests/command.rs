//! The command: its files, its messages, and the image under a real VMM where there is one.
mod common;

use common::{kernel, rootfs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::write(folder.path("kernel"), kernel()).unwrap();
        fs::write(folder.path("rootfs"), rootfs(4096)).unwrap();
        fs::write(folder.path("config"), r#"{"hostname":"baked"}"#).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bake(&self, kernel: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rumpkin-bake"))
            .current_dir(self.0.path())
            .args(["--kernel", kernel, "--rootfs", "rootfs", "--config", "config", "-o", "image"])
            .output()
            .unwrap()
    }
}

fn message(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1));
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn equal_inputs_give_equal_files() {
    let (one, two) = (Folder::new(), Folder::new());
    assert!(one.bake("kernel").status.success());
    assert!(two.bake("kernel").status.success());
    assert_eq!(fs::read(one.path("image")).unwrap(), fs::read(two.path("image")).unwrap());
}

#[test]
fn messages_name_the_file_and_the_remedy() {
    let folder = Folder::new();
    assert!(message(&folder.bake("absent")).starts_with("rumpkin-bake: absent: No such file"));
    assert!(message(&folder.bake("config")).starts_with("rumpkin-bake: config: not an ELF file"));
    folder.bake("kernel");
    assert!(message(&folder.bake("image")).contains("image: already has a payload"));
    fs::write(folder.path("config"), "{").unwrap();
    assert!(message(&folder.bake("kernel")).starts_with("rumpkin-bake: config: is not valid JSON: "));
    fs::write(folder.path("config"), r#"{"hostname":""}"#).unwrap();
    let refused = "rumpkin-bake: config: configuration: hostname: must have 1 to 64 bytes, and no control characters\n";
    assert_eq!(message(&folder.bake("kernel")), refused);
    fs::write(folder.path("rootfs"), "").unwrap();
    assert!(message(&folder.bake("kernel")).contains("rootfs: not an EROFS file system; make one with mkfs.erofs"));
}

#[test]
fn a_refused_input_leaves_no_image_behind() {
    let folder = Folder::new();
    folder.bake("config");
    let mut names: Vec<_> = fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config", "kernel", "rootfs"]);
}

#[test]
fn qemu_loads_what_was_baked() {
    let qemu = Path::new("/usr/bin/qemu-system-x86_64");
    if !qemu.exists() {
        eprintln!("skipped: no {}", qemu.display());
        return;
    }
    let folder = Folder::new();
    assert!(folder.bake("kernel").status.success());
    for machine in ["pc", "q35", "microvm"] {
        let output = Command::new(qemu)
            .args(["-M", machine, "-accel", "tcg", "-m", "16", "-nodefaults", "-display", "none", "-serial", "stdio"])
            .args(["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel"])
            .arg(folder.path("image"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), r#"HEAD{"hostname":"baked"}"#, "{machine}");
        assert_eq!(output.status.code(), Some(5 << 1 | 1), "{machine}");
    }
}
