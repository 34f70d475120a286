//! From the first instruction to the image's main function.

use crate::{
    checksum, memory_map, note,
    start_info::{Physical, StartInfo},
};
use core::{arch::global_asm, ops::Range, slice};
use rumpkin_core::sync::Once;
use rumpkin_core::{
    boot::{BootInfo, ImageLayout, PhysicalRange},
    layout::{KERNEL_BASE, direct},
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

/// Where the entry code arrives, in long mode and with a stack.
#[unsafe(no_mangle)]
extern "C" fn rumpkin_pvh_main(start_info: u64, entered_at: u64) -> ! {
    let image = layout();
    if let Some(sums) = note::checksums() {
        let kernel = image.text.start..image.data.end();
        if !checksum::is_whole(&BootMap, &sums, &kernel, (sums.words as usize - KERNEL_BASE) as u64) {
            rumpkin_pvh_damaged();
        }
    }
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
    let range = |start: *const u8, end: *const u8| PhysicalRange {
        start: (start as usize - KERNEL_BASE) as u64,
        length: (end as usize - start as usize) as u64,
    };
    ImageLayout {
        text: range(&raw const __text_start, &raw const __text_end),
        rodata: range(&raw const __rodata_start, &raw const __rodata_end),
        data: range(&raw const __data_start, &raw const __data_end),
    }
}
