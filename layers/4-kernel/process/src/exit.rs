//! Leaving: exit, exit_group, what a thread leaves behind for the others, and waiting for children that never are.

use crate::{futex, state};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use rumpkin_signal::ThreadSignals;
use rumpkin_spine::{Call, Errno, Kernel, UserPointer, abi::linux::general, process::Thread, system_calls};

/// Most entries of a robust list that are looked at (Linux's `ROBUST_LIST_LIMIT`): the list may be a ring.
const ROBUST_LIMIT: usize = 2048;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        exit => exit;
        exit_group => exit_group;
        wait4 => wait, "there are no children: ECHILD";
        waitid => wait, "there are no children: ECHILD";
        set_tid_address => set_tid_address;
        set_robust_list => set_robust_list;
        get_robust_list => get_robust_list, "of the caller";
    });
}

fn exit(call: &mut Call<'_>, status: u32) -> Result<usize, Errno> {
    let process = call.process();
    if let Some(state) = state(process).filter(|_| call.thread.id == process.id) {
        state.leader_status.store(status & 0xff, Ordering::SeqCst);
    }
    call.thread.end();
    Ok(0)
}

fn exit_group(call: &mut Call<'_>, status: u32) -> Result<usize, Errno> {
    call.process().exit(status as u8);
    call.thread.end();
    Ok(0)
}

fn wait(_: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::ECHILD)
}

fn set_tid_address(call: &mut Call<'_>, address: usize) -> Result<usize, Errno> {
    call.thread.clear_child_tid.store(address, Ordering::Relaxed);
    Ok(call.thread.id as usize)
}

/// Bytes of `struct robust_list_head`: first entry, offset of the futex word in an entry, an entry that is being changed.
const HEAD_SIZE: usize = 24;

fn set_robust_list(call: &mut Call<'_>, head: usize, size: usize) -> Result<usize, Errno> {
    if size != HEAD_SIZE {
        return Err(Errno::EINVAL);
    }
    call.thread.robust_list.store(head, Ordering::Relaxed);
    Ok(0)
}

fn get_robust_list(
    call: &mut Call<'_>,
    id: i32,
    head: UserPointer<usize>,
    size: UserPointer<usize>,
) -> Result<usize, Errno> {
    let thread = match u32::try_from(id).map_err(|_| Errno::ESRCH)? {
        0 => call.thread.clone(),
        id => call.process().thread(id).ok_or(Errno::ESRCH)?,
    };
    size.write(&HEAD_SIZE)?;
    head.write(&thread.robust_list.load(Ordering::Relaxed))?;
    Ok(0)
}

/// The last accesses of a thread to user memory, and the end of what it had open if it is the last.
pub fn leave(thread: &Arc<Thread>) {
    let process = &thread.process;
    release_robust_futexes(thread);
    let clear = thread.clear_child_tid.load(Ordering::Relaxed);
    if clear != 0 && UserPointer::new(clear).write(&0u32).is_ok() {
        futex::wake_address(thread, UserPointer::new(clear), 1);
    }
    thread.end();
    thread.leave_signals();
    let Some(state) = state(process) else { return };
    if state.live.fetch_sub(1, Ordering::SeqCst) == 1 {
        process.exit(state.leader_status.load(Ordering::SeqCst) as u8);
        process.descriptors.drain().for_each(drop);
    }
}

/// Takes the thread off its process, which has ended if it was the last.
pub fn finish(thread: &Arc<Thread>) {
    thread.process.remove_thread(thread.id);
}

/// Marks the robust futexes that the thread still holds as orphaned, and wakes one waiter of each (get_robust_list(2)).
fn release_robust_futexes(thread: &Thread) {
    let head = thread.robust_list.load(Ordering::Relaxed);
    if head == 0 {
        return;
    }
    // A list that cannot be read ends there.
    let _ = walk_robust_list(thread, head);
}

fn walk_robust_list(thread: &Thread, head: usize) -> Result<(), Errno> {
    let [first, offset, pending] = UserPointer::<[u64; 3]>::new(head).read()?;
    let futex = |entry: u64| UserPointer::new(((entry & !1) as usize).wrapping_add(offset as usize));
    let mut entry = first;
    for _ in 0..ROBUST_LIMIT {
        if (entry & !1) as usize == head {
            break;
        }
        // The next one is read first: a woken waiter may reuse the entry.
        let next = UserPointer::<u64>::new((entry & !1) as usize).read();
        if entry != pending {
            release_robust_futex(thread, futex(entry), false)?;
        }
        entry = next?;
    }
    if pending != 0 {
        release_robust_futex(thread, futex(pending), true)?;
    }
    Ok(())
}

fn release_robust_futex(thread: &Thread, word: UserPointer<u32>, pending: bool) -> Result<(), Errno> {
    let mut value = word.load()?;
    // It was unlocked, and the thread ended before it could wake anybody.
    if pending && value == 0 {
        futex::wake_address(thread, word, 1);
        return Ok(());
    }
    while value & general::FUTEX_TID_MASK == thread.id {
        let orphaned = value & general::FUTEX_WAITERS | general::FUTEX_OWNER_DIED;
        let seen = word.compare_exchange(value, orphaned)?;
        if seen == value {
            if value & general::FUTEX_WAITERS != 0 {
                futex::wake_address(thread, word, 1);
            }
            break;
        }
        value = seen;
    }
    Ok(())
}
