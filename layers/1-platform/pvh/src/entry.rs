//! From the first instruction to the image's main function.

use crate::{
    checksum, memory_map, note, place,
    start_info::{Physical, StartInfo},
};
use core::{arch::global_asm, ops::Range, slice};
use rumpkin_core::for_platform::sync::Once;
use rumpkin_core::for_platform::{
    boot::{BootInfo, ImageLayout, PhysicalRange},
    layout::{self, LINK_BASE, Places, direct},
    random,
};

global_asm!(include_str!("entry.s"), options(att_syntax));

// SAFETY: the image's linker script defines the symbols, and `entry!` the function.
unsafe extern "C" {
    static __text_start: u8;
    static __text_end: u8;
    static __rodata_start: u8;
    static __rodata_end: u8;
    static __data_start: u8;
    static __data_end: u8;
    static __relocations_start: u64;
    static __relocations_end: u64;
}

// SAFETY: in the entry code; never comes back.
unsafe extern "C" {
    safe fn rumpkin_pvh_damaged() -> !;
}

// SAFETY: defined by `entry!` with this signature.
unsafe extern "Rust" {
    safe fn rumpkin_image_main(boot: BootInfo) -> !;
}

/// The first 4 GiB, as the entry code has mapped them.
struct BootMap;

impl Physical for BootMap {
    fn bytes(&self, start: u64, length: usize) -> Option<&'static [u8]> {
        let end = start.checked_add(length as u64)?;
        if start == 0 || end > 1 << 32 {
            return None;
        }
        // SAFETY: mapped by the entry code. What the loader has put there is read before any of it is given away.
        Some(unsafe { slice::from_raw_parts(direct(start) as *const u8, length) })
    }
}

impl checksum::Memory for BootMap {
    fn bytes(&self, range: Range<u64>) -> &[u8] {
        // SAFETY: mapped by the entry code, and not written to until it has been looked at.
        unsafe { slice::from_raw_parts(direct(range.start) as *const u8, (range.end - range.start) as usize) }
    }
}

static COPY: Once<StartInfo> = Once::new();

/// Where the entry code arrives in long mode, with the image where it is linked: looks whether that is whole, and gives the kernel's
/// half its place. By so much the image has moved then.
///
/// # Safety
/// The tables, at their physical address, are the entry's and in force; it is the first time.
#[unsafe(no_mangle)]
unsafe extern "C" fn rumpkin_pvh_place(tables: *mut place::Tables, entered_at: u64) -> usize {
    let image = layout();
    let end = image.data.end();
    if let Some(sums) = note::checksums()
        && !checksum::is_whole(&BootMap, &sums, &(image.text.start..end), (sums.words as usize - LINK_BASE) as u64)
    {
        rumpkin_pvh_damaged();
    }
    let places = Places::choose(random::from_processor().unwrap_or(entered_at), end as usize);
    // SAFETY: nobody else refers to them; what is added maps what was not mapped.
    place::map(unsafe { &mut *tables }, &places, end as usize);
    let (relocations, end) = (address!(__relocations_start) as *const u64, address!(__relocations_end) as *const u64);
    // SAFETY: the linker script's bounds.
    let relocations = unsafe { slice::from_raw_parts(relocations, end.offset_from_unsigned(relocations)) };
    let slide = places.image - LINK_BASE;
    place::relocate(relocations, |linked| {
        let word = linked as *mut usize;
        // SAFETY: a word of the image, which holds an address as it was linked, and leads to the same from now on.
        unsafe { *word = (*word).wrapping_add(slide) }
    });
    places.establish();
    slide
}

/// Where the entry code arrives in the kernel's half.
#[unsafe(no_mangle)]
extern "C" fn rumpkin_pvh_main(start_info: u64, entered_at: u64) -> ! {
    let image = layout();
    // What the loader left is copied, since its memory will be used for other things. Without it there is no console to
    // complain to; core ends the machine for lack of memory.
    let info = COPY.call_once(|| {
        let mut info = StartInfo::parse(&BootMap, start_info).unwrap_or_default();
        if info.memory().is_empty() {
            memory_map::ask(&mut info);
        }
        info
    });
    rumpkin_image_main(BootInfo {
        entered_at,
        protocol: "PVH",
        command_line: info.command_line(),
        memory: info.memory(),
        modules: info.modules(),
        rsdp: info.rsdp(),
        image,
        payload: note::payload(info.memory(), image.data.end()),
    })
}

fn layout() -> ImageLayout {
    let range = |start: usize, end: usize| PhysicalRange {
        start: (start - layout::image()) as u64,
        length: (end - start) as u64,
    };
    ImageLayout {
        text: range(address!(__text_start), address!(__text_end)),
        rodata: range(address!(__rodata_start), address!(__rodata_end)),
        data: range(address!(__data_start), address!(__data_end)),
    }
}
