//! Images made by hand, then mutated: each is read as what it is or refused with the right error, and none panics.
use proptest::prelude::*;
use rumpkin_format::*;

const TEXT: u64 = 0x10_0000;
const ROOTFS: u64 = 0x20_0000;
const CONFIGURATION: u64 = 0x20_2000;
const PAYLOAD: Payload = Payload {
    rootfs_address: ROOTFS,
    rootfs_size: 0x2000,
    configuration_address: CONFIGURATION,
    configuration_size: 2,
};

fn note(name: &[u8], kind: u32, descriptor: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    note.extend((name.len() as u32).to_le_bytes());
    note.extend((descriptor.len() as u32).to_le_bytes());
    note.extend(kind.to_le_bytes());
    note.extend(name);
    note.extend(descriptor);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

fn load(offset: usize, address: u64, size: usize) -> Segment {
    Segment {
        kind: SegmentKind::Load,
        flags: 4,
        offset: offset as u64,
        virtual_address: KERNEL_BASE + address,
        physical_address: address,
        file_size: size as u64,
        memory_size: size as u64,
        align: PAGE_SIZE,
    }
}

fn image(notes: &[Vec<u8>], change: impl FnOnce(&mut Vec<Segment>)) -> Vec<u8> {
    let mut file = vec![0; 0x1000];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16] = 2;
    file[18] = 62;
    file[20] = 1;
    file[52] = HEADER_SIZE as u8;
    file[54] = SEGMENT_SIZE as u8;
    let notes = notes.concat();
    file.extend(&notes);
    file.resize(0x2000, 0);
    file.resize(0x4000, 0);
    file[0x2400..0x2404].copy_from_slice(&0xe0f5_e1e2_u32.to_le_bytes());
    file.extend(b"{}");
    let mut segments = vec![
        load(0x1000, TEXT, notes.len()),
        load(0x2000, ROOTFS, 0x2000),
        load(0x4000, CONFIGURATION, 2),
        Segment { kind: SegmentKind::Note, align: 4, ..load(0x1000, TEXT, notes.len()) },
    ];
    change(&mut segments);
    Header { segments_offset: 64, segments_count: segments.len() as u16 }.patch(&mut file).unwrap();
    for (index, segment) in segments.iter().enumerate() {
        let offset = 64 + index * SEGMENT_SIZE;
        file[offset..offset + SEGMENT_SIZE].copy_from_slice(&segment.encode());
    }
    file
}

