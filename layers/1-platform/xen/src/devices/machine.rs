//! What the front-end drivers ask of the domain that they run in: core's services, grants, event channels, the store.

use crate::devices::grant::Table;
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{any::Any, ptr::NonNull};
use rumpkin_core::for_platform::{interface::Notify, services::Services};

/// Bytes in a page, in a frame and in a grant.
pub const PAGE: usize = rumpkin_core::for_platform::layout::PAGE_SIZE;

/// The lock for what an event's handler shares with threads.
#[cfg(not(test))]
pub type Lock<T> = rumpkin_core::for_platform::sync::IrqMutex<T>;
/// In the tests handlers are called by threads.
#[cfg(test)]
pub type Lock<T> = spin::Mutex<T>;

/// What an event channel calls, in interrupt context: it takes what is done, and wakes threads.
pub type Handler = Arc<dyn Fn() + Send + Sync>;

/// A domain, as its drivers see it. The product implements it on this crate; the tests on maps.
///
/// # Safety
/// `grant_frame` gives frames of the grant table, each to one caller only, valid for ever and used by nothing else but the
/// hypervisor.
pub unsafe trait Machine: Send + Sync {
    /// Memory, waiting, time and processors.
    fn services(&self) -> &dyn Services;

    /// Maps a frame of the grant table (`XENMAPSPACE_grant_table`); `None` if there are no more, or no memory.
    fn grant_frame(&self, index: u32) -> Option<NonNull<u8>>;

    /// The grant table of this machine.
    fn grants(&self) -> &Table;

    /// Allocates an event channel that `domain` may bind to. `handler` is called in interrupt context until the channel is
    /// dropped.
    fn channel(&self, domain: u16, handler: Handler) -> Option<Box<dyn Channel>>;

    /// The value of a node of the store, if it is there, readable, and text. Blocks for the store.
    fn read(&self, path: &str) -> Option<String>;

    /// Writes a node of the store; false if the store refuses. Blocks for the store.
    fn write(&self, path: &str, value: &str) -> bool;

    /// Removes a node of the store and what is below it. Blocks for the store.
    fn remove(&self, path: &str);

    /// The names below a node, in the store's order. Blocks for the store.
    fn list(&self, path: &str) -> Vec<String>;

    /// Has `notify` called once now, and whenever the node or something below it changes, until the result is dropped.
    /// Blocks for the store.
    fn watch(&self, path: &str, notify: Notify) -> Option<Box<dyn Any + Send>>;
}

/// An event channel of ours. Dropping it closes it and ends the calls of its handler.
pub trait Channel: Send + Sync {
    /// Its number, for the other side.
    fn port(&self) -> u32;

    /// Tells the other side. Does not block.
    fn notify(&self);
}
