//! A root file system from a file of the host, where the kernel wants it: in memory, at a page's border.

use std::{fs, io, path::Path};
use zerocopy::{Immutable, IntoBytes};

/// One page.
#[derive(Clone, Immutable, IntoBytes)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// Reads an EROFS image. It stays in memory for ever, as the one that is part of an image does.
pub fn load(path: &Path) -> io::Result<&'static [u8]> {
    let bytes = fs::read(path)?;
    let pages: Vec<Page> = bytes
        .chunks(4096)
        .map(|chunk| {
            let mut page = [0; 4096];
            page[..chunk.len()].copy_from_slice(chunk);
            Page(page)
        })
        .collect();
    Ok(pages.leak().as_bytes())
}
