//! How much rather than others a process is to be killed when memory runs out: `/proc/self/oom_score_adj`. It is kept for whoever asks:
//! the kernel kills the program that finds no memory.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, Ordering};
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, try_format};
use rumpkin_spine::{Kernel, process::Process};

/// A part of each process: -1000 to 1000.
#[derive(Default)]
struct Preference(AtomicI32);

/// Has each process have one.
pub fn register(kernel: &mut Kernel) {
    kernel.on_process(|_, parts| parts.try_insert(Preference::default()));
}

/// The file's content.
pub fn show(process: &Process) -> Result<Vec<u8>, OutOfMemory> {
    let preference = process.parts.get().map_or(0, |Preference(value)| value.load(Ordering::Relaxed));
    Ok(try_format(format_args!("{preference}\n"))?.into_bytes())
}

/// Takes what is written to the file.
pub fn store(process: &Process, text: &[u8]) -> Result<(), Errno> {
    let wanted = core::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
    let wanted = wanted.filter(|value| (-1000..=1000).contains(value)).ok_or(Errno::EINVAL)?;
    let Preference(value) = process.parts.get().ok_or(Errno::ENOSYS)?;
    value.store(wanted, Ordering::Relaxed);
    Ok(())
}
