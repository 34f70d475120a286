//! What a socket's file and the stack both see: readiness, and who waits for it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use rumpkin_spine::wait::{Events, WaitQueue};
use spin::Mutex;

/// Readiness of one socket. The stack writes it under its lock; polling reads it without.
#[derive(Default)]
pub struct Shared {
    ready: AtomicU32,
    /// What is to be announced. While it is not empty the socket is in some list of [`Notices`], whose link is below.
    news: AtomicU32,
    next: Mutex<Option<Arc<Shared>>>,
    /// Who waits.
    pub queue: WaitQueue,
}

impl Shared {
    /// Of a socket that is ready for these from the beginning.
    pub fn new(ready: Events) -> Shared {
        Shared { ready: AtomicU32::new(ready.bits()), ..Shared::default() }
    }

    /// Readiness now.
    pub fn ready(&self) -> Events {
        // Ordered with the count of observers, so that one who waits and one who announces do not miss each other.
        Events::from_bits_truncate(self.ready.load(Ordering::SeqCst))
    }

    /// Sets the readiness, where nothing becomes true by it that anybody would want to hear of.
    pub fn set(&self, ready: Events) {
        self.ready.store(ready.bits(), Ordering::SeqCst);
    }

    /// Sets the readiness. What became true, and `again` (true before, but there is more of it), is to be announced.
    pub fn update(self: &Arc<Self>, ready: Events, again: Events, notices: &mut Notices) {
        let before = Events::from_bits_truncate(self.ready.swap(ready.bits(), Ordering::SeqCst));
        let news = ready.difference(before) | ready.intersection(again);
        if !news.is_empty() && self.queue.has_observers() {
            notices.add(self, news);
        }
    }
}

/// Announcements to make once the stack's lock is free. They are a list through the sockets themselves, so that what happens to a
/// socket can be told when there is no memory, too.
#[derive(Default)]
pub struct Notices(Option<Arc<Shared>>);

impl Notices {
    fn add(&mut self, socket: &Arc<Shared>, events: Events) {
        // Whoever made it not empty has it in his list, and takes what is added until he announces.
        if socket.news.fetch_or(events.bits(), Ordering::SeqCst) == 0 {
            *socket.next.lock() = self.0.replace(socket.clone());
        }
    }

    /// Makes the announcements.
    pub fn announce(self) {
        let mut rest = self.0;
        while let Some(socket) = rest {
            // From the moment that there is no news it may join another list.
            rest = socket.next.lock().take();
            let news = socket.news.swap(0, Ordering::SeqCst);
            socket.queue.notify(Events::from_bits_truncate(news));
        }
    }
}
