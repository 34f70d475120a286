//! The memory map where the loader gave none: version 0 of `hvm_start_info`, which Xen's dom0 still has. Xen itself is asked
//! then (`memory.h`, `XENMEM_memory_map`).

use crate::start_info::{MAX_REGIONS, StartInfo};
use xen_sys::{XENMEM_memory_map, hypercall::memory_op, xen_memory_map};

/// An entry as the BIOS call E820 has it: address, length, type.
const ENTRY: usize = 20;

/// Asks for the map, if there is somebody to ask.
pub(crate) fn ask(info: &mut StartInfo) {
    if xen_sys::version().is_none() {
        return;
    }
    let mut entries = [[0u8; ENTRY]; MAX_REGIONS];
    // SAFETY: a structure of numbers and a pointer.
    let mut request: xen_memory_map = unsafe { core::mem::zeroed() };
    request.nr_entries = MAX_REGIONS as u32;
    request.buffer.p = entries.as_mut_ptr().cast();
    // SAFETY: the structure of this command; the buffer has room for so many entries.
    if unsafe { memory_op(XENMEM_memory_map, &mut request) }.is_ok() {
        info.set_memory_map(entries.iter().take(request.nr_entries as usize).map(fields));
    }
}

fn fields(entry: &[u8; ENTRY]) -> (u64, u64, u32) {
    let number = |at: usize, length: usize| {
        entry.iter().skip(at).take(length).rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte))
    };
    (number(0, 8), number(8, 8), number(16, 4) as u32)
}
