//! Watches: to be told when a node or what is below it changes.

use super::{NONE, Registration, Result, Store, checked};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use rumpkin_core::for_platform::interface::Notify;
use xen_sys::{XS_UNWATCH, XS_WATCH};

/// A watch in force; given up when dropped, which blocks.
pub struct Watch {
    store: &'static Store,
    path: String,
    id: u32,
}

impl Store {
    /// Has `notify` called for each change at or below the node, and once right away. It need not be there. Several changes
    /// in a row may make one call.
    ///
    /// Notifies are called on the store's thread, one after the other; they may use the store, but while one waits, the
    /// others do too. A call may still be under way when the watch has been dropped. Blocks.
    pub fn watch(&'static self, path: &str, notify: Notify) -> Result<Watch> {
        let bytes = checked(path)?;
        let id = self.number();
        let watch = Watch { store: self, path: path.to_string(), id };
        self.state.lock().watches.push(Registration { id, notify, fired: false });
        // Dropped with the watch if this fails.
        self.call(XS_WATCH, NONE, &[bytes, b"\0", id.to_string().as_bytes(), b"\0"])?;
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.store.state.lock();
        let mut gone = Vec::new();
        if let Some(index) = state.watches.iter().position(|watch| watch.id == self.id) {
            gone.push(state.watches.swap_remove(index));
        }
        drop(state);
        drop(gone);
        // A watch that the store does not know is refused, which is as well.
        let token = self.id.to_string();
        let _ = self.store.call(XS_UNWATCH, NONE, &[self.path.as_bytes(), b"\0", token.as_bytes(), b"\0"]);
    }
}
