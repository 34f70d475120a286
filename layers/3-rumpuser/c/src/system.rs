//! Console, parameters, chance and the end.

use crate::{
    header::{
        RUMPUSER_EINVAL, RUMPUSER_ENOENT, RUMPUSER_ENOMEM, RUMPUSER_ENOTSUP, RUMPUSER_ERANGE, RUMPUSER_ESRCH,
        RUMPUSER_PANIC, RUMPUSER_PARAM_HOSTNAME, RUMPUSER_PARAM_NCPU, RUMPUSER_PID_SELF, RUMPUSER_RANDOM_HARD,
        RUMPUSER_RANDOM_NOWAIT,
    },
    machine::{flush_disks, machine},
};
use alloc::{format, string::String};
use core::ffi::{CStr, c_char, c_int, c_void};
use rumpuser::{boot, memory::ensure, power, random, thread};

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_putchar(character: c_int) {
    machine().console.write(&[character as u8]);
}

/// What `rumpuser_dprintf` has formatted (shim/dprintf.c).
#[unsafe(no_mangle)]
unsafe extern "C" fn rumpuser_c_write(text: *const c_char, length: usize) {
    // SAFETY: the shim gives a part of its own buffer.
    machine().console.write(unsafe { core::slice::from_raw_parts(text.cast(), length) });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_kill(pid: i64, _signal: c_int) -> c_int {
    if pid == i64::from(RUMPUSER_PID_SELF) { RUMPUSER_ENOTSUP } else { RUMPUSER_ESRCH }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_exit(status: c_int) -> ! {
    if status == RUMPUSER_PANIC {
        panic!("the kernel gave up (RUMPUSER_PANIC)");
    }
    flush_disks();
    power::exit(power::Exit::Status(status as u8))
}

/// The value of a `NAME=VALUE` word of the command line.
fn word(name: &str) -> Option<&'static str> {
    let words = boot::data().command_line.split_ascii_whitespace();
    words.filter_map(|word| word.split_once('=')).find(|(other, _)| *other == name).map(|(_, value)| value)
}

fn parameter(name: &CStr) -> Result<String, c_int> {
    if name.to_bytes_with_nul() == RUMPUSER_PARAM_NCPU {
        return Ok(format!("{}", thread::cpus()));
    }
    if name.to_bytes_with_nul() == RUMPUSER_PARAM_HOSTNAME {
        return Ok(String::from(word("hostname").unwrap_or("rumpkin")));
    }
    let name = name.to_str().map_err(|_| RUMPUSER_EINVAL)?;
    if name.starts_with('_') {
        return Err(RUMPUSER_EINVAL);
    }
    word(name).map(String::from).ok_or(RUMPUSER_ENOENT)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_getparam(name: *const c_char, buffer: *mut c_void, size: usize) -> c_int {
    if name.is_null() {
        return RUMPUSER_EINVAL;
    }
    if ensure(boot::data().command_line.len()).is_err() {
        return RUMPUSER_ENOMEM;
    }
    // SAFETY: the header asks for a string, which ends with a zero; it is not null.
    let value = match parameter(unsafe { CStr::from_ptr(name) }) {
        Ok(value) => value,
        Err(error) => return error,
    };
    if value.len() >= size {
        return RUMPUSER_ERANGE;
    }
    // SAFETY: the header asks for room for `size` bytes, which is more than the value has.
    unsafe {
        buffer.cast::<u8>().copy_from_nonoverlapping(value.as_ptr(), value.len());
        buffer.cast::<u8>().add(value.len()).write(0);
    }
    0
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_getrandom(
    buffer: *mut c_void,
    size: usize,
    flags: c_int,
    done: *mut usize,
) -> c_int {
    if flags & !(RUMPUSER_RANDOM_HARD | RUMPUSER_RANDOM_NOWAIT) != 0 {
        return RUMPUSER_EINVAL;
    }
    let mut piece = [0; 64];
    let mut filled = 0;
    while filled < size {
        let length = piece.len().min(size - filled);
        random::fill(&mut piece[..length]);
        // SAFETY: the header asks for room for `size` bytes; `filled + length` is not more. They need not be initialised.
        unsafe { buffer.cast::<u8>().add(filled).copy_from_nonoverlapping(piece.as_ptr(), length) };
        filled += length;
    }
    // SAFETY: the header asks for a place to store the number.
    unsafe { done.write(filled) };
    0
}
