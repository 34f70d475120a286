//! What baking adds, keeps and refuses.
mod common;

use common::{kernel, rootfs};
use proptest::prelude::*;
use rumpkin_bake::{Error, Parts, bake};
use rumpkin_format::{CHECKSUMS_SIZE, HEADER_SIZE, Image, KERNEL_BASE, PAGE_SIZE, PAYLOAD_SIZE};

fn parts<'a>(rootfs: &'a [u8], configuration: &'a str) -> Parts<'a> {
    Parts { rootfs: Some(rootfs), configuration: Some(configuration) }
}

#[test]
fn the_payload_comes_back_out_of_the_image() {
    let (kernel, rootfs) = (kernel(), rootfs(8192));
    let file = bake(&kernel, &parts(&rootfs, r#"{ "hostname": "a", "mounts": [] }"#)).unwrap();
    let image = Image::read(&file).unwrap();
    assert_eq!(image.rootfs, Some(&rootfs[..]));
    assert_eq!(image.configuration, Some(r#"{"hostname":"a","mounts":[]}"#));
    assert_eq!(image.entry, 0x10_0000);
    for segment in &image.segments[4..] {
        assert_eq!(segment.virtual_address, KERNEL_BASE + segment.physical_address);
        assert_eq!((segment.offset % PAGE_SIZE, segment.physical_address % PAGE_SIZE), (0, 0));
    }
    // bss ends at 0x103234.
    assert_eq!(image.payload.rootfs_address, 0x10_4000);
    assert_eq!(image.payload.configuration_address, 0x10_6000);
    assert_eq!(image.memory_end(), 0x10_7000);
}

#[test]
fn the_kernel_stays_as_it_is() {
    let (kernel, rootfs) = (kernel(), rootfs(4096));
    let before = Image::read(&kernel).unwrap();
    let file = bake(&kernel, &parts(&rootfs, "{}")).unwrap();
    let changed: Vec<usize> =
        (0..kernel.len()).filter(|&i| kernel[i] != file[i]).filter(|&i| i >= HEADER_SIZE).collect();
    let payload = before.payload_offset..before.payload_offset + PAYLOAD_SIZE;
    let checksums = before.checksums_offset..before.checksums_offset + CHECKSUMS_SIZE;
    assert!(changed.iter().all(|offset| payload.contains(offset) || checksums.contains(offset)), "{changed:x?}");
    assert_eq!(Image::read(&file).unwrap().segments[..4], before.segments);
}

#[test]
fn each_part_can_be_left_out() {
    let (kernel, rootfs) = (kernel(), rootfs(4096));
    let only_rootfs = bake(&kernel, &Parts { rootfs: Some(&rootfs), ..Parts::default() }).unwrap();
    assert_eq!(Image::read(&only_rootfs).unwrap().configuration, None);
    let only_configuration = bake(&kernel, &Parts { configuration: Some("{}"), ..Parts::default() }).unwrap();
    assert_eq!(Image::read(&only_configuration).unwrap().rootfs, None);
}

#[test]
fn bad_inputs_are_named() {
    let (kernel, rootfs) = (kernel(), rootfs(4096));
    let elf = rumpkin_format::Error::NotElf;
    assert_eq!(bake(b"no", &parts(&rootfs, "{}")), Err(Error::Kernel(elf)));
    assert_eq!(bake(&kernel, &parts(b"no", "{}")), Err(Error::NotErofs));
    assert_eq!(bake(&kernel, &parts(&[rootfs.clone(), vec![]].concat()[..1030], "{}")), Err(Error::RootfsBlockSize));
    for text in ["", "{", "[]", "3", "{} {}"] {
        assert!(matches!(bake(&kernel, &parts(&rootfs, text)), Err(Error::NotJson(_))), "{text}");
    }
    let long = format!(r#"{{"hostname":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(bake(&kernel, &parts(&rootfs, &long)), Err(Error::ConfigurationTooLarge));
    let refused = bake(&kernel, &parts(&rootfs, r#"{"network":{"gateway":"224.0.0.1"}}"#)).unwrap_err();
    let said = "configuration: network.gateway: `224.0.0.1` is a multicast address, of 224.0.0.0/4, not a router";
    assert_eq!(refused.to_string(), said);
    let baked = bake(&kernel, &parts(&rootfs, "{}")).unwrap();
    assert_eq!(bake(&baked, &parts(&rootfs, "{}")), Err(Error::AlreadyBaked));
}

#[test]
fn an_image_that_would_not_fit_is_refused() {
    let mut kernel = kernel();
    // The third program header is bss; give it all but one page of the 2 GiB window.
    let memory_size = (0x8000_0000_u64 - 0x10_2000 - PAGE_SIZE).to_le_bytes();
    kernel[64 + 2 * 56 + 40..][..8].copy_from_slice(&memory_size);
    assert!(bake(&kernel, &Parts { rootfs: Some(&rootfs(4096)), ..Parts::default() }).is_ok());
    assert_eq!(bake(&kernel, &Parts { rootfs: Some(&rootfs(4097)), ..Parts::default() }), Err(Error::TooLarge));
}

/// Every single bit of an image's headers and notes, and some of the rest.
#[test]
fn no_bit_of_an_image_can_change_unnoticed() {
    let mut file = bake(&kernel(), &parts(&rootfs(4096), r#"{"hostname":"a"}"#)).unwrap();
    assert_eq!(Image::read(&file).unwrap().verify(&file), Ok(()));
    let is_tried = |at: &usize| {
        [0..0x400, 0x2000..0x2200, file.len() - 0x200..file.len()].iter().any(|part| part.contains(at))
            || at.is_multiple_of(31)
    };
    let tried: Vec<usize> = (0..file.len()).filter(is_tried).collect();
    for at in tried {
        for bit in 0..8 {
            file[at] ^= 1 << bit;
            let verified = Image::read(&file).and_then(|image| image.verify(&file));
            assert!(verified.is_err(), "bit {bit} of byte {at:#x}");
            file[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_kernel_is_no_image() {
    let kernel = kernel();
    assert_eq!(Image::read(&kernel).unwrap().verify(&kernel), Err(rumpkin_format::Error::NotBaked));
    // Without any part it is baked all the same.
    let file = bake(&kernel, &Parts::default()).unwrap();
    assert_eq!(Image::read(&file).unwrap().verify(&file), Ok(()));
    assert_eq!(bake(&file, &Parts::default()), Err(Error::AlreadyBaked));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_payload_comes_back_and_the_same_bytes_again(tail in prop::collection::vec(any::<u8>(), 0..9000), name in "[a-z]{1,40}") {
        let rootfs = [rootfs(2048), tail].concat();
        let configuration = serde_json::json!({ "hostname": name }).to_string();
        let file = bake(&kernel(), &parts(&rootfs, &configuration)).unwrap();
        let image = Image::read(&file).unwrap();
        prop_assert_eq!(image.rootfs, Some(&rootfs[..]));
        prop_assert_eq!(image.configuration, Some(&configuration[..]));
        prop_assert_eq!(&bake(&kernel(), &parts(&rootfs, &configuration)).unwrap(), &file);
    }

    #[test]
    fn mutated_kernels_are_refused_or_baked_but_never_panic(changes in prop::collection::vec((0usize..0x2100, any::<u8>()), 1..6)) {
        let mut kernel = kernel();
        for (offset, value) in changes {
            kernel[offset] = value;
        }
        if let Ok(file) = bake(&kernel, &parts(&rootfs(4096), "{}")) {
            prop_assert!(Image::read(&file).unwrap().verify(&file).is_ok());
        }
    }
}
