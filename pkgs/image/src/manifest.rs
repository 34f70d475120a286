//! The ELF note that says what the image is made of, for `rumpkin inspect` (docs/image.md).

/// The manifest of a list of platforms and components, each a string literal.
macro_rules! manifest {
    (platforms: [$platform:literal $(, $more_platforms:literal)*], components: [$component:literal $(, $more:literal)*]) => {
        concat!(
            "{\"version\":\"", env!("CARGO_PKG_VERSION"),
            "\",\"platforms\":[\"", $platform, "\"", $(",\"", $more_platforms, "\"",)*
            "],\"components\":[\"", $component, "\"", $(",\"", $more, "\"",)* "]}"
        )
    };
}
pub(crate) use manifest;

/// Room for the text, in whole words as the format wants it; what is not used is zero.
const ROOM: usize = crate::composition::MANIFEST.len().next_multiple_of(4);

/// An ELF note (System V gABI, chapter 5).
#[repr(C)]
struct Note {
    name_size: u32,
    descriptor_size: u32,
    kind: u32,
    name: [u8; 8],
    text: [u8; ROOM],
}

const MANIFEST: u32 = 2;

#[used]
#[unsafe(link_section = ".note.rumpkin")]
static NOTE: Note = Note {
    name_size: 8,
    descriptor_size: ROOM as u32,
    kind: MANIFEST,
    name: *b"Rumpkin\0",
    text: padded(crate::composition::MANIFEST.as_bytes()),
};

const fn padded(text: &[u8]) -> [u8; ROOM] {
    let mut room = [0; ROOM];
    let (used, _) = room.split_at_mut(text.len());
    used.copy_from_slice(text);
    room
}
