//! The system-call table: who answers which number, and what is said of the numbers that nobody answers.

use crate::{call::Call, kernel::Kernel};
use alloc::{vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_abi::{Errno, linux::general};

/// Numbers that the table has room for; Linux 6.12 ends at 466.
const SIZE: usize = 512;

/// Calls that runtimes make to learn whether the kernel has them, and do without: memory protection keys (V8), io_uring (libuv, liburing),
/// userfaultfd, perf_event_open, bpf, landlock, futex_waitv.
const PROBED: [u64; 7] = [
    general::__NR_pkey_alloc as u64,
    general::__NR_io_uring_setup as u64,
    general::__NR_userfaultfd as u64,
    general::__NR_perf_event_open as u64,
    general::__NR_bpf as u64,
    general::__NR_landlock_create_ruleset as u64,
    general::__NR_futex_waitv as u64,
];

/// Answers a system call.
pub type Handler = fn(&mut Call<'_>) -> Result<usize, Errno>;

/// A system call as a component registers it.
pub struct SystemCall {
    /// Its number (`__NR_*`).
    pub number: u32,
    /// Who answers.
    pub handler: Handler,
    /// Which of its flags and modes are supported, for the documentation; empty if all. Images leave it out.
    #[cfg(debug_assertions)]
    pub support: &'static str,
}

impl SystemCall {
    /// Its name.
    pub fn name(&self) -> &'static str {
        rumpkin_abi::system_call_name(self.number.into()).unwrap_or("unknown")
    }
}

/// Declares a component's system calls: `name => handler, "what is supported";` lines. A handler takes the [`Call`] and as many of
/// the call's arguments as it has parameters, of the types that it gives them ([`Argument`](crate::arguments::Argument)).
#[macro_export]
macro_rules! system_calls {
    ($($name:ident => $handler:path $(, $support:literal)?;)*) => {
        &[$($crate::SystemCall {
            number: const { $crate::abi::system_call_number(stringify!($name)) },
            handler: |call| $crate::arguments::Answer::answer($handler, call),
            #[cfg(debug_assertions)]
            support: concat!($($support)?),
        }),*]
    };
}

/// Every system call that is registered; a part of the kernel.
pub struct SystemCallTable {
    calls: Vec<Option<&'static SystemCall>>,
    /// One bit per number: it has been logged as missing. All numbers behind the table share the last 64.
    logged: Vec<AtomicU64>,
    trace: bool,
}

impl Kernel {
    /// Adds a component's calls to the table, in place of others of the same numbers.
    pub fn add_calls(&mut self, calls: &'static [SystemCall]) {
        if let Some(table) = self.parts.get_mut::<SystemCallTable>() {
            table.add(calls);
        }
    }

    /// The table of system calls.
    pub fn table(&self) -> &SystemCallTable {
        static EMPTY: SystemCallTable = SystemCallTable { calls: Vec::new(), logged: Vec::new(), trace: false };
        self.parts.get().unwrap_or(&EMPTY)
    }
}

impl SystemCallTable {
    #[expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "once, at boot")]
    pub(crate) fn new(trace: bool) -> Self {
        SystemCallTable { calls: vec![None; SIZE], logged: (0..=SIZE / 64).map(|_| AtomicU64::new(0)).collect(), trace }
    }

    fn add(&mut self, calls: &'static [SystemCall]) {
        for call in calls {
            if let Some(slot) = self.calls.get_mut(call.number as usize) {
                *slot = Some(call);
            }
        }
    }

    /// The calls, by number.
    pub fn calls(&self) -> impl Iterator<Item = &'static SystemCall> + '_ {
        self.calls.iter().flatten().copied()
    }

    /// Answers the call whose number is in `rax`. The caller stores the result.
    pub fn dispatch(&self, call: &mut Call<'_>) -> Result<usize, Errno> {
        let number = call.registers.rax;
        let Some(Some(entry)) = self.calls.get(number as usize) else {
            self.log_missing(number, call);
            return Err(Errno::ENOSYS);
        };
        if !self.trace {
            return (entry.handler)(call);
        }
        let arguments: [usize; 6] = core::array::from_fn(|index| call.argument(index));
        let result = (entry.handler)(call);
        log::info!("[{}] {}({:x?}) = {:x?}", call.thread.id, entry.name(), arguments, result);
        result
    }

    /// Logs a missing call once, by name.
    fn log_missing(&self, number: u64, call: &Call<'_>) {
        let bit = 1u64.wrapping_shl(number as u32 & 63);
        let first = match self.logged.get((number as usize / 64).min(SIZE / 64)) {
            Some(word) => word.fetch_or(bit, Ordering::Relaxed) & bit == 0,
            None => true,
        };
        if first {
            let name = rumpkin_abi::system_call_name(number).unwrap_or("unknown");
            let level = if PROBED.contains(&number) { log::Level::Debug } else { log::Level::Warn };
            log::log!(level, "{}: system call {name} ({number}) is not in this image: ENOSYS", call.process().name());
        }
    }
}
