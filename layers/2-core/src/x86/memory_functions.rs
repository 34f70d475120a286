//! `memcpy` and its family without vector registers, which belong to the user program.
//!
//! On processors with fast string instructions (ERMS) large blocks use `rep movsb`; else, and for small blocks, plain
//! 64-bit moves, which software emulation executes several times faster than string instructions.

use core::{
    arch::{asm, x86_64::__cpuid_count},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Blocks of this size and more go by string instructions; `usize::MAX` if these are slow.
static STRING_THRESHOLD: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Chooses the means of copying for this processor.
pub(crate) fn initialize(emulated: bool) {
    const ERMS: u32 = 1 << 9;
    let fast_strings = __cpuid_count(7, 0).ebx & ERMS != 0 && !emulated;
    if fast_strings {
        STRING_THRESHOLD.store(512, Ordering::Relaxed);
    }
}

pub(crate) fn string_threshold() -> usize {
    STRING_THRESHOLD.load(Ordering::Relaxed)
}

/// Zeroes the page of memory at `page`.
///
/// # Safety
/// `page` is writable, page-aligned and 4096 bytes.
pub(crate) unsafe fn zero_page(page: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { set_bytes(page, 0, super::layout::PAGE_SIZE) }
}

/// Copies upwards: right for `to` below `from` and for blocks that do not overlap.
#[inline(always)]
unsafe fn copy_up(to: *mut u8, from: *const u8, count: usize) {
    if count >= string_threshold() {
        // SAFETY: the caller's promise that both blocks are valid.
        unsafe {
            asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
                options(nostack, preserves_flags));
        }
        return;
    }
    // SAFETY: as above.
    unsafe {
        asm!(
            "cmp {n}, 8",
            "jb 5f",
            "sub {n}, 32",
            "jb 3f",
            ".p2align 4",
            "2:",
            "mov {a}, [{s}]",
            "mov {b}, [{s} + 8]",
            "mov {c}, [{s} + 16]",
            "mov {e}, [{s} + 24]",
            "mov [{d}], {a}",
            "mov [{d} + 8], {b}",
            "mov [{d} + 16], {c}",
            "mov [{d} + 24], {e}",
            "add {s}, 32",
            "add {d}, 32",
            "sub {n}, 32",
            "jae 2b",
            "3:",
            "add {n}, 32",
            "4:",
            "cmp {n}, 8",
            "jb 5f",
            "mov {a}, [{s}]",
            "mov [{d}], {a}",
            "add {s}, 8",
            "add {d}, 8",
            "sub {n}, 8",
            "jmp 4b",
            "5:",
            "test {n}, {n}",
            "jz 7f",
            "6:",
            "movzx {a:e}, byte ptr [{s}]",
            "mov byte ptr [{d}], {a:l}",
            "inc {s}",
            "inc {d}",
            "dec {n}",
            "jnz 6b",
            "7:",
            n = inout(reg) count => _,
            s = inout(reg) from => _,
            d = inout(reg) to => _,
            a = out(reg_abcd) _,
            b = out(reg) _,
            c = out(reg) _,
            e = out(reg) _,
            options(nostack),
        );
    }
}

/// Copies downwards, for overlapping blocks with `to` above `from`.
unsafe fn copy_down(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the caller's promise that both blocks are valid.
    unsafe {
        asm!(
            "2:",
            "cmp {n}, 8",
            "jb 3f",
            "mov {a}, [{s} + {n} - 8]",
            "mov [{d} + {n} - 8], {a}",
            "sub {n}, 8",
            "jmp 2b",
            "3:",
            "test {n}, {n}",
            "jz 5f",
            "4:",
            "movzx {a:e}, byte ptr [{s} + {n} - 1]",
            "mov byte ptr [{d} + {n} - 1], {a:l}",
            "dec {n}",
            "jnz 4b",
            "5:",
            n = inout(reg) count => _,
            s = in(reg) from,
            d = in(reg) to,
            a = out(reg_abcd) _,
            options(nostack),
        );
    }
}

