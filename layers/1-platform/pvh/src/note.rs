//! The ELF note that says where the payload is. Whoever bakes an image fills it in, after linking.

use core::ptr;
use rumpkin_core::boot::{Payload, PhysicalRange};

/// An ELF note (System V gABI, chapter 5) with four words in its descriptor.
#[repr(C)]
struct Note {
    name_size: u32,
    descriptor_size: u32,
    kind: u32,
    name: [u8; 8],
    /// Little-endian: address and size of the root file system, address and size of the configuration. The words are not
    /// aligned, so they are kept as bytes.
    words: [[u8; 8]; 4],
}

const PAYLOAD: u32 = 1;

#[used]
#[unsafe(link_section = ".note.rumpkin")]
static NOTE: Note = Note { name_size: 8, descriptor_size: 32, kind: PAYLOAD, name: *b"Rumpkin\0", words: [[0; 8]; 4] };

/// What was baked in.
pub(crate) fn payload() -> Payload {
    // SAFETY: a static of ours; volatile because it was changed behind the compiler's back.
    let words = unsafe { ptr::read_volatile(&raw const NOTE.words) };
    let [rootfs, rootfs_size, configuration, configuration_size] = words.map(u64::from_le_bytes);
    Payload {
        root_file_system: PhysicalRange { start: rootfs, length: rootfs_size },
        configuration: PhysicalRange { start: configuration, length: configuration_size },
    }
}
