//! The tree of files against the host's own: the same calls give the same results, errors included.

mod common;

use common::Guest;
use proptest::prelude::*;
use rumpkin_abi::{Errno, linux::general};
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, symlink},
    path::{Path, PathBuf},
};

/// Both trees are used this deep, so that no `..` leads out of them.
const DEPTH: usize = 12;

/// A call, on paths below the folder that is the test's.
#[derive(Debug, Clone)]
enum Step {
    Write { path: String, length: usize },
    Append { path: String, length: usize },
    CreateNew(String),
    Read(String),
    Truncate(String, u64),
    Mkdir(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    Readlink(String),
    Stat(String),
    Lstat(String),
    List(String),
}

/// Few names, so that paths meet.
fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![8 => Just("x"), 8 => Just("y"), 4 => Just("z"), 1 => Just("."), 2 => Just("..")];
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    // Now and then a slash behind it.
    (path, prop::bool::weighted(0.05)).prop_map(|(path, slash)| if slash { path + "/" } else { path })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (path(), 0usize..9000).prop_map(|(path, length)| Step::Write { path, length }),
        1 => (path(), 0usize..5000).prop_map(|(path, length)| Step::Append { path, length }),
        1 => path().prop_map(Step::CreateNew),
        2 => path().prop_map(Step::Read),
        1 => (path(), 0u64..9000).prop_map(|(path, length)| Step::Truncate(path, length)),
        4 => path().prop_map(Step::Mkdir),
        1 => path().prop_map(Step::Rmdir),
        2 => path().prop_map(Step::Unlink),
        4 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (path(), path()).prop_map(|(from, to)| Step::Link(from, to)),
        3 => (path(), path()).prop_map(|(target, path)| Step::Symlink(target, path)),
        1 => path().prop_map(Step::Readlink),
        2 => path().prop_map(Step::Stat),
        1 => path().prop_map(Step::Lstat),
        1 => path().prop_map(Step::List),
    ]
}

/// What a call gives: an error's number, or what can be seen.
type Outcome = Result<Vec<u8>, i32>;

fn text(text: String) -> Vec<u8> {
    text.into_bytes()
}

/// The host.
struct Host(PathBuf);

impl Host {
    fn perform(&self, step: &Step) -> Outcome {
        let at = |path: &str| {
            // Not `join`, which would clean up what is to be tested.
            PathBuf::from(format!("{}/{path}", self.0.display()))
        };
        self.call(step, &at).map_err(|error| error.raw_os_error().unwrap_or(-1))
    }