unsafe fn set_bytes(to: *mut u8, value: u8, count: usize) {
    if count >= string_threshold() {
        // SAFETY: the caller's promise that the block is valid.
        unsafe {
            asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value,
                options(nostack, preserves_flags));
        }
        return;
    }
    // SAFETY: as above.
    unsafe {
        asm!(
            "sub {n}, 32",
            "jb 3f",
            ".p2align 4",
            "2:",
            "mov [{d}], {v}",
            "mov [{d} + 8], {v}",
            "mov [{d} + 16], {v}",
            "mov [{d} + 24], {v}",
            "add {d}, 32",
            "sub {n}, 32",
            "jae 2b",
            "3:",
            "add {n}, 32",
            "jz 7f",
            "4:",
            "cmp {n}, 8",
            "jb 5f",
            "mov [{d}], {v}",
            "add {d}, 8",
            "sub {n}, 8",
            "jmp 4b",
            "5:",
            "test {n}, {n}",
            "jz 7f",
            "6:",
            "mov byte ptr [{d}], {v:l}",
            "inc {d}",
            "dec {n}",
            "jnz 6b",
            "7:",
            n = inout(reg) count => _,
            d = inout(reg) to => _,
            v = in(reg_abcd) u64::from(value) * 0x0101_0101_0101_0101,
            options(nostack),
        );
    }
}

/// The symbols that the compiler calls. A host program has its own.
#[cfg(not(test))]
mod symbols {
    use super::*;

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: C's contract for `memcpy`.
        unsafe { copy_up(to, from, count) };
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: C's contract for `memmove`; the direction suits the overlap.
        unsafe {
            if (to as usize).wrapping_sub(from as usize) >= count {
                copy_up(to, from, count);
            } else {
                copy_down(to, from, count);
            }
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
        // SAFETY: C's contract for `memset`.
        unsafe { set_bytes(to, value as u8, count) };
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
        // SAFETY: C's contract for `memcmp`.
        unsafe { compare(left, right, count) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
        // SAFETY: C's contract for `bcmp`.
        unsafe { compare(left, right, count) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn strlen(string: *const u8) -> usize {
        let mut length = 0;
        // SAFETY: C's contract for `strlen`. Volatile, or the compiler makes a call to `strlen` out of the loop.
        while unsafe { string.add(length).read_volatile() } != 0 {
            length += 1;
        }
        length
    }
}

unsafe fn compare(left: *const u8, right: *const u8, count: usize) -> i32 {
    let mut at = 0;
    // Volatile, or the compiler makes a call to `memcmp` out of the loop.
    while at + 8 <= count {
        // SAFETY: the caller's promise that both blocks are valid.
        let (a, b) = unsafe { (word(left, at), word(right, at)) };
        if a != b {
            return if a.swap_bytes() < b.swap_bytes() { -1 } else { 1 };
        }
        at += 8;
    }
    while at < count {
        // SAFETY: as above.
        let (a, b) = unsafe { (left.add(at).read_volatile(), right.add(at).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
        at += 1;
    }
    0
}

#[inline(always)]
unsafe fn word(block: *const u8, at: usize) -> u64 {
    let value: u64;
    // SAFETY: the caller's promise; unaligned loads are fine on x86.
    unsafe {
        asm!("mov {}, [{}]", out(reg) value, in(reg) block.add(at), options(nostack, readonly, preserves_flags));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn copies_like_the_slices(data in proptest::collection::vec(any::<u8>(), 1..300), from in 0usize..300, to in 0usize..300, count in 0usize..300) {
            let from = from % data.len();
            let to = to % data.len();
            let count = count.min(data.len() - from.max(to));
            let mut expected = data.clone();
            expected.copy_within(from..from + count, to);
            let mut actual = data.clone();
            let base = actual.as_mut_ptr();
            // SAFETY: both blocks lie in the vector.
            unsafe {
                if to <= from { copy_up(base.add(to), base.add(from), count) } else { copy_down(base.add(to), base.add(from), count) }
            }
            prop_assert_eq!(actual, expected);
        }

        #[test]
        fn fills_and_compares(length in 0usize..200, value: u8, difference in 0usize..200, other: u8) {
            let mut block = [7u8; 200];
            // SAFETY: inside the array.
            unsafe { set_bytes(block.as_mut_ptr(), value, length) };
            prop_assert!(block[..length].iter().all(|&byte| byte == value));
            prop_assert!(block[length..].iter().all(|&byte| byte == 7));
            let mut changed: Vec<u8> = block.to_vec();
            changed[difference] = other;
            // SAFETY: both have 200 bytes.
            let order = unsafe { compare(block.as_ptr(), changed.as_ptr(), 200) };
            prop_assert_eq!(order.signum(), block[..].cmp(&changed[..]) as i32);
        }
    }
}
