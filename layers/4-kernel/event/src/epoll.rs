//! Epoll sets (epoll(7)): members observe their files, and those that announced something stand in a ready list.
//!
//! ```text
//!   file ──notify──▶ Member ──once──▶ ready list ──▶ epoll_wait: ask the file, report, and put level-triggered ones back
//! ```
//!
//! So a wait costs what is ready, whatever the number of members. A member holds the file, not the open file description: when
//! the last descriptor of that is closed, it announces it, and the member goes.
//!
//! No lock of a set is held while a file is asked, or a wait queue changed, save `turn`, which only epoll_wait takes.

use crate::anonymous_stat;
use alloc::{
    collections::VecDeque,
    sync::{Arc, Weak},
};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use rumpkin_collections::{OrderedMap, OutOfMemory, TryDeque, try_arc_cyclic};
use rumpkin_spine::{
    Errno,
    abi::{EpollEvent, Stat, linux::general},
    file::{File, OpenFile},
    wait::{Events, Observer, WaitQueue},
};
use rumpuser::sync::Mutex;

/// Sets within sets within sets: as deep as Linux allows.
const MAX_NESTING: usize = 5;

/// Which member: its descriptor, and the description that this stood for.
type MemberKey = (usize, usize);

/// An epoll set.
pub struct Epoll {
    members: Mutex<OrderedMap<MemberKey, Arc<Member>>>,
    /// It has room for all members, so that it need not grow when something is announced.
    ready: Mutex<VecDeque<Arc<Member>>>,
    queue: WaitQueue,
    /// Held by whoever takes events.
    turn: Mutex<()>,
    /// How many sets may stand around this one, each within the next. It never shrinks.
    above: AtomicUsize,
    this: Weak<Epoll>,
}

/// One descriptor in a set.
struct Member {
    key: MemberKey,
    file: Arc<dyn File>,
    /// To stop observing its end, if it has not come by then.
    description: Weak<OpenFile>,
    epoll: Weak<Epoll>,
    this: Weak<Member>,
    interest: Mutex<Interest>,
    /// It stands in the ready list.
    queued: AtomicBool,
    /// It has been taken out of the set.
    removed: AtomicBool,
}

#[derive(Clone, Copy)]
struct Interest {
    /// `EPOLL*`: events and modes; no events once a one-shot member has fired.
    bits: u32,
    data: [u8; 8],
}

impl Interest {
    /// The events that are reported; nothing, not even errors, for a one-shot member that has fired.
    fn events(self) -> Events {
        let events = Events::from_bits_truncate(self.bits);
        if self.is(general::EPOLLONESHOT) && events.is_empty() {
            return events;
        }
        events | Events::ERROR | Events::HANG_UP
    }

    fn is(self, mode: u32) -> bool {
        self.bits & mode != 0
    }
}

impl Observer for Member {
    fn changed(&self, events: Events) {
        let Some(epoll) = self.epoll.upgrade() else { return };
        if events == Events::INVALID {
            epoll.remove_member(self.key);
        } else if events.intersects(self.interest.lock().events()) {
            self.this.upgrade().into_iter().for_each(|member| epoll.push(member));
        }
    }
}

impl Epoll {
    /// An empty set.
    pub fn new() -> Result<Arc<Epoll>, OutOfMemory> {
        try_arc_cyclic(|this: &Weak<Epoll>| Epoll {
            members: Mutex::new(OrderedMap::new()),
            ready: Mutex::new(VecDeque::new()),
            queue: WaitQueue::new(),
            turn: Mutex::new(()),
            above: AtomicUsize::new(0),
            this: this.clone(),
        })
    }

