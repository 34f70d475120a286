//! The kernel's access to user memory: checked, and with faults that come back as errors.
//!
//! The processor does the checking (`x86::user_access`). When an access fails, the pager of the thread's address space is asked, on the
//! thread's own stack, and the access is tried again. So these functions are called on a thread with interrupts on, without locks that the
//! pager takes, and may block where it does. The fault that they return tells the first byte that failed; what lies before it has been
//! done, a page or less beyond may have been.

use crate::{
    thread,
    x86::{
        layout::{PAGE_SIZE, USER_END},
        memory_functions::string_threshold,
        user_access::{DONE, Outcome, access_from_code, copy, exchange, fill, load},
    },
};
use rumpkin_vocabulary::Fault;

/// Does an access page by page, each until it succeeds or the pager refuses. `attempt` gets how many bytes are done and how
/// many to do next; what it has done when it fails is done again.
fn retry(address: usize, length: usize, mut attempt: impl FnMut(usize, usize) -> Outcome) -> Result<(), Fault> {
    let end = address.checked_add(length).ok_or(Fault { address })?;
    if end > USER_END {
        return Err(Fault { address: address.max(USER_END) });
    }
    let mut at = address;
    while at < end {
        let stop = end.min((at / PAGE_SIZE + 1) * PAGE_SIZE);
        let outcome = attempt(at - address, stop - at);
        if outcome.address == DONE {
            at = stop;
            continue;
        }
        let Some(memory) = thread::current_ref().user_memory() else {
            return Err(Fault { address: at });
        };
        // SAFETY: the pager outlives the thread's use of it (`thread::set_user_memory`).
        let pager = unsafe { memory.pager.as_ref() };
        pager.page_fault(at, access_from_code(outcome.code)).map_err(|_| Fault { address: at })?;
    }
    Ok(())
}

/// Copies in what is there, without asking the pager: for handlers of interrupts. False if it is not.
pub(crate) fn peek(address: usize, buffer: &mut [u8]) -> bool {
    let to = buffer.as_mut_ptr() as usize;
    let is_user = address.checked_add(buffer.len()).is_some_and(|end| end <= USER_END);
    // SAFETY: the buffer, and user addresses.
    is_user && unsafe { copy(to, address, buffer.len(), string_threshold()) }.address == DONE
}

/// Copies from user memory into the buffer.
pub fn read(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
    let to = buffer.as_mut_ptr() as usize;
    retry(address, buffer.len(), |done, count| {
        // SAFETY: a part of the buffer, and user addresses that `retry` has checked.
        unsafe { copy(to + done, address + done, count, string_threshold()) }
    })
}

/// Copies the data to user memory.
pub fn write(address: usize, data: &[u8]) -> Result<(), Fault> {
    let from = data.as_ptr() as usize;
    retry(address, data.len(), |done, count| {
        // SAFETY: a part of the data, and user addresses that `retry` has checked.
        unsafe { copy(address + done, from + done, count, string_threshold()) }
    })
}

/// Fills user memory with zeroes.
pub fn zero(address: usize, length: usize) -> Result<(), Fault> {
    retry(address, length, |done, count| {
        // SAFETY: user addresses that `retry` has checked.
        unsafe { fill(address + done, count) }
    })
}

/// Loads an aligned word atomically. A misaligned address is a fault.
pub fn load_u32(address: usize) -> Result<u32, Fault> {
    let mut value = 0;
    aligned(address)?;
    // SAFETY: user addresses that `retry` has checked, and a word of ours.
    retry(address, 4, |_, _| unsafe { load(address, &mut value) })?;
    Ok(value)
}

/// Replaces an aligned word if it is `current`; what was there comes back. A misaligned address is a fault.
pub fn compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<u32, Fault> {
    let mut value = current;
    aligned(address)?;
    // SAFETY: user addresses that `retry` has checked, and a word of ours.
    retry(address, 4, |_, _| unsafe { exchange(address, &mut value, new) })?;
    Ok(value)
}

fn aligned(address: usize) -> Result<(), Fault> {
    if address.is_multiple_of(4) { Ok(()) } else { Err(Fault { address }) }
}
