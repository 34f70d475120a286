//! The ELF notes that whoever bakes an image fills in, after linking: where the payload is, and the checksums (docs/image.md).

use core::{mem::offset_of, ptr};
use rumpkin_core::for_platform::boot::{MemoryKind, MemoryRegion, Payload, PhysicalRange};
use rumpkin_core::for_platform::layout::PAGE_SIZE;

/// An ELF note (System V gABI, chapter 5) with some words in its descriptor.
#[repr(C)]
struct Note<const WORDS: usize> {
    name_size: u32,
    descriptor_size: u32,
    kind: u32,
    name: [u8; 8],
    /// Little-endian. The words are not aligned, so they are kept as bytes.
    words: [[u8; 8]; WORDS],
}

impl<const WORDS: usize> Note<WORDS> {
    const fn new(kind: u32) -> Self {
        let descriptor_size = (WORDS * 8) as u32;
        Note { name_size: 8, descriptor_size, kind, name: *b"Rumpkin\0", words: [[0; 8]; WORDS] }
    }

    /// Reads the words of one of the statics below.
    fn read(address: usize) -> [u64; WORDS] {
        let words = (address + offset_of!(Self, words)) as *const [[u8; 8]; WORDS];
        // SAFETY: a static of ours; volatile because it was changed behind the compiler's back.
        unsafe { ptr::read_volatile(words) }.map(u64::from_le_bytes)
    }
}

/// Address and size of the root file system, address and size of the configuration.
#[used]
#[unsafe(link_section = ".note.rumpkin")]
static PAYLOAD: Note<4> = Note::new(1);

/// Checksum of the file, that of what is in memory, and three times address and size of a part of the kernel.
#[used]
#[unsafe(link_section = ".note.rumpkin")]
static CHECKSUMS: Note<8> = Note::new(3);

/// What an image was baked with.
pub(crate) struct Checksums {
    /// Of the parts of the kernel without these words, and of the configuration.
    pub(crate) kernel: u64,
    /// The parts of the kernel.
    pub(crate) extents: [PhysicalRange; 3],
    /// Where these words are.
    pub(crate) words: *const u8,
    /// The configuration.
    pub(crate) configuration: PhysicalRange,
}

/// The bytes that the words of the checksum note take.
pub(crate) const CHECKSUMS_SIZE: usize = 64;

/// What the notes say for the check; `None` if the kernel has not been baked.
pub(crate) fn checksums() -> Option<Checksums> {
    let words = Note::<8>::read(address!(CHECKSUMS));
    let [_, kernel, text, text_size, rodata, rodata_size, data, data_size] = words;
    let [_, _, configuration, configuration_size] = Note::<4>::read(address!(PAYLOAD));
    let extents = [(text, text_size), (rodata, rodata_size), (data, data_size)];
    (words != [0; 8]).then(|| Checksums {
        kernel,
        extents: extents.map(|(start, length)| PhysicalRange { start, length }),
        words: (address!(CHECKSUMS) + offset_of!(Note<8>, words)) as *const u8,
        configuration: PhysicalRange { start: configuration, length: configuration_size },
    })
}

/// What was baked in. A part that does not lie on a page in `memory` behind the kernel, which ends at `kernel_end`, cannot have
/// been loaded, whatever the note says, and is left out.
pub(crate) fn payload(memory: &[MemoryRegion], kernel_end: u64) -> Payload {
    let [rootfs, rootfs_size, configuration, configuration_size] = Note::<4>::read(address!(PAYLOAD));
    let loaded = |start: u64, length: u64| match start.checked_add(length) {
        Some(end) if is_loaded(start, end, memory, kernel_end) => PhysicalRange { start, length },
        _ => PhysicalRange::default(),
    };
    Payload { root_file_system: loaded(rootfs, rootfs_size), configuration: loaded(configuration, configuration_size) }
}

fn is_loaded(start: u64, end: u64, memory: &[MemoryRegion], kernel_end: u64) -> bool {
    let holds = |region: &MemoryRegion| {
        region.kind == MemoryKind::Ram && region.range.start <= start && end <= region.range.end()
    };
    start.is_multiple_of(PAGE_SIZE as u64) && start >= kernel_end && memory.iter().any(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_memory_behind_the_kernel_is_loaded() {
        let region = |start, length, kind| MemoryRegion { range: PhysicalRange { start, length }, kind };
        let memory = [region(0, 0x10_0000, MemoryKind::Ram), region(0x10_0000, 0x70_0000, MemoryKind::Ram)];
        let loaded = |start, end| is_loaded(start, end, &memory, 0x20_0000);
        assert!(loaded(0x20_0000, 0x20_0001) && loaded(0x20_0000, 0x80_0000));
        assert!(!loaded(0x20_0008, 0x20_0010), "not on a page");
        assert!(!loaded(0x1f_f000, 0x20_0000), "over the kernel");
        assert!(!loaded(0x20_0000, 0x80_0001) && !loaded(0x90_0000, 0x90_1000), "behind the end");
        let reserved = [region(0x20_0000, 0x1000, MemoryKind::Reserved)];
        assert!(!is_loaded(0x20_0000, 0x20_1000, &reserved, 0), "not memory");
    }
}
