//! Single instructions that portable code asks for.

use super::cpuid::cpuid;
use core::arch::{asm, x86_64::_rdtsc};

pub(crate) use x86_64::instructions::interrupts;

/// The time-stamp counter, in ticks of its own; read without waiting for the instructions before it.
pub fn tsc() -> u64 {
    // SAFETY: every 64-bit processor has the instruction, and the kernel may execute it.
    unsafe { _rdtsc() }
}

/// Where the caller's stack is.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let stack: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) stack, options(nomem, nostack, preserves_flags)) };
    stack
}

/// A random word from RDSEED or RDRAND, whichever there is; `None` without either, or if the processor has none at present.
pub fn random() -> Option<u64> {
    const RDRAND: u32 = 1 << 30;
    const RDSEED: u32 = 1 << 18;
    let seed = cpuid(7, 0).ebx & RDSEED != 0;
    let random = cpuid(1, 0).ecx & RDRAND != 0;
    for _ in 0..16 {
        let (word, ok): (u64, u8);
        // SAFETY: the instruction is there (CPUID) and touches registers only.
        unsafe {
            if seed {
                asm!("rdseed {}", "setc {}", out(reg) word, out(reg_byte) ok, options(nomem, nostack));
            } else if random {
                asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) ok, options(nomem, nostack));
            } else {
                return None;
            }
        }
        if ok != 0 {
            return Some(word);
        }
    }
    None
}