    fn call(&self, step: &Step, at: &dyn Fn(&str) -> PathBuf) -> io::Result<Vec<u8>> {
        let nothing = |()| Vec::new();
        let write = |options: &mut fs::OpenOptions, path: &str, length: usize| {
            io::Write::write_all(&mut options.open(at(path))?, &content(length)).map(nothing)
        };
        match step {
            Step::Write { path, length } => {
                write(fs::OpenOptions::new().write(true).create(true).truncate(true), path, *length)
            }
            Step::Append { path, length } => write(fs::OpenOptions::new().append(true), path, *length),
            Step::CreateNew(path) => fs::File::create_new(at(path)).map(|_| Vec::new()),
            Step::Read(path) => fs::read(at(path)),
            Step::Truncate(path, length) => {
                fs::OpenOptions::new().write(true).open(at(path))?.set_len(*length).map(nothing)
            }
            Step::Mkdir(path) => fs::create_dir(at(path)).map(nothing),
            Step::Rmdir(path) => fs::remove_dir(at(path)).map(nothing),
            Step::Unlink(path) => fs::remove_file(at(path)).map(nothing),
            Step::Rename(from, to) => fs::rename(at(from), at(to)).map(nothing),
            Step::Link(from, to) => fs::hard_link(at(from), at(to)).map(nothing),
            Step::Symlink(target, path) => symlink(target, at(path)).map(nothing),
            Step::Readlink(path) => fs::read_link(at(path)).map(|target| text(target.display().to_string())),
            Step::Stat(path) => fs::metadata(at(path)).map(attributes),
            Step::Lstat(path) => fs::symlink_metadata(at(path)).map(attributes),
            Step::List(path) => {
                let names = fs::read_dir(at(path))?.map(|entry| Ok(entry?.file_name().into_string().unwrap()));
                Ok(listing(names.collect::<io::Result<_>>()?))
            }
        }
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn listing(mut names: Vec<String>) -> Vec<u8> {
    names.retain(|name| name != "." && name != "..");
    names.sort();
    text(names.join(" "))
}

/// Sizes and links of directories are each file system's own affair.
fn attributes(attributes: fs::Metadata) -> Vec<u8> {
    assert!(!attributes.file_type().is_socket());
    describe(attributes.mode() & general::S_IFMT, attributes.size(), attributes.nlink())
}

fn describe(kind: u32, size: u64, links: u64) -> Vec<u8> {
    text(if kind == general::S_IFDIR { "directory".to_string() } else { format!("{kind:o} {size} {links}") })
}

/// The kernel.
fn perform(guest: &Guest, base: &str, step: &Step) -> Outcome {
    let at = |path: &str| format!("{base}/{path}");
    let nothing = |_| Vec::new();
    let write = |path: &str, flags: u32, length: usize| {
        let file = guest.open(&at(path), general::O_WRONLY | flags)?;
        let bytes = content(length);
        let done = if bytes.is_empty() { 0 } else { guest.write(file, &bytes)? };
        assert_eq!(done, length);
        guest.call("close", &[file]).map(nothing)
    };
    let result = match step {
        Step::Write { path, length } => write(path, general::O_CREAT | general::O_TRUNC, *length),
        Step::Append { path, length } => write(path, general::O_APPEND, *length),
        Step::CreateNew(path) => write(path, general::O_CREAT | general::O_EXCL, 0),
        Step::Read(path) => guest.content(&at(path)),
        Step::Truncate(path, length) => guest.open(&at(path), general::O_WRONLY).and_then(|file| {
            guest.call("ftruncate", &[file, *length as usize])?;
            guest.call("close", &[file]).map(nothing)
        }),
        Step::Mkdir(path) => guest.path("mkdir", &at(path)).map(nothing),
        Step::Rmdir(path) => guest.path("rmdir", &at(path)).map(nothing),
        Step::Unlink(path) => guest.path("unlink", &at(path)).map(nothing),
        Step::Rename(from, to) => guest.two("rename", &at(from), &at(to)).map(nothing),
        Step::Link(from, to) => guest.two("link", &at(from), &at(to)).map(nothing),
        Step::Symlink(target, path) => guest.two("symlink", target, &at(path)).map(nothing),
        Step::Readlink(path) => guest.readlink(&at(path)).map(text),
        Step::Stat(path) => guest.stat(&at(path)).map(|stat| stat_text(&stat)),
        Step::Lstat(path) => guest.lstat(&at(path)).map(|stat| stat_text(&stat)),
        Step::List(path) => guest.list(&at(path)).map(listing),
    };
    result.map_err(Errno::number)
}

fn stat_text(stat: &rumpkin_abi::Stat) -> Vec<u8> {
    describe(stat.mode & general::S_IFMT, stat.size as u64, stat.links)
}

/// Makes the folder that is the test's; below both roots it is at the same depth.
fn prepare(root: &Path, guest: &Guest) -> (Host, String) {
    let deep = ["deep"; DEPTH].join("/");
    fs::create_dir_all(root.join(&deep)).unwrap();
    let mut base = String::from("/tmp");
    for _ in 0..DEPTH {
        base += "/deep";
        guest.path("mkdir", &base).unwrap();
    }
    (Host(root.join(&deep)), base)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_tree_answers_as_linux_does(steps in prop::collection::vec(step(), 1..50)) {
        let root = tempfile::tempdir().unwrap();
        let guest = Guest::new();
        let (host, base) = prepare(root.path(), &guest);
        for step in &steps {
            prop_assert_eq!(perform(&guest, &base, step), host.perform(step), "{:?} of {:#?}", step, &steps);
        }
    }
}