    /// Adds a descriptor. `EEXIST` if it is a member, `EPERM` for a file that is always ready, `ELOOP` for a circle or for
    /// sets that stand too deep within each other, `ENOMEM` if memory has run out.
    pub fn add(&self, descriptor: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Result<(), Errno> {
        let queue = file.file().wait_queue().ok_or(Errno::EPERM)?;
        if let Some(inner) = file.downcast::<Epoll>() {
            if core::ptr::eq(inner, self) {
                return Err(Errno::EINVAL);
            }
            // What is around counts as well as what is within: readiness is asked and told through all of it.
            let depth = inner.nesting(self, MAX_NESTING)?.saturating_add(self.above.load(Ordering::SeqCst));
            if depth >= MAX_NESTING {
                return Err(Errno::ELOOP);
            }
        }
        let key = key(descriptor, file);
        let member = try_arc_cyclic(|this: &Weak<Member>| Member {
            key,
            file: file.file().clone(),
            description: Arc::downgrade(file),
            epoll: self.this.clone(),
            this: this.clone(),
            interest: Mutex::new(Interest { bits: event.events, data: event.data }),
            queued: AtomicBool::new(false),
            removed: AtomicBool::new(false),
        })?;
        {
            let mut members = self.members.lock();
            if members.contains_key(key) {
                return Err(Errno::EEXIST);
            }
            let mut ready = self.ready.lock();
            let places = members.len().saturating_add(1).saturating_sub(ready.len());
            ready.try_reserve_more(places)?;
            members.try_insert(key, member.clone())?;
        }
        if let Some(inner) = file.downcast::<Epoll>() {
            inner.stand_within(self.above.load(Ordering::SeqCst).saturating_add(1));
        }
        // All events: what the member is interested in can change, and it filters.
        let observed = queue.add(Events::all(), member.clone());
        if let Err(error) = observed.and_then(|()| file.closed().add(Events::INVALID, member.clone())) {
            self.remove_member(key);
            return Err(error.into());
        }
        self.look(&member);
        Ok(())
    }

    /// Changes what a member is interested in. `ENOENT` if it is not one.
    pub fn modify(&self, descriptor: i32, file: &Arc<OpenFile>, event: EpollEvent) -> Result<(), Errno> {
        let member = self.members.lock().get(key(descriptor, file)).cloned().ok_or(Errno::ENOENT)?;
        if member.interest.lock().is(general::EPOLLEXCLUSIVE) {
            return Err(Errno::EINVAL);
        }
        *member.interest.lock() = Interest { bits: event.events, data: event.data };
        self.look(&member);
        Ok(())
    }

    /// Takes a descriptor out. `ENOENT` if it is not a member.
    pub fn remove(&self, descriptor: i32, file: &Arc<OpenFile>) -> Result<(), Errno> {
        self.remove_member(key(descriptor, file)).map(drop).ok_or(Errno::ENOENT)
    }

    fn remove_member(&self, key: MemberKey) -> Option<Arc<Member>> {
        let member = self.members.lock().remove(key)?;
        member.detach();
        // Or it would keep the file open until somebody waits.
        if member.queued.load(Ordering::SeqCst) {
            self.ready.lock().retain(|other| !Arc::ptr_eq(other, &member));
        }
        Some(member)
    }

    /// Puts a member into the ready list if something is true of it already.
    fn look(&self, member: &Arc<Member>) {
        if member.file.poll().intersects(member.interest.lock().events()) {
            self.push(member.clone());
        }
    }

    #[expect(clippy::disallowed_methods, reason = "`add` has made room for each member")]
    fn push(&self, member: Arc<Member>) {
        if member.removed.load(Ordering::SeqCst) {
            return;
        }
        if !member.queued.swap(true, Ordering::SeqCst) {
            self.ready.lock().push_back(member);
        }
        // Of one that stands there already too: it is news to an edge-triggered set around this one.
        self.queue.notify(Events::READ);
    }

    /// Fills in events that are true now; gives their number. `EAGAIN` if there are none.
    #[expect(clippy::disallowed_methods, reason = "`add` has made room for each member")]
    pub fn take(&self, events: &mut [EpollEvent]) -> Result<usize, Errno> {
        // One at a time: another would find the list empty while this one holds what it is about to put back, and sleep.
        let _turn = self.turn.lock();
        // Those that are put back must not be looked at twice.
        let mut candidates = self.ready.lock().len();
        let mut count = 0usize;
        while candidates > 0 {
            let Some(slot) = events.get_mut(count) else { break };
            candidates = candidates.saturating_sub(1);
            let Some(member) = self.ready.lock().pop_front() else { break };
            // Before the file is asked: what changes from now on puts the member into the list again.
            member.queued.store(false, Ordering::SeqCst);
            if let Some(event) = member.report() {
                *slot = event;
                count = count.saturating_add(1);
                let interest = *member.interest.lock();
                if !interest.is(general::EPOLLET)
                    && !interest.is(general::EPOLLONESHOT)
                    && !member.queued.swap(true, Ordering::SeqCst)
                {
                    self.ready.lock().push_back(member);
                }
            }
        }
        if count == 0 { Err(Errno::EAGAIN) } else { Ok(count) }
    }

    /// Notes that so many sets stand around this one, and around those within it.
    fn stand_within(&self, above: usize) {
        if above > MAX_NESTING || self.above.fetch_max(above, Ordering::SeqCst) >= above {
            return;
        }
        self.each_inner(|inner| {
            inner.stand_within(above.saturating_add(1));
            Some(())
        });
    }

    /// Goes through the members that are sets themselves, without a lock, until `each` gives nothing.
    fn each_inner(&self, mut each: impl FnMut(&Epoll) -> Option<()>) {
        let mut from = Some((0, 0));
        while let Some(start) = from {
            let next = self.members.lock().at_or_after(start).map(|(key, member)| (key, member.clone()));
            let Some((key, member)) = next else { return };
            let file: &dyn core::any::Any = &*member.file;
            if file.downcast_ref::<Epoll>().is_some_and(|inner| each(inner).is_none()) {
                return;
            }
            from = key.1.checked_add(1).map(|behind| (key.0, behind));
        }
    }

    /// How deep the sets below this one are nested. `ELOOP` if one of them is `outer`.
    fn nesting(&self, outer: &Epoll, limit: usize) -> Result<usize, Errno> {
        if core::ptr::eq(self, outer) || limit == 0 {
            return Err(Errno::ELOOP);
        }
        let mut deepest = Ok(0usize);
        self.each_inner(|inner| {
            deepest = inner.nesting(outer, limit.saturating_sub(1)).map(|depth| depth.max(deepest.unwrap_or(0)));
            deepest.ok().map(|_| ())
        });
        Ok(deepest?.saturating_add(1))
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        for (_, member) in &core::mem::take(&mut *self.members.lock()) {
            member.detach();
        }
    }
}

impl Member {
    /// What is true of the file now and asked for. A one-shot member is then asked for nothing more.
    fn report(&self) -> Option<EpollEvent> {
        if self.removed.load(Ordering::SeqCst) {
            return None;
        }
        let interest = *self.interest.lock();
        // With the interest unlocked: the file may announce something while it is asked.
        let events = self.file.poll() & interest.events();
        if events.is_empty() {
            return None;
        }
        if interest.is(general::EPOLLONESHOT) {
            let mut now = self.interest.lock();
            // Another thread has reported it, or the program wants something else by now and has been served anew.
            if now.bits != interest.bits {
                return None;
            }
            now.bits &= !Events::all().bits();
        }
        Some(EpollEvent { events: events.bits(), data: interest.data })
    }

