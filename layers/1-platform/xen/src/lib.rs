//! Layer 1 for Xen: PVH domains, and PVH dom0 as far as it has the same (docs/platforms.md).
//!
//! It depends on core, whose interfaces it implements, and on `xen-sys`, Xen's ABI.
//!
//! ```text
//!   Terminal   Store ── Watch, Transaction     what the toolstack gives: console, tree of values
//!       \      /    \── control/shutdown
//!    byte rings      \── devices                networks and disks, found and set up through the store
//!        │
//!     Channel (event channels)                  one interrupt, told apart by port
//!        │
//!   shared page, hypercalls                     time, timer, the end
//! ```
//!
//! Invariants:
//! 1. What another domain writes is never trusted: shared memory is read once, volatile, and checked. An index or a length
//!    that cannot be puts the service out of use; it neither reaches memory unchecked nor makes the kernel panic.
//! 2. Nothing polls once the machine runs, except a console whose reader is slow.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod byte_ring;
mod clock;
mod console;
mod devices;
mod error;
pub mod event;
mod offers;
mod page;
mod params;
mod power;
mod scheduling;
mod shared_info;
mod shutdown;
pub mod store;

pub use devices::{DISKS, Disks};
pub use error::Error;
pub use offers::OFFERS;
pub use page::{SharedPage, Word};

use alloc::{boxed::Box, string::ToString, sync::Arc};
use console::Terminal;
use rumpkin_core::for_platform::{
    boot::BootInfo,
    interface::{Clock, Console, Devices, Ending, Machine, Platform, PlatformError},
    sync::Once,
};
use store::Store;
use xen_sys::{HVM_PARAM_CONSOLE_EVTCHN, HVM_PARAM_CONSOLE_PFN, HVM_PARAM_STORE_EVTCHN, HVM_PARAM_STORE_PFN};

/// A domain of Xen.
pub struct Xen {
    disks: Option<Disks>,
}

/// What the end of the domain needs, whenever it comes.
static TERMINAL: Once<Arc<Terminal>> = Once::new();
static STORE: Once<&'static Store> = Once::new();

impl Xen {
    /// The platform, to be handed to core; with a driver for disks, or without.
    pub const fn new(disks: Option<Disks>) -> Self {
        Xen { disks }
    }
}

impl Platform for Xen {
    fn name(&self) -> &'static str {
        "Xen"
    }

    fn detect(&self, _boot: &BootInfo) -> bool {
        xen_sys::version().is_some()
    }

    fn early_write(&self, data: &[u8]) {
        console::early_write(data);
        if let Some(terminal) = TERMINAL.get() {
            terminal.try_write(data);
        }
    }

    fn early_end(&self, ending: Ending) -> ! {
        power::end(ending)
    }

    fn initialize(&self, boot: &'static BootInfo) -> Result<Machine, PlatformError> {
        let version = xen_sys::version().unwrap_or(0);
        let page = shared_info::map()?;
        // SAFETY: the page is there for good, and only this module and the clock's reader, which reads, touch it.
        unsafe { event::initialize(page) };
        // SAFETY: as above.
        let clock = unsafe { clock::start(page, boot.entered_at) };
        let clock = Box::leak(Box::new(clock.ok_or_else(|| PlatformError("Xen's clock does not run".to_string()))?));
        let timer = clock::XenTimer::start(clock)?;
        log::info!(
            "Xen {}.{}; clock {}",
            version >> 16,
            version & 0xffff,
            if clock.tsc_scale().is_some() { "by the time-stamp counter" } else { "by its page" }
        );
        if let Some(terminal) = service("console", HVM_PARAM_CONSOLE_PFN, HVM_PARAM_CONSOLE_EVTCHN, Terminal::start) {
            TERMINAL.call_once(|| terminal);
        }
        Ok(Machine { clock, interrupts: &event::Upcall, power: &power::XenPower, timer: Some(timer) })
    }

    fn discover(&self, boot: &'static BootInfo) -> Devices {
        if let Err(error) = event::start() {
            log::error!("xen: no events, and so neither time nor devices: {error}");
            return Devices::default();
        }
        let mut devices = Devices::default();
        if let Some(terminal) = TERMINAL.get() {
            devices.console = Some(terminal.clone() as Arc<dyn Console>);
        }
        if let Some(store) = service("store", HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN, Store::start) {
            STORE.call_once(|| store);
            if let Err(error) = shutdown::listen(store) {
                log::warn!("xenstore: control/shutdown is not watched: {error}");
            }
            devices::discover(store, boot, self.disks.as_ref(), &mut devices);
        }
        devices
    }
}

/// Starts what the toolstack made a page and a port for; `None` if it made none, or that does not work.
fn service<T>(name: &str, page: u32, port: u32, start: impl FnOnce(SharedPage, u32) -> Result<T, Error>) -> Option<T> {
    let (frame, port) = params::page_and_port(page, port)?;
    match SharedPage::map(frame).and_then(|page| start(page, port)) {
        Ok(service) => Some(service),
        Err(error) => {
            log::warn!("xen: no {name}: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    //! What the modules' tests share.

    use crate::SharedPage;
    use alloc::boxed::Box;
    use core::ptr::NonNull;

    /// A page of zeroes.
    pub fn test_page() -> SharedPage {
        let page = NonNull::from(Box::leak(Box::new([0_u64; 512]))).cast();
        // SAFETY: leaked, and reached through the result alone.
        unsafe { SharedPage::new(page) }
    }

    /// Numbers without a pattern, the same each time.
    pub fn random() -> impl FnMut() -> u64 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 11
        }
    }
}
