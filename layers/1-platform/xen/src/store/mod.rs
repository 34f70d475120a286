//! The client of xenstore, the tree of small values by which domains find each other (Xen, docs/misc/xenstore.txt).
//!
//! Any number of threads call; each waits for its own answer. Requests and answers pass through two rings in one page.
//! Whoever calls or is called by the event channel moves what can be moved:
//!
//! ```text
//!   Store::read … ──▶ Call in `calls` ──▶ request ring ──▶ xenstored
//!        ▲ unpark                                              │
//!        └──── Call's answer ◀── Receiver ◀── answer ring ◀────┘
//!                                   └── event: the watch fires; the store's thread calls its Notify
//! ```

mod error;
mod message;
#[cfg(test)]
mod tests;
mod transaction;
mod watch;

pub use error::StoreError;
pub use transaction::Transaction;
pub use watch::Watch;

use crate::{
    Error,
    byte_ring::{Consumer, Corrupt, Place, Producer},
    event::Channel,
    page::SharedPage,
};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{
    mem,
    sync::atomic::{AtomicU32, Ordering},
};
use message::{HEADER, Header, PAYLOAD, Receiver};
use rumpkin_core::for_platform::{
    interface::Notify,
    sync::IrqMutex,
    thread::{self, Thread},
};
use xen_sys::{
    XENSTORE_RING_SIZE, XS_DIRECTORY, XS_ERROR, XS_READ, XS_RM, XS_WATCH_EVENT, XS_WRITE, xenstore_domain_interface,
};

/// What a call to the store gives.
pub type Result<T> = core::result::Result<T, StoreError>;

macro_rules! offset {
    ($field:ident) => {
        mem::offset_of!(xenstore_domain_interface, $field)
    };
}

const REQUESTS: Place =
    Place { bytes: offset!(req), size: XENSTORE_RING_SIZE, consumer: offset!(req_cons), producer: offset!(req_prod) };
const ANSWERS: Place =
    Place { bytes: offset!(rsp), size: XENSTORE_RING_SIZE, consumer: offset!(rsp_cons), producer: offset!(rsp_prod) };

/// No transaction.
const NONE: u32 = 0;
/// Concurrent calls that there is room for from the start.
const CALLS: usize = 8;

/// The store.
pub struct Store {
    channel: Channel,
    state: IrqMutex<State>,
    /// Calls the watches' notifies.
    thread: rumpkin_core::for_platform::sync::Once<Arc<Thread>>,
    /// The next number of a request or a watch.
    next: AtomicU32,
}

/// A request, and its answer when that is here.
struct Call {
    id: u32,
    request: Vec<u8>,
    sent: usize,
    /// Kind of the answer, when there is one.
    answer: Option<u32>,
    /// What was behind its header. Before that, room for it, which the receiver gets in exchange.
    body: Vec<u8>,
    /// Who waits.
    thread: Option<Arc<Thread>>,
}

struct Registration {
    id: u32,
    notify: Notify,
    fired: bool,
}

struct State {
    requests: Producer,
    answers: Consumer,
    receiver: Receiver,
    /// In the order in which they go out.
    calls: Vec<Call>,
    watches: Vec<Registration>,
    /// For [`Store::say_last`].
    last: Option<Call>,
    broken: bool,
}

impl State {
    /// Moves what can be moved, both ways. True if the other side is to be told.
    fn pump(&mut self, watcher: Option<&Arc<Thread>>) -> bool {
        let mut moved = false;
        if !self.broken && self.try_pump(&mut moved, watcher).is_err() {
            self.broken = true;
            self.calls.iter().filter_map(|call| call.thread.as_ref()).for_each(|thread| thread.unpark());
        }
        moved
    }

