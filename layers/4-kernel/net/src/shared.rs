//! What a socket's file and the stack both see: readiness, and who waits for it.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};
use rumpkin_kernel::wait::{Events, WaitQueue};

/// Readiness of one socket. The stack writes it under its lock; polling reads it without.
#[derive(Default)]
pub struct Shared {
    ready: AtomicU32,
    /// Who waits.
    pub queue: WaitQueue,
}

impl Shared {
    /// Readiness now.
    pub fn ready(&self) -> Events {
        // Ordered with the count of observers, so that one who waits and one who announces do not miss each other.
        Events::from_bits_truncate(self.ready.load(Ordering::SeqCst))
    }

    /// Sets the readiness. What became true, and `again` (true before, but there is more of it), is to be announced.
    pub fn update(self: &Arc<Self>, ready: Events, again: Events, notices: &mut Notices) {
        let before = Events::from_bits_truncate(self.ready.swap(ready.bits(), Ordering::SeqCst));
        let news = ready.difference(before) | ready.intersection(again);
        if !news.is_empty() && self.queue.has_observers() {
            notices.push(Notice { socket: self.clone(), events: news });
        }
    }
}

/// An announcement, made once the stack's lock is free.
pub struct Notice {
    socket: Arc<Shared>,
    events: Events,
}

/// Announcements to make.
pub type Notices = Vec<Notice>;

/// Makes the announcements.
pub fn announce(notices: Notices) {
    for notice in notices {
        notice.socket.queue.notify(notice.events);
    }
}
