//! No file uses one that uses it, be it by way of others.

use rumpkin_structure::{Crate, circles};

/// The crates that are free of circles, and stay so.
const CRATES: &[&str] = &[
    "layers/0-vocabulary",
    "layers/1-platform/pvclock",
    "layers/1-platform/pvh",
    "layers/2-core",
    "layers/3-rumpuser/core",
    "layers/3-rumpuser/interface",
    "layers/4-kernel/configuration",
    "layers/4-kernel/exec",
    "layers/4-kernel/mmap",
    "layers/4-kernel/signal",
    "layers/4-kernel/spine",
    "layers/4-kernel/system",
    "layers/4-kernel/time",
];

#[test]
fn files_do_not_use_each_other_in_circles() {
    let found = |path| circles(&Crate::read(path)).into_iter().map(move |found| format!("{path}: {found}\n"));
    let lines: String = CRATES.iter().copied().flat_map(found).collect();
    assert!(lines.is_empty(), "circles:\n{lines}");
}