    fn try_pump(&mut self, moved: &mut bool, watcher: Option<&Arc<Thread>>) -> core::result::Result<(), Corrupt> {
        for call in &mut self.calls {
            let rest = call.request.get(call.sent..).unwrap_or_default();
            if rest.is_empty() {
                continue;
            }
            let count = self.requests.push(rest)?;
            *moved |= count > 0;
            call.sent += count;
            if call.sent < call.request.len() {
                break;
            }
        }
        loop {
            let (taken, header) = self.receiver.receive(&mut self.answers);
            *moved |= taken > 0;
            match header? {
                None => return Ok(()),
                Some(header) if header.kind == XS_WATCH_EVENT => self.fire(watcher),
                Some(header) => self.answer(header),
            }
        }
    }

    fn fire(&mut self, watcher: Option<&Arc<Thread>>) {
        let id = message::token(&self.receiver.body);
        // An event for a watch that has just been given up finds none.
        if let Some(watch) = self.watches.iter_mut().find(|watch| Some(watch.id) == id) {
            watch.fired = true;
            if let Some(thread) = watcher {
                thread.unpark();
            }
        }
    }

    /// The notify of a watch that has fired and has not been told of yet.
    fn next_fired(&mut self) -> Option<Notify> {
        self.watches.iter_mut().find_map(|watch| mem::take(&mut watch.fired).then(|| watch.notify.clone()))
    }

    fn answer(&mut self, header: Header) {
        let waiting = |call: &&mut Call| call.id == header.id && call.answer.is_none();
        if let Some(call) = self.calls.iter_mut().find(waiting) {
            call.answer = Some(header.kind);
            if call.body.capacity() >= PAYLOAD {
                mem::swap(&mut call.body, &mut self.receiver.body);
            }
            if let Some(thread) = &call.thread {
                thread.unpark();
            }
        }
    }

    /// Takes a call out that is answered, or will never be.
    fn finished(&mut self, id: u32) -> Option<Call> {
        let index = self.calls.iter().position(|call| call.id == id)?;
        let done = self.broken || self.calls.get(index)?.answer.is_some();
        done.then(|| self.calls.remove(index))
    }
}

