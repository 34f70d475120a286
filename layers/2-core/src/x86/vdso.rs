//! The vDSO: code that user programs call to read the clocks without a system call.
//!
//! In a user's address space the clock page comes first and the ELF image right behind it. The page is written once and
//! never changes: the time-stamp counter tells the time alone, or else the functions fall back to system calls.

use super::layout::{self, PAGE_SIZE};
use crate::{
    clock,
    memory::{
        OutOfMemory,
        frames::{self, FrameNumber},
    },
    sync::Once,
};
use core::arch::global_asm;
use rumpkin_vocabulary::VdsoFrames;

global_asm!(include_str!("vdso.s"), options(att_syntax));

unsafe extern "C" {
    static rumpkin_vdso_begin: u8;
    static rumpkin_vdso_end: u8;
}

/// What the code reads (the offsets are in `vdso.s`).
#[repr(C)]
struct ClockPage {
    /// 1 if what follows is good.
    valid: u32,
    /// Shift of the ticks, to the left; to the right if negative.
    shift: i32,
    tsc: u64,
    nanoseconds: u64,
    multiplier: u64,
    realtime_at_boot: u64,
}

static CLOCK: Once<Option<FrameNumber>> = Once::new();

/// The vDSO of this machine. Each frame has one more owner, the caller.
pub fn vdso() -> Result<VdsoFrames, OutOfMemory> {
    let clock = CLOCK.call_once(make_clock_page).ok_or(OutOfMemory)?;
    frames::retain(clock);
    let begin = &raw const rumpkin_vdso_begin as usize;
    let end = &raw const rumpkin_vdso_end as usize;
    let code = ((begin - layout::image()) / PAGE_SIZE) as FrameNumber;
    let code_frames = (end - begin) / PAGE_SIZE;
    (code..code + code_frames as u64).for_each(frames::make_permanent);
    Ok(VdsoFrames { clock, code, code_frames })
}

fn make_clock_page() -> Option<FrameNumber> {
    let frame = frames::allocate_kernel()?;
    if let Some(scale) = clock::tsc_scale() {
        let page = ClockPage {
            valid: 1,
            shift: scale.shift,
            tsc: scale.tsc,
            nanoseconds: scale.nanoseconds,
            multiplier: u64::from(scale.multiplier),
            realtime_at_boot: clock::realtime_at_boot(),
        };
        // SAFETY: a new frame, and the structure is smaller than a page.
        unsafe { frames::address(frame).cast::<ClockPage>().write(page) };
    }
    Some(frame)
}
