//! What is kept of signals for each process and each thread, and how it changes.

use crate::{
    action::{Disposition, disposition},
    pending::Pending,
    set::{SignalSet, index},
};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use rumpkin_abi::{SignalAction, SignalInfo, SignalStack, linux::general::SS_DISABLE, signal::COUNT};
use rumpkin_spine::process::{Process, Thread};
use rumpuser::sync::Mutex;

/// The part of a process.
pub(crate) struct OfProcess {
    actions: Mutex<[SignalAction; COUNT]>,
    pending: Mutex<Pending>,
    /// It was told once that it cannot be stopped.
    told_of_stop: AtomicBool,
}

impl Default for OfProcess {
    fn default() -> Self {
        OfProcess {
            actions: Mutex::new([SignalAction::default(); COUNT]),
            pending: Mutex::default(),
            told_of_stop: AtomicBool::new(false),
        }
    }
}

/// The part of a thread.
pub(crate) struct OfThread {
    blocked: AtomicU64,
    pending: Mutex<Pending>,
    /// The alternate stack.
    pub stack: Mutex<SignalStack>,
    /// The mask to go back to after a call that changed it for its time (rt_sigsuspend(2), ppoll(2)).
    saved_mask: Mutex<Option<SignalSet>>,
}

/// No alternate stack.
pub(crate) const NO_STACK: SignalStack = SignalStack { base: 0, flags: SS_DISABLE as i32, padding: 0, size: 0 };

impl Default for OfThread {
    fn default() -> Self {
        OfThread {
            blocked: AtomicU64::new(0),
            pending: Mutex::default(),
            stack: Mutex::new(NO_STACK),
            saved_mask: Mutex::new(None),
        }
    }
}

/// The part of a thread; none if the component came to the kernel later.
pub(crate) fn of(thread: &Thread) -> Option<&OfThread> {
    thread.parts.get()
}

fn of_process(process: &Process) -> Option<&OfProcess> {
    process.parts.get()
}

/// The signals of a process.
pub trait ProcessSignals {
    /// The action for a signal.
    fn action(&self, number: u8) -> SignalAction;

    /// Sets the action for a signal; the old one comes back. A signal that is now ignored is no longer pending.
    fn set_action(&self, number: u8, action: SignalAction) -> SignalAction;

    /// Signals that are pending for the process.
    fn pending_signals(&self) -> SignalSet;

    /// Takes the first pending signal of the process that is in `wanted`.
    fn take_signal(&self, wanted: SignalSet) -> Option<SignalInfo>;

    /// Has every thread but one look at signals that are pending for the process and that it does not block.
    fn hand_on(&self, pending: SignalSet, except: u32);
}

impl ProcessSignals for Process {
    fn action(&self, number: u8) -> SignalAction {
        let actions = of_process(self).map(|state| state.actions.lock());
        actions.and_then(|actions| actions.get(index(number)).copied()).unwrap_or_default()
    }

    fn set_action(&self, number: u8, action: SignalAction) -> SignalAction {
        let Some(state) = of_process(self) else { return SignalAction::default() };
        let old = match state.actions.lock().get_mut(index(number)) {
            Some(slot) => core::mem::replace(slot, action),
            None => SignalAction::default(),
        };
        if disposition(number, &action) == Disposition::Ignore {
            state.pending.lock().discard(number);
            self.with_threads(|threads| threads.iter().for_each(|thread| thread.discard_signal(number)));
        }
        old
    }

    fn pending_signals(&self) -> SignalSet {
        of_process(self).map_or(SignalSet::default(), |state| state.pending.lock().set())
    }

    fn take_signal(&self, wanted: SignalSet) -> Option<SignalInfo> {
        of_process(self)?.pending.lock().take(wanted)
    }

    fn hand_on(&self, pending: SignalSet, except: u32) {
        self.with_threads(|threads| {
            let others = threads.iter().filter(|other| other.id != except);
            others.filter(|other| !pending.without(other.blocked()).is_empty()).for_each(|other| other.kick());
        });
    }
}

/// The signals of a thread.
pub trait ThreadSignals {
    /// Signals that the thread blocks.
    fn blocked(&self) -> SignalSet;