impl Store {
    /// The store behind this page and port, which the toolstack made; for good.
    pub(crate) fn start(page: SharedPage, port: u32) -> core::result::Result<&'static Store, Error> {
        let last = Call {
            id: u32::MAX,
            request: Vec::with_capacity(128),
            sent: 0,
            answer: None,
            body: Vec::new(),
            thread: None,
        };
        let store: &Store = Box::leak(Box::new(Store {
            channel: Channel::new(port)?,
            state: IrqMutex::new(State {
                requests: Producer::new(page, REQUESTS),
                answers: Consumer::new(page, ANSWERS),
                receiver: Receiver::new(),
                calls: Vec::with_capacity(CALLS),
                watches: Vec::new(),
                last: Some(last),
                broken: false,
            }),
            thread: rumpkin_core::for_platform::sync::Once::new(),
            next: AtomicU32::new(1),
        }));
        let thread = thread::spawn("xenstore", || store.call_notifies()).map_err(|_| Error::Memory)?;
        store.thread.call_once(|| thread);
        store.channel.bind(|| store.pump());
        Ok(store)
    }

    fn pump(&self) {
        let moved = self.state.lock().pump(self.thread.get());
        if moved {
            self.channel.notify();
        }
    }

    fn number(&self) -> u32 {
        // Not 0, which events have, nor the last call's.
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| Some((next % 0x7fff_ffff) + 1)).unwrap_or(1)
    }

    /// Sends a request, waits for the answer, and gives what is behind its header.
    fn call(&self, kind: u32, transaction: u32, parts: &[&[u8]]) -> Result<Vec<u8>> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > PAYLOAD {
            return Err(StoreError::TooLong);
        }
        let id = self.number();
        let mut request = Vec::with_capacity(HEADER + length);
        Header { kind, id, transaction, length: length as u32 }.encode(&mut request);
        parts.iter().for_each(|part| request.extend_from_slice(part));
        let me = thread::current();
        let call =
            Call { id, request, sent: 0, answer: None, body: Vec::with_capacity(PAYLOAD), thread: Some(me.clone()) };
        self.state.lock().calls.push(call);
        self.pump();
        let mut unparked = false;
        let call = loop {
            let finished = self.state.lock().finished(id);
            if let Some(call) = finished {
                break call;
            }
            unparked |= thread::park(None);
        };
        // One that was meant for an outer wait must not be lost in this inner one; at worst that looks once more.
        if unparked {
            me.unpark();
        }
        match call.answer {
            None => Err(StoreError::Broken),
            Some(XS_ERROR) => Err(StoreError::named(&call.body)),
            Some(answer) if answer == kind => Ok(call.body),
            Some(_) => Err(StoreError::Malformed),
        }
    }

    fn read_in(&self, transaction: u32, path: &str) -> Result<String> {
        let value = self.call(XS_READ, transaction, &[checked(path)?, b"\0"])?;
        String::from_utf8(value).map_err(|_| StoreError::Malformed)
    }

    fn write_in(&self, transaction: u32, path: &str, value: &str) -> Result<()> {
        self.call(XS_WRITE, transaction, &[checked(path)?, b"\0", value.as_bytes()])?;
        Ok(())
    }

    fn list_in(&self, transaction: u32, path: &str) -> Result<Vec<String>> {
        let names = self.call(XS_DIRECTORY, transaction, &[checked(path)?, b"\0"])?;
        let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8(name.to_vec()).map_err(|_| StoreError::Malformed)).collect()
    }

    fn remove_in(&self, transaction: u32, path: &str) -> Result<()> {
        self.call(XS_RM, transaction, &[checked(path)?, b"\0"])?;
        Ok(())
    }

    /// A node's value. Paths that do not begin with `/` begin at this domain's own node. Blocks.
    pub fn read(&self, path: &str) -> Result<String> {
        self.read_in(NONE, path)
    }

    /// Sets a node's value, and makes it and what is above it where they are not there. Blocks.
    pub fn write(&self, path: &str, value: &str) -> Result<()> {
        self.write_in(NONE, path, value)
    }

    /// The names of a node's children. Blocks.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        self.list_in(NONE, path)
    }

    /// Removes a node and all below it. Blocks.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.remove_in(NONE, path)
    }

    /// What the store's thread does.
    fn call_notifies(&self) {
        loop {
            let fired = self.state.lock().next_fired();
            match fired {
                Some(notify) => notify(),
                None => {
                    thread::park(None);
                }
            }
        }
    }

    /// Writes a value when the machine ends: by polling, with interrupts off, without allocation, and only if nobody is in
    /// the middle of something. Waits a second at most.
    pub(crate) fn say_last(&self, path: &str, value: &[&[u8]]) {
        const TURNS: u32 = 100_000;
        let Some(mut state) = self.state.try_lock() else {
            return;
        };
        let Some(mut call) = state.last.take() else {
            return;
        };
        let length = path.len() + 1 + value.iter().map(|part| part.len()).sum::<usize>();
        if state.calls.len() == state.calls.capacity() || HEADER + length > call.request.capacity() {
            return;
        }
        Header { kind: XS_WRITE, id: call.id, transaction: NONE, length: length as u32 }.encode(&mut call.request);
        for part in [path.as_bytes(), b"\0"].iter().chain(value) {
            call.request.extend_from_slice(part);
        }
        let id = call.id;
        state.calls.push(call);
        for _ in 0..TURNS {
            if state.pump(None) {
                self.channel.notify();
            }
            if state.broken || state.calls.iter().any(|call| call.id == id && call.answer.is_some()) {
                return;
            }
            crate::scheduling::yield_processor();
        }
    }
}

/// The bytes of a path, which ends at a NUL for the store.
fn checked(path: &str) -> Result<&[u8]> {
    if path.is_empty() || path.bytes().any(|byte| byte == 0) {
        return Err(StoreError::Malformed);
    }
    Ok(path.as_bytes())
}
