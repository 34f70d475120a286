//! The state of the vector registers, as the processor saves and loads it (Intel SDM vol. 1, chapter 13).

use super::{cpuid::cpuid, layout::PAGE_SIZE};
use crate::{memory::heap, sync::Once};
use alloc::alloc::{alloc_zeroed, dealloc};
use core::{alloc::Layout, arch::asm, ptr::NonNull};
use rumpkin_vocabulary::OutOfMemory;
use x86_64::registers::{
    control::{Cr0, Cr0Flags, Cr4, Cr4Flags},
    xcontrol::{XCr0, XCr0Flags},
};

/// The legacy area that `fxsave` writes, also the first part of an XSAVE area.
const LEGACY_SIZE: usize = 512;
const CONTROL_WORD: u16 = 0x37f;
const MXCSR: u32 = 0x1f80;
const MXCSR_OFFSET: usize = 24;
const MXCSR_MASK_OFFSET: usize = 28;
/// The XSAVE header's words behind the legacy area: which components are there, and what must be 0.
const HEADER: usize = 64;

#[derive(Clone, Copy)]
struct Format {
    /// Components enabled in XCR0; 0 where there is no XSAVE.
    components: u64,
    size: usize,
    /// Bits of MXCSR that may be set.
    mxcsr_mask: u32,
}

static FORMAT: Once<Format> = Once::new();

fn format() -> Format {
    FORMAT.get().copied().unwrap_or(Format { components: 0, size: LEGACY_SIZE, mxcsr_mask: 0xffff })
}

/// Enables all vector state that the processor has, on the calling CPU.
pub(crate) fn initialize() {
    const XSAVE: u32 = 1 << 26;
    let xsave = cpuid(1, 0).ecx & XSAVE != 0;
    // SAFETY: the kernel itself uses no vector registers; these settings are what user code expects of an OS.
    unsafe {
        Cr0::update(|flags| {
            flags.remove(Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED);
            flags.insert(Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR);
        });
        Cr4::update(|flags| {
            flags.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE);
            flags.set(Cr4Flags::OSXSAVE, xsave);
        });
    }
    let (components, size) = if xsave { enable_xsave() } else { (0, LEGACY_SIZE) };
    let mut area = Area::new().expect("no memory for vector state");
    // SAFETY: the area has at least the legacy size; `fninit` sets a valid state.
    unsafe {
        asm!("fninit", "fxsave64 [{}]", in(reg) area.as_mut_ptr(), options(nostack));
    }
    let mask = area
        .bytes()
        .get(MXCSR_MASK_OFFSET..MXCSR_MASK_OFFSET + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes);
    FORMAT.call_once(|| Format { components, size, mxcsr_mask: if mask == 0 { 0xffbf } else { mask } });
}

fn enable_xsave() -> (u64, usize) {
    let known = XCr0Flags::X87
        | XCr0Flags::SSE
        | XCr0Flags::AVX
        | XCr0Flags::OPMASK
        | XCr0Flags::ZMM_HI256
        | XCr0Flags::HI16_ZMM;
    let offered = cpuid(0xd, 0);
    let mut wanted = known & XCr0Flags::from_bits_truncate(u64::from(offered.eax));
    let avx512 = XCr0Flags::OPMASK | XCr0Flags::ZMM_HI256 | XCr0Flags::HI16_ZMM;
    if !wanted.contains(avx512 | XCr0Flags::AVX) {
        wanted.remove(avx512);
    }
    // SAFETY: a combination that the processor offers and the SDM allows.
    unsafe { XCr0::write(wanted) };
    // EBX is the size for what XCR0 now enables.
    (wanted.bits(), cpuid(0xd, 0).ebx as usize)
}

/// Bytes of a saved state (XSAVE area in standard format), a multiple of 64.
pub fn size() -> usize {
    format().size.next_multiple_of(64)
}

/// A thread's saved state.
pub(crate) struct Area(NonNull<u8>, Layout);

// SAFETY: plain memory that the value owns.
unsafe impl Send for Area {}

impl Area {
    /// The state that a program starts with.
    pub(crate) fn new() -> Result<Area, OutOfMemory> {
        // Room for any processor while the format is not yet known.
        let size = FORMAT.get().map_or(4096, |_| size());
        let Ok(layout) = Layout::from_size_align(size, 64) else {
            unreachable!("sizes of vector state are small");
        };
        // Its alignment may cost it a page.
        heap::ensure(PAGE_SIZE)?;
        // SAFETY: the size is not 0. Zeroed, so that it can be lent as bytes.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(OutOfMemory)?;
        let mut area = Area(memory, layout);
        area.reset();
        Ok(area)
    }

    pub(super) fn reset(&mut self) {
        let bytes = self.bytes_mut();
        bytes.fill(0);
        bytes[..2].copy_from_slice(&CONTROL_WORD.to_le_bytes());
        bytes[MXCSR_OFFSET..MXCSR_OFFSET + 4].copy_from_slice(&MXCSR.to_le_bytes());
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_ptr()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the value owns this memory, which is initialized.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr(), self.1.size()) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_ptr(), self.1.size()) }
    }

    pub(super) fn save(&mut self) {
        let Format { components, .. } = format();
        // SAFETY: the area is 64-byte aligned and has the format's size.
        unsafe {
            if components != 0 {
                asm!("xsave64 [{}]", in(reg) self.0.as_ptr(), in("eax") components as u32, in("edx") (components >> 32) as u32, options(nostack));
            } else {
                asm!("fxsave64 [{}]", in(reg) self.0.as_ptr(), options(nostack));
            }
        }
    }

    /// Loads the state, which is one that the processor takes: saved by it, initial, or checked.
    pub(super) fn load(&self) {
        let Format { components, .. } = format();
        // SAFETY: as in `save`; the kernel uses none of the registers.
        unsafe {
            if components != 0 {
                asm!("xrstor64 [{}]", in(reg) self.0.as_ptr(), in("eax") components as u32, in("edx") (components >> 32) as u32, options(nostack));
            } else {
                asm!("fxrstor64 [{}]", in(reg) self.0.as_ptr(), options(nostack));
            }
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.0.as_ptr(), self.1) };
    }
}

/// As much of it as a saved state takes, if the processor would take it.
pub(super) fn checked(area: &[u8]) -> Option<&[u8]> {
    let area = area.get(..size())?;
    is_valid(area, format()).then_some(area)
}

/// Whether `xrstor` or `fxrstor` would take it without a fault (Intel SDM vol. 1, §13.8).
fn is_valid(area: &[u8], format: Format) -> bool {
    let word = |offset: usize| {
        let bytes = area.get(offset..offset + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let Some(mxcsr) = word(MXCSR_OFFSET) else {
        return false;
    };
    if mxcsr as u32 & !format.mxcsr_mask != 0 {
        return false;
    }
    if format.components == 0 {
        return true;
    }
    let header = |index: usize| word(LEGACY_SIZE + 8 * index);
    header(0).is_some_and(|present| present & !format.components == 0)
        && (1..HEADER / 8).all(|index| header(index) == Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const XSAVE: Format = Format { components: 7, size: 832, mxcsr_mask: 0xffff };

    #[test]
    fn state_with_unknown_components_or_reserved_bits_is_refused() {
        let good = vec![0; 832];
        assert!(is_valid(&good, XSAVE));
        for (offset, value) in [(512, 8), (520, 1), (575, 1), (26, 1)] {
            let mut bad = good.clone();
            bad[offset] = value;
            assert!(!is_valid(&bad, XSAVE), "{offset}");
        }
        assert!(!is_valid(&good[..540], XSAVE));
    }
}
