//! What the machine has, taken from the back end once, and the request to stop.

use crate::{clock::deadline_after, header::RUMPUSER_ETIMEDOUT, upcalls};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::ffi::c_int;
use rumpuser::{
    device::{self, Console, Disk, DiskError, Link},
    power,
    wait::{Waiter, Waiters},
};
use spin::{Mutex, Once};

/// The devices.
pub struct Machine {
    /// The console.
    pub console: Arc<dyn Console>,
    /// Disks, in the order of discovery.
    pub disks: Vec<Arc<dyn Disk>>,
    /// Links, in the order of discovery, until they are opened.
    pub links: Mutex<Vec<Option<Box<dyn Link>>>>,
}

/// The devices of this machine.
pub fn machine() -> &'static Machine {
    static MACHINE: Once<Machine> = Once::new();
    MACHINE.call_once(|| {
        let devices = device::take();
        Machine {
            console: devices.console,
            disks: devices.disks,
            links: Mutex::new(devices.links.into_iter().map(Some).collect()),
        }
    })
}

/// Makes what was written to any disk durable.
pub fn flush_disks() {
    for (index, disk) in machine().disks.iter().enumerate() {
        match disk.flush() {
            Ok(()) | Err(DiskError::Unsupported) => {}
            Err(error) => log::error!("disk{index}: flush failed: {error:?}"),
        }
    }
}

/// Whether a stop was asked for, and who waits for that.
static STOP: Mutex<(bool, Waiters)> = Mutex::new((false, Waiters::new()));

/// Remembers requests to stop from now on.
pub fn listen_for_stop() {
    power::on_stop(|| {
        STOP.lock().0 = true;
        // From now on nobody waits any more.
        let next = || STOP.lock().1.pop();
        while let Some(next) = next() {
            next.unpark();
        }
    });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_wait_stop(timeout: i64) -> c_int {
    let deadline = deadline_after(timeout);
    let asked = upcalls::blocking(|| {
        let waiter = Waiter::new(());
        {
            let mut stop = STOP.lock();
            if stop.0 {
                return true;
            }
            // SAFETY: it stays here until it has been taken out.
            unsafe { stop.1.push(&waiter) };
        }
        waiter.wait(deadline) || !STOP.lock().1.remove(&waiter)
    });
    if asked { 0 } else { RUMPUSER_ETIMEDOUT }
}
