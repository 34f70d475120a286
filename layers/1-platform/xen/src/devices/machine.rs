//! What the front-end drivers ask of the machine below them: memory, waiting, event channels, the store.

use crate::devices::grant::Table;
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{any::Any, ptr::NonNull};
use rumpkin_core::for_platform::interface::Notify;

/// Bytes in a page, in a frame and in a grant.
pub const PAGE: usize = 4096;

/// The lock for what an event's handler shares with threads.
#[cfg(not(test))]
pub type Lock<T> = rumpkin_core::for_platform::sync::IrqMutex<T>;
/// In the tests handlers are called by threads.
#[cfg(test)]
pub type Lock<T> = spin::Mutex<T>;

/// The services a driver runs on. The product implements it on core and on this crate; the tests on plain heap memory.
///
/// # Safety
/// `grant_frame` gives frames of the grant table, each to one caller only, valid for ever and used by nothing else but the
/// hypervisor.
pub unsafe trait Machine: Send + Sync {
    /// Zeroed, page-aligned memory of whole pages.
    fn allocate(&self, pages: usize) -> Option<Allocation>;

    /// Maps a frame of the grant table (`XENMAPSPACE_grant_table`); `None` if there are no more, or no memory.
    fn grant_frame(&self, index: u32) -> Option<NonNull<u8>>;

    /// The grant table of this machine.
    fn grants(&self) -> &Table;

    /// A new event, not set.
    fn event(&self) -> Arc<dyn Event>;

    /// Allocates an event channel that `domain` may bind to. `handler` is called in interrupt context until the channel is
    /// dropped.
    fn channel(&self, domain: u16, handler: Notify) -> Option<Box<dyn Channel>>;

    /// How many processors run threads.
    fn processors(&self) -> usize;

    /// The one the caller runs on.
    fn processor(&self) -> usize;

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

/// Something that one thread waits for. It stays set until a wait has seen it.
pub trait Event: Send + Sync {
    /// Blocks the calling thread until the event is set, and clears it; false if `timeout` nanoseconds pass before.
    fn wait(&self, timeout: Option<u64>) -> bool;

    /// Sets the event. May be called in interrupt context.
    fn set(&self);
}

/// Memory from [`Machine::allocate`].
pub struct Allocation {
    base: NonNull<u8>,
    /// Number of its first frame.
    frame: u64,
    /// Frees it when dropped.
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: Owned memory; whoever holds it decides who touches it.
unsafe impl Send for Allocation {}
// SAFETY: As above.
unsafe impl Sync for Allocation {}

impl Allocation {
    /// `owner` frees the memory when it is dropped.
    ///
    /// # Safety
    /// As many pages as were asked for are valid at `base`, page-aligned, zeroed, aliased by nothing else, and in the frames
    /// that follow `frame`, until `owner` is dropped.
    pub unsafe fn new(base: NonNull<u8>, frame: u64, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { base, frame, _owner: owner }
    }

    /// Where it begins.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The guest's number of its first frame.
    pub fn frame(&self) -> u64 {
        self.frame
    }
}