fn notes() -> Vec<Vec<u8>> {
    vec![
        note(b"Xen\0", 18, &TEXT.to_le_bytes()),
        note(NOTE_NAME, NOTE_TYPE_PAYLOAD, &PAYLOAD.encode()),
        note(NOTE_NAME, NOTE_TYPE_MANIFEST, br#"{"version":1}"#),
        note(NOTE_NAME, NOTE_TYPE_CHECKSUMS, &Checksums::default().encode()),
    ]
}

fn good() -> Vec<u8> {
    image(&notes(), |_| ())
}

fn error(notes: &[Vec<u8>], change: impl FnOnce(&mut Vec<Segment>)) -> Error {
    Image::read(&image(notes, change)).unwrap_err()
}

#[test]
fn a_whole_image_is_taken_apart() {
    let file = good();
    let image = Image::read(&file).unwrap();
    assert_eq!(image.entry, TEXT as u32);
    assert_eq!(image.payload, PAYLOAD);
    assert_eq!(&file[image.payload_offset..][..PAYLOAD_SIZE], &PAYLOAD.encode());
    assert_eq!(image.manifest, Some(r#"{"version":1}"#));
    assert_eq!(image.rootfs.unwrap().len(), 0x2000);
    assert_eq!(image.configuration, Some("{}"));
    assert_eq!(image.memory_end(), CONFIGURATION + 2);
    assert!(image.is_baked());
}

#[test]
fn an_entry_of_four_bytes_is_accepted() {
    let mut notes = notes();
    notes[0] = note(b"Xen\0", 18, &(TEXT as u32).to_le_bytes());
    assert_eq!(Image::read(&image(&notes, |_| ())).unwrap().entry, TEXT as u32);
}

#[test]
fn other_files_are_named() {
    assert_eq!(Image::read(b""), Err(Error::NotElf));
    assert_eq!(Image::read(b"#!/bin/sh\n"), Err(Error::NotElf));
    assert_eq!(Image::read(b"\x7fELF\x02\x01\x01"), Err(Error::Truncated));
    let mut object = good();
    object[16] = 1;
    assert_eq!(Image::read(&object), Err(Error::NotX86_64Executable));
}

#[test]
fn a_kernel_linked_like_a_shared_object_is_one() {
    let mut kernel = good();
    kernel[16] = 3;
    assert_eq!(Image::read(&kernel), Image::read(&good()));
}

#[test]
fn missing_and_doubled_notes_are_named() {
    let all = notes();
    assert_eq!(error(&all[1..], |_| ()), Error::MissingPvhNote);
    assert_eq!(error(&all[..1], |_| ()), Error::MissingPayloadNote);
    assert_eq!(error(&all[..3], |_| ()), Error::MissingChecksumNote);
    assert_eq!(error(&[all.clone(), all].concat(), |_| ()), Error::DuplicateNote);
}

#[test]
fn malformed_notes_are_named() {
    let mut all = notes();
    all[1] = note(NOTE_NAME, NOTE_TYPE_PAYLOAD, &[0; 31]);
    assert_eq!(error(&all, |_| ()), Error::MalformedNote);
    all[1] = vec![0xff; 12];
    assert_eq!(error(&all, |_| ()), Error::MalformedNote);
    all[1] = note(NOTE_NAME, NOTE_TYPE_MANIFEST, &[0xff]);
    assert_eq!(error(&all, |_| ()), Error::InvalidText);
}

#[test]
fn impossible_segments_are_named() {
    let over = |s: &mut Vec<Segment>| {
        s[1].physical_address = TEXT;
        s[1].virtual_address = KERNEL_BASE + TEXT;
    };
    assert_eq!(error(&notes(), |s| s[1].file_size = u64::MAX), Error::SegmentOutsideFile(1));
    assert_eq!(error(&notes(), |s| s[1].memory_size = u64::MAX), Error::SegmentSize(1));
    assert_eq!(error(&notes(), |s| s[1].memory_size = 1), Error::SegmentSize(1));
    assert_eq!(error(&notes(), over), Error::OverlappingSegments(0, 1));
    assert_eq!(error(&notes(), |s| s.truncate(0)), Error::ProgramHeaders);
    let elsewhere = |s: &mut Vec<Segment>| {
        s[0].physical_address = 0x30_0000;
        s[0].virtual_address = KERNEL_BASE + 0x30_0000;
    };
    assert_eq!(error(&notes(), elsewhere), Error::MisplacedEntry);
    assert_eq!(error(&notes(), |s| s[0].physical_address = 0x30_0000), Error::SegmentPlace(0));
    assert_eq!(error(&notes(), |s| s[1].virtual_address = ROOTFS), Error::SegmentPlace(1));
    assert_eq!(error(&notes(), |s| s[1].align = 8), Error::SegmentPlace(1));
    assert_eq!(error(&notes(), |s| s[2].flags = 7), Error::SegmentPlace(2));
    assert_eq!(error(&notes(), |s| s[3].align = 8), Error::SegmentPlace(3));
}

#[test]
fn headers_are_as_every_image_has_them() {
    for (offset, value) in [(6, 2), (7, 3), (15, 1), (20, 2), (48, 1), (52, 65)] {
        let mut file = good();
        file[offset] = value;
        assert!(Image::read(&file).is_err(), "byte {offset}");
    }
}

#[test]
fn a_sealed_image_is_verified_and_a_changed_one_refused() {
    let mut file = good();
    assert_eq!(Image::read(&file).unwrap().verify(&file), Err(Error::Damaged { expected: 0, found: sum(&file) }));
    seal(&mut file).unwrap();
    let image = Image::read(&file).unwrap();
    assert_eq!(image.verify(&file), Ok(()));
    assert_eq!(image.checksums.extents[0], (TEXT, notes().concat().len() as u64));
    // A bit that no header and no note has.
    file[0x3456] ^= 4;
    let image = Image::read(&file).unwrap();
    assert_eq!(image.verify(&file), Err(Error::Damaged { expected: image.checksums.file, found: sum(&file) }));
}

/// The checksum that the file would have.
fn sum(file: &[u8]) -> u64 {
    let mut file = file.to_vec();
    seal(&mut file).unwrap();
    Image::read(&file).unwrap().checksums.file
}

#[test]
fn a_payload_that_is_not_there_is_named() {
    assert_eq!(error(&notes(), |s| drop(s.drain(1..=1))), Error::UnloadedPayload(Part::Rootfs));
    assert_eq!(error(&notes(), |s| drop(s.drain(2..=2))), Error::UnloadedPayload(Part::Configuration));
    let mut all = notes();
    all[1] = note(NOTE_NAME, 1, &Payload { rootfs_address: ROOTFS + 8, ..PAYLOAD }.encode());
    assert_eq!(error(&all, |_| ()), Error::MisplacedPayload(Part::Rootfs));
    let mut file = good();
    file[0x2400] = 0;
    assert_eq!(Image::read(&file), Err(Error::NotErofs));
}

#[test]
fn every_truncation_is_refused() {
    let file = good();
    for length in 0..file.len() {
        assert!(Image::read(&file[..length]).is_err(), "{length} bytes were accepted");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_images_never_panic(changes in prop::collection::vec((0usize..0x1100, any::<u8>()), 1..8)) {
        let mut file = good();
        for (offset, value) in changes {
            file[offset] = value;
        }
        if let Ok(image) = Image::read(&file) {
            prop_assert!(image.memory_end() <= MEMORY_LIMIT);
            prop_assert!(image.payload_offset + PAYLOAD_SIZE <= file.len());
        }
    }

    #[test]
    fn arbitrary_headers_never_panic(words in prop::collection::vec(any::<u64>(), 36)) {
        let mut file = good();
        for (index, word) in words.iter().enumerate() {
            file[32 + index * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
        file[54..58].copy_from_slice(&[56, 0, 4, 0]);
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        let _ = Image::read(&file);
    }
}
