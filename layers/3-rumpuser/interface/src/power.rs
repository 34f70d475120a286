//! Leaving, and being asked to leave.

use crate::hypercalls::*;
use alloc::boxed::Box;

pub use crate::data::Exit;

/// Powers off, or ends the process. The caller has flushed the disks.
pub fn exit(exit: Exit) -> ! {
    rumpuser_exit(exit)
}

/// Has `handler` called, on a thread of the back end, each time the host asks for a clean stop (its power button, the
/// toolstack, SIGTERM to a process). It replaces the handler before it.
pub fn on_stop(handler: impl Fn() + Send + Sync + 'static) {
    rumpuser_on_stop(Box::new(handler));
}
