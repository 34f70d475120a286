//! Notifications on their way from an interrupt to the kernel, which may not run there: a thread passes them on.

use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use core::sync::atomic::{AtomicBool, Ordering};
use rumpkin_core::for_rumpuser::{
    heap,
    sync::Once,
    thread::{self, Thread},
};
use rumpuser::{device::Notify, memory::OutOfMemory, sync::Mutex};

/// A notification that waits, if it was sent, for the thread.
struct Letter {
    sent: AtomicBool,
    notify: Notify,
}

/// One for each notification that was given out; devices hold the letters, and do not look in here, so interrupts stay on.
static LETTERS: Mutex<Vec<Weak<Letter>>> = Mutex::new(Vec::new());
static THREAD: Once<Arc<Thread>> = Once::new();

fn deliver() {
    loop {
        let mut index = 0;
        while let Some(letter) = letter(index) {
            if let Some(letter) = letter.upgrade()
                && letter.sent.swap(false, Ordering::AcqRel)
            {
                (letter.notify)();
            }
            index += 1;
        }
        thread::park(None);
    }
}

fn letter(index: usize) -> Option<Weak<Letter>> {
    LETTERS.lock().get(index).cloned()
}

/// What a device calls, also in an interrupt, so that `notify` is called on the thread.
pub(crate) fn forward(notify: Notify) -> Result<Notify, OutOfMemory> {
    let mut letters = LETTERS.lock();
    let thread = match THREAD.get() {
        Some(thread) => thread,
        None => {
            let thread = thread::spawn("devices", deliver)?;
            THREAD.call_once(|| thread)
        }
    };
    letters.try_reserve(1).map_err(|_| OutOfMemory)?;
    // A letter and what sends it, each with its owners' counts.
    heap::ensure(size_of::<Letter>() + 6 * size_of::<usize>())?;
    let letter = Arc::new(Letter { sent: AtomicBool::new(false), notify });
    // In the place of one that is gone, so that none changes its place while the thread goes through them.
    match letters.iter_mut().find(|letter| letter.strong_count() == 0) {
        Some(place) => *place = Arc::downgrade(&letter),
        None => letters.push(Arc::downgrade(&letter)),
    }
    Ok(Arc::new(move || {
        if !letter.sent.swap(true, Ordering::AcqRel) {
            thread.unpark();
        }
    }))
}
