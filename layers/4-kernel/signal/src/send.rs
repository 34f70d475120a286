//! Sending signals (kill(2), tgkill(2), rt_sigqueueinfo(3)).

use alloc::sync::Arc;
use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::{SignalInfo, linux::general, signal::COUNT},
    process::{Process, Thread},
    system_calls,
};

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        kill => kill;
        tkill => tkill;
        tgkill => tgkill;
        rt_sigqueueinfo => rt_sigqueueinfo;
        rt_tgsigqueueinfo => rt_tgsigqueueinfo;
    });
}

/// The number of the first process, which a signal to all spares.
const FIRST: u32 = 1;

/// A signal number, or `None` for 0, which only asks whether the target is there.
fn number(value: i32) -> Result<Option<u8>, Errno> {
    match u8::try_from(value) {
        Ok(0) => Ok(None),
        Ok(number) if usize::from(number) <= COUNT => Ok(Some(number)),
        _ => Err(Errno::EINVAL),
    }
}

fn kill(call: &mut Call<'_>, target: i32, signal: i32) -> Result<usize, Errno> {
    let number = number(signal)?;
    let own = call.process().id;
    let send = |process: &Process| {
        if let Some(number) = number {
            process.send_signal(SignalInfo::from_user(number, general::SI_USER as i32, own));
        }
    };
    match target {
        // Everybody but the first process and the caller.
        -1 => call.kernel().with_processes(|processes| {
            let others = processes.iter().filter(|process| process.id != FIRST && process.id != own);
            let told = others.filter(|process| !process.has_ended()).inspect(|process| send(process)).count();
            if told > 0 { Ok(0) } else { Err(Errno::ESRCH) }
        }),
        i32::MIN => Err(Errno::ESRCH),
        // A group is a process: everyone leads his own.
        target if target == 0 || target.unsigned_abs() == own => {
            send(call.process());
            Ok(0)
        }
        target => {
            let process = call.kernel().process(target.unsigned_abs());
            send(&*process.filter(|process| !process.has_ended()).ok_or(Errno::ESRCH)?);
            Ok(0)
        }
    }
}

/// The thread of a process of the caller's kernel. A process number of `None` is the caller's.
fn target(call: &Call<'_>, process: Option<i32>, thread: i32) -> Result<Arc<Thread>, Errno> {
    if thread <= 0 || process.is_some_and(|process| process <= 0) {
        return Err(Errno::EINVAL);
    }
    if process.is_some_and(|process| process.unsigned_abs() != call.process().id) {
        return Err(Errno::ESRCH);
    }
    call.process().thread(thread.unsigned_abs()).ok_or(Errno::ESRCH)
}

fn send_to_thread(call: &Call<'_>, process: Option<i32>, thread: i32, signal: i32) -> Result<usize, Errno> {
    let thread = target(call, process, thread)?;
    if let Some(number) = number(signal)? {
        thread.send_signal(SignalInfo::from_user(number, general::SI_TKILL, call.process().id));
    }
    Ok(0)
}

fn tkill(call: &mut Call<'_>, thread: i32, signal: i32) -> Result<usize, Errno> {
    send_to_thread(call, None, thread, signal)
}

fn tgkill(call: &mut Call<'_>, process: i32, thread: i32, signal: i32) -> Result<usize, Errno> {
    send_to_thread(call, Some(process), thread, signal)
}

fn queued_info(info: UserPointer<SignalInfo>, number: u8) -> Result<SignalInfo, Errno> {
    Ok(SignalInfo { number: i32::from(number), ..info.read()? })
}

fn rt_sigqueueinfo(
    call: &mut Call<'_>,
    target: i32,
    signal: i32,
    info: UserPointer<SignalInfo>,
) -> Result<usize, Errno> {
    let process = call.process();
    if u32::try_from(target) != Ok(process.id) {
        return Err(Errno::ESRCH);
    }
    if let Some(number) = number(signal)? {
        process.send_signal(queued_info(info, number)?);
    }
    Ok(0)
}

fn rt_tgsigqueueinfo(
    call: &mut Call<'_>,
    process: i32,
    thread: i32,
    signal: i32,
    info: UserPointer<SignalInfo>,
) -> Result<usize, Errno> {
    let thread = target(call, Some(process), thread)?;
    if let Some(number) = number(signal)? {
        thread.send_signal(queued_info(info, number)?);
    }
    Ok(0)
}
