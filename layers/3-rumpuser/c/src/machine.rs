//! What the machine has, taken from the back end once, and the request to stop.

use crate::{
    header::RUMPUSER_ETIMEDOUT,
    upcalls,
    wait::{Waiter, deadline_after},
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::ffi::c_int;
use rumpuser::{
    device::{self, Console, Disk, DiskError, Link},
    power,
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
static STOP: Mutex<(bool, Vec<Arc<Waiter>>)> = Mutex::new((false, Vec::new()));

/// Remembers requests to stop from now on.
pub fn listen_for_stop() {
    power::on_stop(|| {
        let waiters = {
            let mut stop = STOP.lock();
            stop.0 = true;
            core::mem::take(&mut stop.1)
        };
        for waiter in waiters {
            waiter.wake();
        }
    });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_wait_stop(timeout: i64) -> c_int {
    let deadline = deadline_after(timeout);
    let asked = upcalls::blocking(|| {
        let waiter = Waiter::new();
        {
            let mut stop = STOP.lock();
            if stop.0 {
                return true;
            }
            stop.1.push(waiter.clone());
        }
        if waiter.wait(deadline) {
            return true;
        }
        let mut stop = STOP.lock();
        stop.1.retain(|other| !Arc::ptr_eq(other, &waiter));
        stop.0
    });
    if asked { 0 } else { RUMPUSER_ETIMEDOUT }
}
