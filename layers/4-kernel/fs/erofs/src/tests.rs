//! The reader against both layouts, and against images that lie.

use crate::{
    format::{Erofs, FormatError},
    node::ErofsNode,
};
use alloc::{boxed::Box, collections::BTreeSet, format, string::String, sync::Arc, vec, vec::Vec};
use proptest::prelude::*;
use rumpkin_abi::Errno;
use rumpkin_mm::Mappable;
use rumpkin_spine::file::File;
use rumpkin_vfs::inode::Inode;
use rumpuser_hosted as _;

const PLAIN: &[u8] = include_bytes!("../../../vfs/tests/plain.erofs");
const INLINE: &[u8] = include_bytes!("../../../vfs/tests/inline.erofs");

fn content(node: &ErofsNode) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 1 << 16];
    let mut sink: &mut [u8] = &mut buffer;
    let length = node.read(0, &mut sink)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Goes through all that can be reached, each directory once; gives paths with their sizes.
fn explore(image: &'static [u8]) -> Result<Vec<(String, i64)>, FormatError> {
    let file_system = Erofs::new(image, 1)?;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut left = vec![(String::new(), file_system.root())];
    while let Some((path, number)) = left.pop() {
        let Ok(node) = ErofsNode::new(&file_system, number) else { continue };
        let _ = content(&node);
        let _ = (node.frame(0), node.frame(2), node.frame(u64::MAX), node.in_place(), node.above(), node.child(b"m"));
        found.push((path.clone(), node.stat().unwrap().size));
        if !node.is_directory() || !seen.insert(number) || found.len() > 2000 {
            continue;
        }
        let mut count = 0;
        let _ = node.read_directory(0, &mut |entry| {
            if entry.name != b"." && entry.name != b".." {
                left.push((format!("{path}/{}", String::from_utf8_lossy(entry.name)), entry.inode));
            }
            count += 1;
            Ok(count < 1000)
        });
    }
    found.sort();
    Ok(found)
}

fn node(image: &'static [u8], path: &str) -> ErofsNode {
    let file_system: Arc<Erofs> = Erofs::new(image, 1).unwrap();
    let mut node = ErofsNode::new(&file_system, file_system.root()).unwrap();
    for name in path.split('/') {
        node = node.child(name.as_bytes()).unwrap();
    }
    node
}

#[test]
fn both_layouts_hold_the_same_tree() {
    let plain = explore(PLAIN).unwrap();
    let files = |found: &[(String, i64)]| {
        let all = found.iter().filter(|(path, _)| path.contains('/') && !path.starts_with("/many"));
        all.map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert!(plain.contains(&("/a/b/c/d".into(), 4)) && plain.contains(&("/usr/lib/big".into(), 10001)));
    assert_eq!(files(&plain), files(&explore(INLINE).unwrap()));
    for path in ["etc/passwd", "usr/lib/big", "usr/lib/page", "empty", "a/b/c/d", "bin/tool"] {
        assert_eq!(content(&node(PLAIN, path)), content(&node(INLINE, path)), "{path}");
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let with = |at: usize, value: u8| {
        let mut image = PLAIN.to_vec();
        image[1024 + at] = value;
        explore(Box::leak(image.into_boxed_slice())).err()
    };
    assert_eq!(explore(&[]).err(), Some(FormatError::TooShort));
    assert_eq!(with(0, 0), Some(FormatError::NoMagic));
    assert_eq!(with(12, 30), Some(FormatError::BlockSize(30)));
    assert_eq!(with(80, 0x20), Some(FormatError::Features(0x20)));
    assert_eq!(with(37, 1), Some(FormatError::Truncated));
    assert_eq!(with(14, 255), Some(FormatError::Root));
    assert_eq!(explore(&PLAIN[..20000]).err(), Some(FormatError::Truncated));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Wrong bytes where they hurt most: in the superblock, in inodes, in directory entries.
    #[test]
    fn lies_are_errors_and_never_panics(
        inline: bool,
        changes in prop::collection::vec((1024usize..16384, any::<u8>()), 1..40),
        length in 1100usize..50000,
    ) {
        let mut image = if inline { INLINE.to_vec() } else { PLAIN.to_vec() };
        for (at, value) in changes {
            // The magic number stays, or most cases would end there.
            if !(1024..1028).contains(&at) {
                image[at] = value;
            }
        }
        image.truncate(length.max(8192));
        let _ = explore(Box::leak(image.into_boxed_slice()));
    }

    /// Every field of one inode or entry at a time, at its extremes.
    #[test]
    fn extreme_fields_are_harmless(inline: bool, slot in 36usize..512, field in 0usize..8, extreme in 0usize..3) {
        let mut image = if inline { INLINE.to_vec() } else { PLAIN.to_vec() };
        let at = slot * 32 + field * 4;
        image[at..at + 4].copy_from_slice(&[[0xff; 4], [0; 4], [0xff, 0xff, 0xff, 0x7f]][extreme]);
        let _ = explore(Box::leak(image.into_boxed_slice()));
    }
}
