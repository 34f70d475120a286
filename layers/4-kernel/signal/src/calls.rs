//! Actions, masks, waiting for signals, and the return from handlers (sigaction(2), rt_sigprocmask(2), sigwaitinfo(2)).

use crate::{
    deliver,
    frame::{self, Trap},
    set::SignalSet,
    state::{ProcessSignals, ThreadSignals},
};
use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::{
        SignalAction, SignalInfo, SignalStack, Timespec,
        linux::general,
        signal::{COUNT, SIGKILL, SIGSEGV, SIGSTOP},
    },
    system_calls,
    wait::{block_on, sleep_until},
};
use rumpuser::clock;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        rt_sigaction => rt_sigaction;
        rt_sigprocmask => rt_sigprocmask;
        rt_sigpending => rt_sigpending;
        rt_sigsuspend => rt_sigsuspend;
        rt_sigtimedwait => rt_sigtimedwait;
        rt_sigreturn => rt_sigreturn;
        sigaltstack => sigaltstack;
        pause => pause;
    });
}

/// Bytes of the kernel's `sigset_t`.
const SET_SIZE: usize = 8;

/// Flags of an action that Linux x86-64 keeps; others are cleared, so that programs can find out.
const KNOWN_FLAGS: u64 = (general::SA_NOCLDSTOP
    | general::SA_NOCLDWAIT
    | general::SA_SIGINFO
    | general::SA_ONSTACK
    | general::SA_RESTART
    | general::SA_NODEFER
    | general::SA_RESETHAND
    | general::SA_RESTORER) as u64;

fn check_set_size(size: usize) -> Result<(), Errno> {
    if size == SET_SIZE { Ok(()) } else { Err(Errno::EINVAL) }
}

fn rt_sigaction(
    call: &mut Call<'_>,
    number: i32,
    new: Option<UserPointer<SignalAction>>,
    old: Option<UserPointer<SignalAction>>,
    size: usize,
) -> Result<usize, Errno> {
    check_set_size(size)?;
    let number = u8::try_from(number).ok().filter(|&number| number > 0 && usize::from(number) <= COUNT);
    let number = number.ok_or(Errno::EINVAL)?;
    let process = call.process();
    let before = if let Some(new) = new {
        let mut action = new.read()?;
        if number == SIGKILL || number == SIGSTOP {
            return Err(Errno::EINVAL);
        }
        action.flags &= KNOWN_FLAGS;
        action.mask = SignalSet(action.mask).without(SignalSet::UNBLOCKABLE).0;
        process.set_action(number, action)
    } else {
        process.action(number)
    };
    if let Some(old) = old {
        old.write(&before)?;
    }
    Ok(0)
}

fn rt_sigprocmask(
    call: &mut Call<'_>,
    how: u32,
    new: Option<UserPointer<u64>>,
    old: Option<UserPointer<u64>>,
    size: usize,
) -> Result<usize, Errno> {
    check_set_size(size)?;
    let thread = call.thread;
    let before = thread.blocked();
    if let Some(new) = new {
        let set = SignalSet(new.read()?);
        let now = match how {
            general::SIG_BLOCK => before.union(set),
            general::SIG_UNBLOCK => before.without(set),
            general::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        if now != before {
            thread.set_blocked(now);
            hand_on(call, now.without(before));
        }
    }
    if let Some(old) = old {
        old.write(&before.0)?;
    }
    Ok(0)
}

/// Signals to the process that this thread was woken for and now blocks are for another one to take.
fn hand_on(call: &Call<'_>, newly_blocked: SignalSet) {
    let process = call.process();
    let pending = process.pending_signals().intersection(newly_blocked);
    if pending.is_empty() {
        return;
    }
    process.hand_on(pending, call.thread.id);
}

fn rt_sigpending(call: &mut Call<'_>, set: UserPointer<u8>, size: usize) -> Result<usize, Errno> {
    if size > SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let pending = call.thread.pending_signals().intersection(call.thread.blocked());
    set.slice(size).write(&pending.0.to_le_bytes())?;
    Ok(0)
}

fn rt_sigsuspend(call: &mut Call<'_>, mask: UserPointer<u64>, size: usize) -> Result<usize, Errno> {
    check_set_size(size)?;
    let mask = SignalSet(mask.read()?);
    call.thread.save_mask(call.thread.blocked());
    call.thread.set_blocked(mask);
    pause(call)
}

fn pause(call: &mut Call<'_>) -> Result<usize, Errno> {
    match block_on::<()>(call.thread, &[], None, || Ok(None)) {
        Err(Errno::ERESTARTSYS) => Err(Errno::ERESTARTNOHAND),
        result => result.map(|()| 0),
    }
}

fn rt_sigtimedwait(
    call: &mut Call<'_>,
    set: UserPointer<u64>,
    info_at: Option<UserPointer<SignalInfo>>,
    timeout: Option<UserPointer<Timespec>>,
    size: usize,
) -> Result<usize, Errno> {
    check_set_size(size)?;
    let wanted = SignalSet(set.read()?).without(SignalSet::UNBLOCKABLE);
    let deadline = match timeout {
        None => None,
        Some(timeout) => Some(clock::monotonic().saturating_add(timeout.read()?.to_nanoseconds()?)),
    };
    let thread = call.thread;
    let info = match thread.take_signal(wanted) {
        Some(info) => info,
        None => {
            // Not blocked while it waits, so that whoever sends one of them wakes this thread; nothing is delivered before
            // the mask is back.
            let mask = thread.blocked();
            thread.set_blocked(mask.without(wanted));
            let waited = match deadline {
                Some(deadline) => sleep_until(thread, deadline),
                None => block_on::<()>(thread, &[], None, || Ok(None)),
            };
            let taken = thread.take_signal(wanted);
            thread.set_blocked(mask);
            match (taken, waited) {
                (Some(info), _) => info,
                (None, Ok(())) => return Err(Errno::EAGAIN),
                // signal(7): never made again after a handler.
                (None, Err(_)) => return Err(Errno::ERESTARTNOHAND),
            }
        }
    };
    if let Some(info_at) = info_at {
        info_at.write(&info)?;
    }
    Ok(usize::from(info.signal()))
}

fn rt_sigreturn(call: &mut Call<'_>) -> Result<usize, Errno> {
    if frame::pop(call.thread, call.registers).is_err() {
        log::debug!("{}: bad signal frame at {:#x}", call.process().name(), call.registers.rsp);
        deliver::force(call.thread, call.registers, SignalInfo::from_kernel(SIGSEGV), Trap::default());
    }
    // The caller stores the result in `rax`, which the frame has set.
    Ok(call.registers.rax as usize)
}

fn sigaltstack(
    call: &mut Call<'_>,
    new: Option<UserPointer<SignalStack>>,
    old: Option<UserPointer<SignalStack>>,
) -> Result<usize, Errno> {
    let rsp = call.registers.rsp;
    let before = frame::stack_of(call.thread);
    if let Some(new) = new {
        frame::set_stack(call.thread, &new.read()?, rsp)?;
    }
    if let Some(old) = old {
        let use_flag = if frame::is_on(&before, rsp) { general::SS_ONSTACK as i32 } else { 0 };
        old.write(&SignalStack { flags: before.flags | use_flag, ..before })?;
    }
    Ok(0)
}