    /// Sets the blocked signals, save those that cannot be; pending signals that are now open are looked at. For the thread
    /// itself, or before it runs.
    fn set_blocked(&self, set: SignalSet);

    /// Signals that are pending for the thread or its process.
    fn pending_signals(&self) -> SignalSet;

    /// Takes the first pending signal that is in `wanted`, the thread's own before the process's.
    fn take_signal(&self, wanted: SignalSet) -> Option<SignalInfo>;

    /// Forgets a pending signal.
    fn discard_signal(&self, number: u8);

    /// Keeps the mask to go back to after a call that changed it for its time.
    fn save_mask(&self, mask: SignalSet);

    /// Takes that mask.
    fn take_saved_mask(&self) -> Option<SignalSet>;

    /// Before the thread leaves its process: signals to the process that it may have been chosen for are for another one.
    fn leave_signals(&self);
}

impl ThreadSignals for Thread {
    fn blocked(&self) -> SignalSet {
        of(self).map_or(SignalSet::default(), |state| SignalSet(state.blocked.load(Ordering::SeqCst)))
    }

    fn set_blocked(&self, set: SignalSet) {
        if let Some(state) = of(self) {
            state.blocked.store(set.without(SignalSet::UNBLOCKABLE).0, Ordering::SeqCst);
            self.look_for_work();
        }
    }

    fn pending_signals(&self) -> SignalSet {
        let own = of(self).map_or(SignalSet::default(), |state| state.pending.lock().set());
        own.union(self.process.pending_signals())
    }

    fn take_signal(&self, wanted: SignalSet) -> Option<SignalInfo> {
        let own = of(self)?.pending.lock().take(wanted);
        own.or_else(|| self.process.take_signal(wanted))
    }

    fn discard_signal(&self, number: u8) {
        if let Some(state) = of(self) {
            state.pending.lock().discard(number);
        }
    }

    fn save_mask(&self, mask: SignalSet) {
        if let Some(state) = of(self) {
            *state.saved_mask.lock() = Some(mask);
        }
    }

    fn take_saved_mask(&self) -> Option<SignalSet> {
        of(self)?.saved_mask.lock().take()
    }

    fn leave_signals(&self) {
        let process = &self.process;
        let pending = process.pending_signals();
        if !pending.is_empty() && !process.exiting() {
            process.hand_on(pending, self.id);
        }
    }
}

/// Whether a signal would be dropped at once. One that some thread blocks or waits for is kept all the same.
fn ignores(process: &Process, number: u8) -> bool {
    disposition(number, &process.action(number)) == Disposition::Ignore
        && !process.with_threads(|threads| threads.iter().any(|thread| thread.blocked().contains(number)))
}

/// Sends a signal to a process: whichever thread does not block it takes it.
pub(crate) fn send_to_process(process: &Process, info: SignalInfo) {
    let number = info.signal();
    let Some(state) = of_process(process) else { return };
    if ignores(process, number) {
        return;
    }
    state.pending.lock().add(info);
    process.with_threads(|threads| {
        let taker = threads.iter().find(|thread| !thread.blocked().contains(number)).or(threads.first());
        if let Some(thread) = taker {
            thread.kick();
        }
    });
}

/// Sends a signal to a thread.
pub(crate) fn send_to_thread(thread: &Thread, info: SignalInfo) {
    let Some(state) = of(thread) else { return };
    if !ignores(&thread.process, info.signal()) {
        state.pending.lock().add(info);
        thread.kick();
    }
}

/// Whether a signal is pending that the thread does not block.
pub(crate) fn is_pending(thread: &Thread) -> bool {
    !thread.pending_signals().without(thread.blocked()).is_empty()
}

/// Says once per process that there is nobody who could continue it, so that it is not stopped.
pub(crate) fn tell_of_stop(process: &Process, number: u8) {
    let first = of_process(process).is_some_and(|state| !state.told_of_stop.swap(true, Ordering::Relaxed));
    if first {
        log::warn!("{}: signal {number} would stop it for ever: ignored", process.name());
    }
}
