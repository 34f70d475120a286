//! Links, disks and the console. Drivers live below; these are their only faces.
//!
//! A device may notify in interrupt context, where no kernel may run: so what it is given either wakes a thread and does
//! nothing else, or comes from [`notify_on_thread`].

use crate::{hypercalls::*, memory::OutOfMemory};

pub use crate::data::Devices;
pub use rumpkin_vocabulary::{Checksum, Console, Disk, DiskError, DiskInfo, Link, LinkInfo, Notify};

/// Takes the devices from the back end. The first call gets them all; a later one only the console.
pub fn take() -> Devices {
    rumpuser_devices()
}

/// A notification of which `notify` learns on a thread of the back end, where it may lock and allocate. One that only wakes a
/// thread needs no such detour: [`Thread::waker`](crate::thread::Thread::waker).
pub fn notify_on_thread(notify: Notify) -> Result<Notify, OutOfMemory> {
    rumpuser_notify_on_thread(notify)
}
