//! Signals that tell of readiness: `O_ASYNC`, and whom and how fcntl(2)'s `F_SETOWN` and `F_SETSIG` have told.

use crate::{
    file::OpenFile,
    kernel::Kernel,
    signal::{COUNT, Info, SIGIO},
    wait::{Events, Observer},
};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use rumpkin_abi::{Errno, SignalInfo};
use rumpkin_collections::try_arc;
use rumpuser::sync::Mutex;

/// Who is told.
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

/// Tells an owner by a signal of what becomes of a file.
pub struct Notice {
    kernel: Weak<Kernel>,
    owner: Mutex<Owner>,
    /// The signal, with what has happened; 0 for SIGIO, without.
    signal: AtomicU8,
    /// What the file was known as when it was told to tell.
    descriptor: AtomicI32,
}

impl Observer for Notice {
    fn changed(&self, events: Events) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        let (number, info) = match self.signal.load(Ordering::Relaxed) {
            0 => (SIGIO, Info::from_kernel(SIGIO)),
            number => (number, self.info(number, events)),
        };
        let owner = *self.owner.lock();
        match owner {
            Owner::Nobody => {}
            Owner::Process(id) | Owner::Group(id) => {
                if let Some(process) = kernel.process(id) {
                    process.send_signal(number, info);
                }
            }
            Owner::Thread(id) => {
                let thread = kernel.with_processes(|all| all.iter().find_map(|process| process.thread(id)));
                if let Some(thread) = thread {
                    thread.send_signal(number, info);
                }
            }
        }
    }
}

impl Notice {
    /// `si_code` is the reason, `si_band` what poll(2) would report, `si_fd` the descriptor.
    fn info(&self, number: u8, events: Events) -> Info {
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
        Info(info)
    }
}

impl OpenFile {
    /// What tells of the file's readiness; made when first asked for. `ENOMEM` without memory.
    fn notice_of(&self, kernel: &Arc<Kernel>) -> Result<&Arc<Notice>, Errno> {
        self.notice.try_call_once(|| {
            let notice = Notice {
                kernel: Arc::downgrade(kernel),
                owner: Mutex::default(),
                signal: AtomicU8::new(0),
                descriptor: AtomicI32::new(-1),
            };
            Ok(try_arc(notice)?)
        })
    }

    /// Who is told of readiness.
    pub fn owner(&self) -> Owner {
        self.notice.get().map_or(Owner::Nobody, |notice| *notice.owner.lock())
    }

    /// Sets who is told. `ESRCH` if there is no such thread or process.
    pub fn set_owner(&self, kernel: &Arc<Kernel>, owner: Owner) -> Result<(), Errno> {
        let there = match owner {
            Owner::Nobody => true,
            Owner::Process(id) | Owner::Group(id) => kernel.process(id).is_some(),
            Owner::Thread(id) => kernel.with_processes(|all| all.iter().any(|process| process.thread(id).is_some())),
        };
        if !there {
            return Err(Errno::ESRCH);
        }
        *self.notice_of(kernel)?.owner.lock() = owner;
        Ok(())
    }

    /// The signal that tells; 0 for SIGIO.
    pub fn owner_signal(&self) -> u8 {
        self.notice.get().map_or(0, |notice| notice.signal.load(Ordering::Relaxed))
    }

    /// Sets the signal. `EINVAL` for a number that is none.
    pub fn set_owner_signal(&self, kernel: &Arc<Kernel>, signal: usize) -> Result<(), Errno> {
        let signal = u8::try_from(signal).ok().filter(|signal| usize::from(*signal) <= COUNT).ok_or(Errno::EINVAL)?;
        self.notice_of(kernel)?.signal.store(signal, Ordering::Relaxed);
        Ok(())
    }

    /// Begins or ceases to tell (`O_ASYNC`). `ENOTTY` for a file that is always ready.
    pub fn tell_of_readiness(&self, kernel: &Arc<Kernel>, descriptor: i32, tell: bool) -> Result<(), Errno> {
        let queue = self.file().wait_queue().ok_or(Errno::ENOTTY)?;
        let notice = self.notice_of(kernel)?;
        notice.descriptor.store(descriptor, Ordering::Relaxed);
        match (tell, self.set_asynchronous(tell)) {
            (true, false) => queue.add(Events::all(), notice.clone()).map_err(|_| {
                self.set_asynchronous(false);
                Errno::ENOMEM
            }),
            (false, true) => {
                let observer: Arc<dyn Observer> = notice.clone();
                queue.remove(&observer);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
