//! The host's wish that the machine stop: from an interrupt handler to a thread that tells the kernel.

use crate::{
    memory::OutOfMemory,
    sync::IrqMutex,
    thread::{self, Thread},
};
use alloc::{boxed::Box, sync::Arc};
use core::sync::atomic::{AtomicBool, Ordering};

/// Whom to tell; on a thread.
type Handler = Arc<dyn Fn() + Send + Sync>;

static WANTED: AtomicBool = AtomicBool::new(false);
static HANDLER: IrqMutex<Option<Handler>> = IrqMutex::new(None);
static THREAD: crate::sync::Once<Arc<Thread>> = crate::sync::Once::new();

/// The host wants the machine to stop. Allowed in interrupt context.
pub fn request() {
    WANTED.store(true, Ordering::Release);
    if let Some(thread) = THREAD.get() {
        thread.unpark();
    }
}

/// Has `handler` called on a thread for each request, in place of the handler before. A request that came when there was
/// none is not lost.
pub fn on_request(handler: Box<dyn Fn() + Send + Sync>) -> Result<(), OutOfMemory> {
    let handler: Handler = Arc::from(handler);
    let old = HANDLER.lock().replace(handler);
    drop(old);
    match THREAD.get() {
        Some(thread) => thread.unpark(),
        None => {
            let thread = thread::spawn("stop", run)?;
            THREAD.call_once(|| thread);
        }
    }
    Ok(())
}

fn run() {
    loop {
        if WANTED.swap(false, Ordering::AcqRel) {
            let handler = HANDLER.lock().clone();
            if let Some(handler) = handler {
                handler();
            }
        }
        thread::park(None);
    }
}
