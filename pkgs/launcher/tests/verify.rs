//! `inspect --verify` with a stand-in for Nix, which answers as `nix build --json` does.
#[path = "../../bake/tests/common/mod.rs"]
mod common;
mod script;

use rumpkin_bake::{Parts, bake};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const CONFIGURATION: &str = r#"{"hostname":"a","programs":[{"argv":["/bin/a"]}]}"#;

/// A folder with the image `image`, one that was `built`, and a `nix` that gives that.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("bin")).unwrap();
        folder.write("image", &common::rootfs(4096), CONFIGURATION);
        folder.write("built", &common::rootfs(4096), CONFIGURATION);
        folder.nix(&format!("echo \"$*\" >> calls; echo '{}'", folder.json("built")));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn json(&self, name: &str) -> String {
        format!(r#"[{{"drvPath":"/x.drv","outputs":{{"out":"{}"}}}}]"#, self.path(name).display())
    }

    fn write(&self, name: &str, rootfs: &[u8], configuration: &str) {
        let parts = Parts { rootfs: Some(rootfs), configuration: Some(configuration) };
        fs::write(self.path(name), bake(&common::kernel(), &parts).unwrap()).unwrap();
    }

    fn nix(&self, body: &str) {
        script::write(&self.path("bin/nix"), body);
    }

    fn verify(&self, more: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_rumpkin"))
            .args(["inspect", "--verify", "image", ".#apps.a"])
            .args(more)
            .env("PATH", self.path("bin"))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
    }
}

#[test]
fn the_same_image_is_verified() {
    let folder = Folder::new();
    let (status, said) = folder.verify(&["--", "--override-input", "nixpkgs", "."]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.ends_with("verified: image is what .#apps.a gives\n"), "{said}");
    // What is there already is built again, with the user's options.
    let calls = fs::read_to_string(folder.path("calls")).unwrap();
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls.len(), 2);
    assert!(calls[0].contains("build --no-link --json --dry-run .#apps.a --override-input nixpkgs ."), "{calls:?}");
    assert!(calls[1].contains("build --no-link --json --rebuild .#apps.a --override-input nixpkgs ."), "{calls:?}");
}

#[test]
fn what_is_not_there_is_built() {
    let folder = Folder::new();
    folder.nix(&format!(
        "echo \"$*\" >> calls; case $* in *--dry-run*) ;; *) echo > new ;; esac; echo '{}'",
        folder.json("new")
    ));
    let (status, said) = folder.verify(&[]);
    // The stand-in has made something that is no image.
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("new: not an ELF file"), "{said}");
    assert!(fs::read_to_string(folder.path("calls")).unwrap().contains("--print-build-logs"));
}

#[test]
fn every_part_that_differs_is_named() {
    let folder = Folder::new();
    let mut rootfs = common::rootfs(8192);
    rootfs[8000] = 1;
    folder.write("image", &rootfs, r#"{"hostname":"b","programs":[{"argv":["/bin/a"]}]}"#);
    let (status, said) = folder.verify(&[]);
    assert_eq!(status, Some(1), "{said}");
    for part in
        ["different: image", "root file system differs from byte 4096: 8192 bytes", r#"hostname is "b"; built: "a""#]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("kernel"), "the note with the payload's place is no difference of the kernel: {said}");

    let mut kernel = fs::read(folder.path("built")).unwrap();
    kernel[0x1000] ^= 1;
    fs::write(folder.path("image"), kernel).unwrap();
    let (status, said) = folder.verify(&[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("kernel's code    differs from byte 0"), "{said}");
    assert!(!said.contains("configuration"), "{said}");
}

#[test]
fn what_cannot_be_compared_has_a_status_of_its_own() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder")).unwrap();
    for (body, message) in [
        ("echo \"error: flake 'x' does not provide attribute 'a'\" >&2; exit 1", "there is no such attribute"),
        ("echo 'error: syntax' >&2; exit 1", "nix could not build it"),
        ("echo '[]'", "gives 0 derivations"),
        (&format!("echo '{}'", folder.json("folder")), "gives a folder"),
        (&format!("case $* in *--rebuild*) exit 1 ;; esac; echo '{}'", folder.json("built")), "build it again"),
        (&format!("echo '{}'", folder.json("absent")), "was built into another store"),
    ] {
        folder.nix(body);
        let (status, said) = folder.verify(&[]);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(message), "{message} in {said}");
    }
    fs::remove_file(folder.path("bin/nix")).unwrap();
    let (status, said) = folder.verify(&[]);
    assert_eq!(
        (status, said.as_str()),
        (Some(2), "rumpkin: nix not found; install Nix to build what images are compared with\n")
    );
    fs::write(folder.path("image"), "text").unwrap();
    let (status, said) = folder.verify(&[]);
    assert_eq!((status, said.as_str()), (Some(2), "rumpkin: image: not an ELF file\n"));
}
