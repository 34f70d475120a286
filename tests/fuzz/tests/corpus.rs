//! Replays the inputs that are kept, each target's in its folder of `corpus`.

use rumpkin_fuzz::Target;
use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

/// The target's inputs, in order of their names.
fn inputs(target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn replay(name: &str) {
    let target = rumpkin_fuzz::target(name).unwrap();
    let inputs = inputs(target);
    assert!(inputs.len() >= 5, "{name} has only {} inputs", inputs.len());
    let failed: Vec<_> =
        inputs.iter().filter(|path| catch_unwind(|| (target.run)(&fs::read(path).unwrap())).is_err()).collect();
    assert!(failed.is_empty(), "{name} fails on {failed:?}");
    println!("{name}: {} inputs", inputs.len());
}

macro_rules! replay {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<_> = rumpkin_fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

replay! { packets dhcp dns configuration elf rootfs calls }
