//! The domain's place on the processors, and its end (`sched.h`).

use xen_sys::{SCHEDOP_shutdown, SCHEDOP_yield, hypercall::sched_op, sched_shutdown};

/// Lets other domains run, while this one polls for something that they do.
pub fn yield_processor() {
    // SAFETY: the command has no argument and no effect but time.
    let _ = unsafe { sched_op(SCHEDOP_yield, &mut ()) };
}

/// Ends the domain for this reason, `SHUTDOWN_…`. Returns only if the hypervisor refuses.
pub fn shut_down(reason: u32) {
    let mut request = sched_shutdown { reason };
    // SAFETY: the structure of this command; the end is what is meant.
    let _ = unsafe { sched_op(SCHEDOP_shutdown, &mut request) };
}
