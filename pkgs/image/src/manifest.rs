//! The ELF note that says what the image is made of, for `rumpkin inspect` (docs/image.md).

use crate::composition::{COMPONENTS, PLATFORMS};

/// A text that is put together when the image is compiled.
#[derive(Clone, Copy)]
struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: usize,
}

impl<const ROOM: usize> Text<ROOM> {
    const fn put(mut self, text: &str) -> Self {
        let (_, rest) = self.bytes.split_at_mut(self.length);
        rest.split_at_mut(text.len()).0.copy_from_slice(text.as_bytes());
        self.length += text.len();
        self
    }

    /// The names, as a JSON array.
    const fn list<T>(mut self, named: &[(&str, T)]) -> Self {
        let mut index = 0;
        while index < named.len() {
            self = self.put(if index == 0 { "[\"" } else { "\",\"" }).put(named[index].0);
            index += 1;
        }
        self.put("\"]")
    }

    /// The manifest.
    const fn manifest() -> Self {
        Self { bytes: [0; ROOM], length: 0 }
            .put("{\"version\":\"")
            .put(env!("CARGO_PKG_VERSION"))
            .put("\",\"platforms\":")
            .list(PLATFORMS)
            .put(",\"components\":")
            .list(COMPONENTS)
            .put("}")
    }
}

/// Room for the text, in whole words as the format wants it; what is not used is zero.
const ROOM: usize = Text::<1024>::manifest().length.next_multiple_of(4);

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
    text: Text::manifest().bytes,
};
