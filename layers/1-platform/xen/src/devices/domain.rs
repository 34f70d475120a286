//! The domain that the drivers run in: its grant table by hypercall, its event channels and its part of the store.

use crate::{
    devices::{
        grant::Table,
        machine::{Channel, Handler, Machine, PAGE},
    },
    event,
    store::Store,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::{any::Any, ptr::NonNull};
use rumpkin_core::for_platform::{
    dma,
    interface::Notify,
    services::{OnCore, Services},
};
use xen_sys::{DOMID_SELF, XENMAPSPACE_grant_table, XENMEM_add_to_physmap, hypercall::memory_op, xen_add_to_physmap};

/// The domain that we are.
pub struct Domain {
    store: &'static Store,
    table: Table,
}

impl Domain {
    /// There is to be one.
    pub fn new(store: &'static Store) -> Self {
        Self { store, table: Table::new() }
    }
}

// SAFETY: Each frame of the table is put into a page of its own, which is never freed.
unsafe impl Machine for Domain {
    fn services(&self) -> &dyn Services {
        &OnCore
    }

    fn grant_frame(&self, index: u32) -> Option<NonNull<u8>> {
        let place = dma::Buffer::new(PAGE).ok()?;
        let mut request = xen_add_to_physmap {
            domid: DOMID_SELF,
            size: 0,
            space: XENMAPSPACE_grant_table,
            idx: u64::from(index),
            gpfn: place.physical() / PAGE as u64,
        };
        // SAFETY: The structure of this command; the frame is ours to give.
        unsafe { memory_op(XENMEM_add_to_physmap, &mut request) }.ok()?;
        let address = place.as_ptr();
        core::mem::forget(place);
        Some(address)
    }

    fn grants(&self) -> &Table {
        &self.table
    }

    fn channel(&self, domain: u16, handler: Handler) -> Option<Box<dyn Channel>> {
        let channel = event::Channel::allocate(domain).ok()?;
        channel.bind(move || handler());
        Some(Box::new(channel))
    }

    fn read(&self, path: &str) -> Option<String> {
        self.store.read(path).ok()
    }

    fn write(&self, path: &str, value: &str) -> bool {
        self.store.write(path, value).is_ok()
    }

    fn remove(&self, path: &str) {
        // What is not there is as well.
        let _ = self.store.remove(path);
    }

    fn list(&self, path: &str) -> Vec<String> {
        self.store.list(path).unwrap_or_default()
    }

    fn watch(&self, path: &str, notify: Notify) -> Option<Box<dyn Any + Send>> {
        let watch = self.store.watch(path, notify).ok()?;
        Some(Box::new(watch))
    }
}

impl Channel for event::Channel {
    fn port(&self) -> u32 {
        event::Channel::port(self)
    }

    fn notify(&self) {
        event::Channel::notify(self);
    }
}
