//! The reference page of the Linux ABI is made from the kernel's own table, and must be current.
//!
//! `UPDATE_DOCS=1 cargo test -p rumpkin-base --test linux_abi` writes it anew.

// What is supported is told in builds with debug assertions only.
#![cfg(debug_assertions)]

use rumpkin_spine::{Kernel, config::Config};
use rumpuser_hosted as _;
use std::{fmt::Write, fs, path::Path};

/// The folder that a component lives in, and how it registers.
type Component = (&'static str, fn(&mut Kernel));

/// The components of an image that add calls, or may.
const COMPONENTS: [Component; 12] = [
    ("vfs", rumpkin_vfs::register),
    ("erofs", rumpkin_erofs::register),
    ("tmpfs", rumpkin_tmpfs::register),
    ("proc", rumpkin_proc::register),
    ("dev", rumpkin_dev::register),
    ("process", rumpkin_process::register),
    ("signal", rumpkin_signal::register),
    ("mmap", rumpkin_mmap::register),
    ("system", rumpkin_system::register),
    ("event", rumpkin_event::register),
    ("time", rumpkin_time::register),
    ("net", rumpkin_net::register),
];

const HEAD: &str = "# The Linux ABI

Made from the kernel's own table by `layers/5-base/tests/linux_abi.rs`; do not edit. x86-64 only. What is not listed returns
`ENOSYS`, and is logged once, by name, as a warning; at level debug if it is one that runtimes make to ask whether it is there (io_uring, memory protection keys).

`int 0x80` raises `SIGSEGV`, as on a Linux without 32-bit calls. `ARCH_SET_GS` is refused: GS belongs to the kernel. There is one address space: what needs fork(2) gets `ENOSYS` and a line in the
log that says so.

| number | call | component | what is supported, where that is not all |
|---:|---|---|---|
";

fn page() -> String {
    let mut page = String::from(HEAD);
    let mut calls = Vec::new();
    for (component, register) in COMPONENTS {
        let mut kernel = Kernel::new(Config::default(), rumpuser::device::take());
        register(&mut kernel);
        calls.extend(kernel.table().calls().map(|call| (call, component)));
    }
    calls.sort_by_key(|(call, _)| call.number);
    for (call, component) in calls {
        writeln!(page, "| {} | `{}` | {component} | {} |", call.number, call.name(), call.support).unwrap();
    }
    page
}

#[test]
fn reference_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/linux-abi.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == page,
        "docs/linux-abi.md is not current: UPDATE_DOCS=1 cargo test -p rumpkin-base --test linux_abi"
    );
}

/// The list of components is the image's manifest. A file system may add no calls, and need not be on the page.
#[test]
fn no_component_is_left_out() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs/image/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let components: Vec<(&str, &str)> = manifest
        .lines()
        .filter_map(|line| {
            let (name, of) = line.split_once(" = {")?;
            let (_, path) = of.split_once("path = \"../../layers/4-kernel/")?;
            Some((name, path.split('"').next()?))
        })
        .collect();
    assert!(!components.is_empty());
    for (name, path) in &components {
        assert!(
            path.starts_with("fs/") || COMPONENTS.iter().any(|(known, _)| known == name),
            "{name} is not on the page"
        );
    }
    for (known, _) in COMPONENTS {
        assert!(components.iter().any(|(name, _)| *name == known), "{known} is in no image");
    }
}

#[test]
fn no_call_is_registered_twice() {
    let page = page();
    let mut numbers: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let all = numbers.len();
    numbers.dedup_by_key(|line| line.split('|').nth(1).unwrap_or_default());
    assert_eq!(numbers.len(), all);
}