    /// Stops observing the file and its description.
    fn detach(self: &Arc<Self>) {
        self.removed.store(true, Ordering::SeqCst);
        let observer: Arc<dyn Observer> = self.clone();
        if let Some(queue) = self.file.wait_queue() {
            queue.remove(&observer);
        }
        // Gone already if this comes of its end.
        if let Some(description) = self.description.upgrade() {
            description.closed().remove(&observer);
        }
    }
}

fn key(descriptor: i32, file: &Arc<OpenFile>) -> MemberKey {
    (descriptor as usize, Arc::as_ptr(file).addr())
}

impl File for Epoll {
    fn stat(&self) -> Result<Stat, Errno> {
        anonymous_stat(0)
    }

    fn poll(&self) -> Events {
        let mut candidates = self.ready.lock().len();
        while candidates > 0 {
            candidates = candidates.saturating_sub(1);
            // It stays in the list meanwhile, so that whoever waits on another thread does not miss it.
            let Some(member) = self.ready.lock().front().cloned() else { break };
            let interest = member.interest.lock().events();
            if !member.removed.load(Ordering::SeqCst) && member.file.poll().intersects(interest) {
                return Events::READ | Events::READ_NORMAL;
            }
            {
                let mut ready = self.ready.lock();
                if !ready.front().is_some_and(|first| Arc::ptr_eq(first, &member)) {
                    continue;
                }
                ready.pop_front();
            }
            member.queued.store(false, Ordering::SeqCst);
            // It may have become ready between the two.
            if member.file.poll().intersects(interest) {
                self.push(member);
            }
        }
        Events::empty()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}
