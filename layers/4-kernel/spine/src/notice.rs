//! Signals that tell of readiness: `O_ASYNC`, and whom and how fcntl(2)'s `F_SETOWN` and `F_SETSIG` have told.

use crate::wait::{Events, Observer};
use alloc::sync::Weak;
use core::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use rumpkin_abi::{
    Errno, SignalInfo,
    signal::{COUNT, SIGIO},
};
use rumpuser::sync::Mutex;

/// Who is told, as fcntl(2) names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// Nobody.
    #[default]
    Nobody,
    /// A thread.
    Thread(u32),
    /// A process.
    Process(u32),
    /// A group of processes; every process leads its own.
    Group(u32),
}

/// Somebody who can be sent a signal.
pub trait Target: Send + Sync {
    /// Sends the signal that `info` tells of.
    fn send_signal(&self, info: SignalInfo);
}

/// Whom to send signals to; `None` for nobody.
pub type Recipient = Option<Weak<dyn Target>>;

/// Tells an owner by a signal of what becomes of a file.
#[derive(Default)]
pub struct Notice {
    owner: Mutex<(Owner, Recipient)>,
    /// The signal, with what has happened; 0 for SIGIO, without.
    signal: AtomicU8,
    /// What the file was known as when it was told to tell.
    pub(crate) descriptor: AtomicI32,
}

impl Observer for Notice {
    fn changed(&self, events: Events) {
        let recipient = self.owner.lock().1.as_ref().and_then(Weak::upgrade);
        let Some(recipient) = recipient else { return };
        recipient.send_signal(match self.signal() {
            0 => SignalInfo::from_kernel(SIGIO),
            number => self.info(number, events),
        });
    }
}

impl Notice {
    /// `si_code` is the reason, `si_band` what poll(2) would report, `si_fd` the descriptor.
    fn info(&self, number: u8, events: Events) -> SignalInfo {
        // `POLL_IN` to `POLL_HUP`, the weightiest first.
        const REASONS: [(Events, i32); 5] =
            [(Events::HANG_UP, 6), (Events::ERROR, 4), (Events::PRIORITY, 5), (Events::READ, 1), (Events::WRITE, 2)];
        let reason = REASONS.iter().find(|(event, _)| events.intersects(*event));
        let code = reason.map_or(0, |(_, code)| *code);
        let mut info = SignalInfo { number: i32::from(number), code, ..SignalInfo::default() };
        let fields = [u64::from(events.bits()), u64::from(self.descriptor.load(Ordering::Relaxed) as u32)];
        for (slot, field) in info.fields.iter_mut().zip(fields) {
            *slot = field;
        }
        info
    }

    /// Who is told.
    pub(crate) fn owner(&self) -> Owner {
        self.owner.lock().0
    }

    pub(crate) fn set_owner(&self, owner: Owner, recipient: Recipient) {
        *self.owner.lock() = (owner, recipient);
    }

    /// The signal that tells; 0 for SIGIO.
    pub(crate) fn signal(&self) -> u8 {
        self.signal.load(Ordering::Relaxed)
    }

    /// Sets the signal. `EINVAL` for a number that is none.
    pub(crate) fn set_signal(&self, signal: usize) -> Result<(), Errno> {
        let signal = u8::try_from(signal).ok().filter(|signal| usize::from(*signal) <= COUNT).ok_or(Errno::EINVAL)?;
        self.signal.store(signal, Ordering::Relaxed);
        Ok(())
    }
}
