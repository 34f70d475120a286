//! Replays the inputs that are kept, each target's in its folder of `corpus`, and mutants of them.
//!
//! A mutant follows from its number: 0 to 49, or `RUMPKIN_MUTANT` alone. This is no fuzzer, which would know what an input reaches;
//! but it needs no C++.

use rumpkin_fuzz::Target;
use rumpuser_hosted::Random;
use std::{
    env, fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

/// Mutants of a usual run.
const MUTANTS: u64 = 50;
/// No mutant is longer.
const LONGEST: usize = 65536;

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

/// A number that the environment gives.
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// An input with a few changes: bytes and bits of it, pieces of others, left out, moved or said twice.
fn mutant(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let any = |random: &mut Random| &inputs[random.below(inputs.len() as u64) as usize];
    let mut data = any(random).clone();
    for _ in 0..=random.below(6) {
        let at = random.below(data.len() as u64 + 1) as usize;
        let end = at + random.below((data.len() - at).min(64) as u64 + 1) as usize;
        match random.below(8) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 if at < data.len() => data[at] = random.next() as u8,
            2 => data[at..end].fill([0, 0xff][random.below(2) as usize]),
            3 => drop(data.drain(at..end)),
            4 => data.insert(at, random.next() as u8),
            5 => {
                let piece = data[at..end].to_vec();
                let to = random.below(data.len() as u64 + 1) as usize;
                data.splice(to..to, piece);
            }
            6 => {
                let other = any(random);
                let from = random.below(other.len() as u64 + 1) as usize;
                let length = random.below((other.len() - from).min(256) as u64 + 1) as usize;
                data.splice(at..end, other[from..from + length].iter().copied());
            }
            _ => data.extend_from_slice(any(random)),
        }
    }
    data.truncate(LONGEST);
    data
}

fn try_mutants(name: &str) {
    let target = rumpkin_fuzz::target(name).unwrap();
    let inputs: Vec<_> = inputs(target).iter().map(|path| fs::read(path).unwrap()).collect();
    let seeds = number("RUMPKIN_MUTANT").map_or(0..MUTANTS, |one| one..one + 1);
    let mut failed = Vec::new();
    for seed in seeds {
        let data = mutant(&inputs, &mut Random::new(seed));
        if catch_unwind(|| (target.run)(&data)).is_err() {
            let path = env::temp_dir().join(format!("rumpkin-{name}-{seed}"));
            fs::write(&path, &data).unwrap();
            eprintln!("{name} fails on mutant {seed}, {}; replay it with", path.display());
            eprintln!("  RUMPKIN_MUTANT={seed} cargo test -p rumpkin-fuzz mutants::{name}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "{name} fails on the mutants {failed:?}");
}

macro_rules! replay {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        mod mutants {
            $(#[test] fn $name() { super::try_mutants(stringify!($name)); })*
        }

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<_> = rumpkin_fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

replay! { packets dhcp dns configuration elf rootfs calls }
