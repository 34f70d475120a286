//! What becomes of signals on the way back to user code, and of the calls that they interrupted (signal(7)).

use crate::{
    action::{Disposition, disposition},
    frame::{self, Trap},
    set::SignalSet,
    state::{ProcessSignals, ThreadSignals, tell_of_stop},
};
use alloc::sync::Arc;
use rumpkin_spine::{
    Errno,
    abi::{
        SignalAction, SignalInfo,
        linux::general,
        signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP},
    },
    process::Thread,
};
use rumpuser::context::Registers;

/// Length of the `syscall` instruction: going back by it makes the call again.
const SYSCALL_LENGTH: u64 = 2;

/// A system call that gave up because of a signal, or what seemed one.
#[derive(Debug, Clone, Copy)]
pub struct Interrupted {
    /// Its number.
    pub number: u64,
    /// `ERESTARTSYS` or `ERESTARTNOHAND`.
    pub error: Errno,
}

impl Interrupted {
    /// Makes the call again.
    fn restart(self, registers: &mut Registers) {
        registers.rax = self.number;
        registers.rip = registers.rip.wrapping_sub(SYSCALL_LENGTH);
    }

    /// A handler is about to run: afterwards the call is made again, or fails.
    fn before_handler(self, registers: &mut Registers, action: &SignalAction) {
        if self.error == Errno::ERESTARTSYS && action.flags & u64::from(general::SA_RESTART) != 0 {
            self.restart(registers);
        } else {
            registers.rax = Errno::EINTR.to_rax();
        }
    }
}

/// Does what waits to be done before user code goes on. False if it does not go on.
pub fn settle(thread: &Arc<Thread>, registers: &mut Registers, mut interrupted: Option<Interrupted>) -> bool {
    loop {
        if thread.is_ending() {
            return false;
        }
        while let Some(info) = thread.take_signal(SignalSet(!thread.blocked().0)) {
            let number = info.signal();
            let action = thread.process.action(number);
            match disposition(number, &action) {
                Disposition::Ignore => {}
                Disposition::Stop => tell_of_stop(&thread.process, number),
                Disposition::Terminate => terminate(thread, registers, info),
                Disposition::Handle => {
                    if let Some(interrupted) = interrupted.take() {
                        interrupted.before_handler(registers, &action);
                    }
                    handle(thread, registers, info, action, Trap::default());
                }
            }
            if thread.is_ending() {
                return false;
            }
        }
        if let Some(interrupted) = interrupted.take() {
            interrupted.restart(registers);
        }
        // No handler took the mask along, so the call that changed it for its time is over.
        if let Some(mask) = thread.take_saved_mask() {
            thread.set_blocked(mask);
        }
        if !thread.take_work() {
            return true;
        }
    }
}

/// Delivers a signal that cannot wait: the instruction that raised it cannot go on. Blocked or ignored, it kills.
pub fn force(thread: &Arc<Thread>, registers: &mut Registers, info: SignalInfo, trap: Trap) {
    let number = info.signal();
    let action = thread.process.action(number);
    let open = !thread.blocked().contains(number);
    if open && disposition(number, &action) == Disposition::Handle {
        handle(thread, registers, info, action, trap);
    } else {
        terminate(thread, registers, info);
    }
}

/// Has the handler run next: its frame goes to the stack, and what it blocks is blocked.
fn handle(thread: &Arc<Thread>, registers: &mut Registers, info: SignalInfo, action: SignalAction, trap: Trap) {
    let number = info.signal();
    let blocked = thread.blocked();
    let mask = thread.take_saved_mask().unwrap_or(blocked);
    if frame::push(thread, registers, info, &action, mask, trap).is_err() {
        return refuse(thread, registers, number);
    }
    if action.flags & u64::from(general::SA_RESETHAND) != 0 {
        thread.process.set_action(number, SignalAction { handler: 0, ..action });
    }
    let mut now = blocked.union(SignalSet(action.mask));
    if action.flags & u64::from(general::SA_NODEFER) == 0 {
        now = now.union(SignalSet::of(number));
    }
    thread.set_blocked(now);
}

/// There is no stack to run a handler on: SIGSEGV, which may have an alternate stack, unless it is that one's turn.
fn refuse(thread: &Arc<Thread>, registers: &mut Registers, number: u8) {
    let info = SignalInfo::from_kernel(SIGSEGV);
    if number == SIGSEGV {
        terminate(thread, registers, info);
    } else {
        force(thread, registers, info, Trap::default());
    }
}

/// Ends the process by a signal: its status is 128 + number. What looks like a crash is logged with its place.
fn terminate(thread: &Thread, registers: &Registers, info: SignalInfo) {
    let process = &thread.process;
    let (name, number) = (process.name(), info.signal());
    if process.exiting() {
        return;
    }
    let address = info.fields.first().copied().unwrap_or_default();
    match number {
        SIGSEGV | SIGBUS | SIGILL | SIGFPE | SIGTRAP | SIGSYS => log::error!(
            "{name}[{}]: killed by signal {number} (code {}) at address {address:#x}, rip {:#x}, rsp {:#x}",
            thread.id,
            info.code,
            registers.rip,
            registers.rsp,
        ),
        SIGABRT => log::error!("{name}[{}]: aborted", thread.id),
        _ => log::info!("{name}: ended by signal {number}"),
    }
    process.exit(128u8.saturating_add(number));
}
