//! A kernel made by hand: 32-bit PVH code that prints its payload on the serial port and ends the machine.
use rumpkin_format::{
    Checksums, Header, KERNEL_BASE, NOTE_NAME, NOTE_TYPE_CHECKSUMS, NOTE_TYPE_MANIFEST, NOTE_TYPE_PAYLOAD, PAGE_SIZE,
    Payload, Segment,
};
use rumpkin_format::{SEGMENT_SIZE, SegmentKind};

/// Where the kernel is loaded and entered.
const ENTRY: u64 = 0x10_0000;
/// Where its notes are loaded.
const NOTES: u64 = ENTRY + PAGE_SIZE;
/// From the beginning of the notes to the payload note's descriptor: 24 bytes of PVH note, 12 of header, 8 of name.
const DESCRIPTOR: u32 = NOTES as u32 + 44;

fn note(name: &[u8], kind: u32, descriptor: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [name.len() as u32, descriptor.len() as u32, kind] {
        note.extend(word.to_le_bytes());
    }
    note.extend(name);
    note.extend(descriptor);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// `mov esi, [address]; mov ecx, [size]`, then every byte to the serial port.
fn print(address: u32, size: u32) -> Vec<u8> {
    let mut code = vec![0x8b, 0x35];
    code.extend(address.to_le_bytes());
    code.extend([0x8b, 0x0d]);
    code.extend(size.to_le_bytes());
    // mov dx, 0x3f8; jecxz end; next: lodsb; out dx, al; loop next; end:
    code.extend([0x66, 0xba, 0xf8, 0x03, 0xe3, 0x04, 0xac, 0xee, 0xe2, 0xfc]);
    code
}

/// The kernel's ELF file. Run, it prints the first 4 bytes of the root file system and the whole configuration,
/// writes `exit 5` to the status port, and ends QEMU through `isa-debug-exit`.
pub fn kernel() -> Vec<u8> {
    let mut code = vec![];
    for byte in *b"exit 5\n" {
        code.extend([0xb0, byte, 0xe6, 0xe9]);
    }
    // mov al, 5; out 0xf4, al
    code.extend([0xb0, 5, 0xe6, 0xf4]);
    kernel_that_ends(&code)
}

/// A kernel that prints the same, then runs `ending`, and then stands still.
pub fn kernel_that_ends(ending: &[u8]) -> Vec<u8> {
    let mut code = print(DESCRIPTOR, DESCRIPTOR + 8);
    // Of the root file system only four bytes: mov ecx, 4 (padded with a nop) instead of mov ecx, [size].
    code[6..12].copy_from_slice(&[0xb9, 4, 0, 0, 0, 0x90]);
    code.extend(print(DESCRIPTOR + 16, DESCRIPTOR + 24));
    code.extend(ending);
    // stand: cli; hlt; jmp stand
    code.extend([0xfa, 0xf4, 0xeb, 0xfc]);
    let notes = [
        note(b"Xen\0", 18, &ENTRY.to_le_bytes()),
        note(NOTE_NAME, NOTE_TYPE_PAYLOAD, &Payload::default().encode()),
        note(NOTE_NAME, NOTE_TYPE_CHECKSUMS, &Checksums::default().encode()),
        note(NOTE_NAME, NOTE_TYPE_MANIFEST, br#"{"version":"test","platforms":["hw"],"components":[]}"#),
    ]
    .concat();

    let load = |offset: u64, address: u64, size: usize, flags| Segment {
        kind: SegmentKind::Load,
        flags,
        offset,
        virtual_address: KERNEL_BASE + address,
        physical_address: address,
        file_size: size as u64,
        memory_size: size as u64,
        align: PAGE_SIZE,
    };
    let bss = Segment { file_size: 0, memory_size: 0x1234, ..load(0x3000, ENTRY + 0x2000, 0, 6) };
    let note_segment = Segment { kind: SegmentKind::Note, align: 4, ..load(0x2000, NOTES, notes.len(), 4) };
    let segments = [load(0x1000, ENTRY, code.len(), 5), load(0x2000, NOTES, notes.len(), 4), bss, note_segment];

    let mut file = vec![0; 0x3000];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (offset, value) in [(16, 2), (18, 62), (20, 1), (52, 64), (54, SEGMENT_SIZE as u8)] {
        file[offset] = value;
    }
    file[24..32].copy_from_slice(&(KERNEL_BASE + ENTRY).to_le_bytes());
    Header { segments_offset: 64, segments_count: segments.len() as u16 }.patch(&mut file).unwrap();
    for (slot, segment) in file[64..].chunks_exact_mut(SEGMENT_SIZE).zip(&segments) {
        slot.copy_from_slice(&segment.encode());
    }
    file[0x1000..][..code.len()].copy_from_slice(&code);
    file[0x2000..][..notes.len()].copy_from_slice(&notes);
    file
}

/// The beginning of an EROFS file system of `size` bytes (at least 2048) that begins with `HEAD`.
pub fn rootfs(size: usize) -> Vec<u8> {
    let mut rootfs = vec![0; size];
    rootfs[..4].copy_from_slice(b"HEAD");
    rootfs[1024..1028].copy_from_slice(&0xe0f5_e1e2_u32.to_le_bytes());
    rootfs[1036] = 12;
    rootfs
}
