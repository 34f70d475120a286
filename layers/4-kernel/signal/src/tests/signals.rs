//! Actions, masks, frames, and the restart of calls.

use super::*;
use crate::{
    Pending,
    deliver::{self, Interrupted},
    frame::{self, Trap},
};
use rumpkin_spine::abi::{
    SignalStack,
    signal::{SIGCHLD, SIGFPE, SIGKILL, SIGPIPE, SIGSEGV, SIGTERM, SIGTRAP, SIGUSR1, SIGUSR2},
};
use rumpkin_spine::file::Caller;
use rumpkin_spine::wait::{Events, WaitQueue, block_on};

const RESTORER_FLAG: u64 = general::SA_RESTORER as u64;
const RESTART: u64 = general::SA_RESTART as u64;

fn action(flags: u64, mask: u64) -> SignalAction {
    SignalAction { handler: HANDLER, flags: flags | RESTORER_FLAG, restorer: RESTORER, mask }
}

/// Registers of a program in the middle of something.
fn registers(f: &Fixture) -> Registers {
    Registers {
        rax: 39,
        rbx: 2,
        rcx: 3,
        r15: 15,
        rip: 0x40_0002,
        rsp: (f.page + 3 * PAGE_SIZE) as u64,
        rflags: 0x246,
        fs_base: 0x1234,
        ..Registers::default()
    }
}

/// What `ret` in the handler does before the restorer calls rt_sigreturn.
fn sigreturn(f: &Fixture, registers: &mut Registers) {
    assert_eq!(load_u64(registers.rsp as usize), RESTORER);
    registers.rsp += 8;
    registers.rax = 15;
    let result = f.process.kernel.table().dispatch(&mut Call { thread: &f.thread, registers });
    registers.rax = result.unwrap() as u64;
}

#[test]
fn handler_gets_its_arguments_and_return_restores_all() {
    let f = fixture();
    f.process.set_action(SIGUSR1, action(0, 1 << (SIGTERM - 1)));
    let before = registers(&f);
    let mut now = before;
    f.thread.send_signal(SignalInfo::from_user(SIGUSR1, -6, 77));
    assert!(deliver::settle(&f.thread, &mut now, None));
    assert_eq!((now.rip, now.rdi, now.rax), (HANDLER, u64::from(SIGUSR1), 0));
    assert_eq!(now.rsp % 16, 8);
    assert!(now.rsp < before.rsp - 128);
    assert_eq!(
        (load(now.rsi as usize), load(now.rsi as usize + 8), load(now.rsi as usize + 16)),
        (10, -6i32 as u32, 77)
    );
    // ucontext: the general registers begin 40 bytes in; rip is the 17th.
    assert_eq!(load_u64(now.rdx as usize + 40 + 16 * 8), before.rip);
    assert_eq!(f.thread.blocked(), SignalSet(1 << (SIGUSR1 - 1) | 1 << (SIGTERM - 1)));
    sigreturn(&f, &mut now);
    assert_eq!(now, before);
    assert!(f.thread.blocked().is_empty());
}

#[test]
fn interrupted_calls_are_made_again_or_fail() {
    let f = fixture();
    let cases =
        [(Errno::ERESTARTSYS, RESTART, true), (Errno::ERESTARTSYS, 0, false), (Errno::ERESTARTNOHAND, RESTART, false)];
    for (error, flags, restarted) in cases {
        f.process.set_action(SIGUSR1, action(flags, 0));
        let before = registers(&f);
        let mut now = Registers { rax: error.to_rax(), ..before };
        f.thread.send_signal(SignalInfo::from_kernel(SIGUSR1));
        assert!(deliver::settle(&f.thread, &mut now, Some(Interrupted { number: 7, error })));
        sigreturn(&f, &mut now);
        let expected = if restarted { (7, before.rip - 2) } else { (Errno::EINTR.to_rax(), before.rip) };
        assert_eq!((now.rax, now.rip), expected, "{error:?}");
    }
    let mut now = registers(&f);
    assert!(deliver::settle(&f.thread, &mut now, Some(Interrupted { number: 7, error: Errno::ERESTARTNOHAND })));
    assert_eq!((now.rax, now.rip), (7, 0x40_0000));
}

#[test]
fn several_signals_stack_their_frames() {
    let f = fixture();
    f.process.set_action(SIGUSR1, action(0, 0));
    f.process.set_action(SIGUSR2, action(0, 0));
    let before = registers(&f);
    let mut now = before;
    f.thread.send_signal(SignalInfo::from_kernel(SIGUSR1));
    f.thread.send_signal(SignalInfo::from_kernel(SIGUSR2));
    assert!(deliver::settle(&f.thread, &mut now, None));
    assert_eq!(now.rdi, u64::from(SIGUSR2));
    sigreturn(&f, &mut now);
    assert_eq!((now.rdi, now.rip), (u64::from(SIGUSR1), HANDLER));
    sigreturn(&f, &mut now);
    assert_eq!(now, before);
}

#[test]
fn default_action_ends_the_process_with_the_number() {
    let f = fixture();
    f.call("kill", &[f.process.id as usize, usize::from(SIGTERM)]).unwrap();
    assert!(!deliver::settle(&f.thread, &mut registers(&f), None));
    assert_eq!(f.process.status(), Some(128 + SIGTERM));
}

#[test]
fn blocked_signals_wait_save_those_that_cannot_be_blocked() {
    let f = fixture();
    store(f.page, &[u32::MAX, u32::MAX]);
    assert_eq!(f.call("rt_sigprocmask", &[2, f.page, 0, 8]), Ok(0));
    f.call("kill", &[f.process.id as usize, usize::from(SIGTERM)]).unwrap();
    assert!(deliver::settle(&f.thread, &mut registers(&f), None));
    f.call("rt_sigpending", &[f.page, 8]).unwrap();
    assert_eq!(load_u64(f.page), 1 << (SIGTERM - 1));
    f.call("kill", &[0, usize::from(SIGKILL)]).unwrap();
    assert!(!deliver::settle(&f.thread, &mut registers(&f), None));
    assert_eq!(f.process.status(), Some(128 + SIGKILL));
}

#[test]
fn exceptions_that_are_blocked_kill() {
    let f = fixture();
    f.process.set_action(SIGSEGV, action(0, 0));
    let mut now = registers(&f);
    let trap = Trap { number: 14, error: 6, address: 0x10 };
    deliver::force(&f.thread, &mut now, SignalInfo::from_fault(SIGSEGV, 1, 0x10), trap);
    assert_eq!((now.rip, load(now.rsi as usize + 16)), (HANDLER, 0x10));
    // ucontext: error, vector, mask, CR2 lie 152 bytes into the registers.
    let context = now.rdx as usize + 40;
    assert_eq!((load(context + 152), load(context + 160), load(context + 176)), (6, 14, 0x10));
    deliver::force(&f.thread, &mut now, SignalInfo::from_fault(SIGSEGV, 1, 0x10), trap);
    assert_eq!(f.process.status(), Some(128 + SIGSEGV));
}

#[test]
fn page_faults_outside_of_mappings_raise_sigsegv() {
    let f = fixture();
    crate::exception::page_fault(&f.thread, &mut registers(&f), f.page, rumpuser::memory::Access::Write);
    assert_eq!(f.process.status(), None);
    crate::exception::page_fault(&f.thread, &mut registers(&f), 0, rumpuser::memory::Access::Read);
    assert_eq!(f.process.status(), Some(128 + SIGSEGV));
}

#[test]
fn division_by_zero_raises_sigfpe() {
    let f = fixture();
    crate::exception::exception(&f.thread, &mut registers(&f), 0, 0);
    assert_eq!(f.process.status(), Some(128 + SIGFPE));
}

#[test]
fn debug_exceptions_say_what_made_them() {
    let f = fixture();
    for (status, cause) in [(1 << 14, 2), (1 << 14 | 1, 2), (1 << 3, 4), (0, 1)] {
        f.process.set_action(SIGTRAP, action(u64::from(general::SA_NODEFER), 0));
        let mut now = registers(&f);
        let at = now.rip;
        crate::exception::exception(&f.thread, &mut now, 1, status);
        assert_eq!((load(now.rsi as usize + 8), load_u64(now.rsi as usize + 16)), (cause, at));
        assert_eq!(load(now.rdx as usize + 40 + 152), 0, "no error code");
    }
}

#[test]
fn stack_that_cannot_be_written_kills_unless_there_is_another() {
    let f = fixture();
    f.process.set_action(SIGUSR1, action(0, 0));
    let on_stack = action(u64::from(general::SA_ONSTACK), 0);
    f.process.set_action(SIGSEGV, SignalAction { handler: HANDLER + 8, ..on_stack });
    let stack = SignalStack { base: f.page as u64, size: 2 * PAGE_SIZE as u64, ..SignalStack::default() };
    frame::set_stack(&f.thread, &stack, 0).unwrap();
    let mut now = Registers { rsp: 0x3000, ..registers(&f) };
    f.thread.send_signal(SignalInfo::from_kernel(SIGUSR1));
    assert!(deliver::settle(&f.thread, &mut now, None));
    assert_eq!((now.rip, now.rdi), (HANDLER + 8, u64::from(SIGSEGV)));
    assert!((f.page as u64..f.page as u64 + 2 * PAGE_SIZE as u64).contains(&now.rsp));
    let mut now = Registers { rsp: 0x3000, ..registers(&f) };
    let none = SignalStack { flags: general::SS_DISABLE as i32, ..SignalStack::default() };
    frame::set_stack(&f.thread, &none, 0).unwrap();
    f.thread.send_signal(SignalInfo::from_kernel(SIGUSR1));
    assert!(!deliver::settle(&f.thread, &mut now, None));
    assert_eq!(f.process.status(), Some(128 + SIGSEGV));
}

#[test]
fn alternate_stacks_are_checked() {
    let f = fixture();
    let set = |flags: u32, size: u64, rsp: u64| {
        let stack = SignalStack { base: f.page as u64, flags: flags as i32, padding: 0, size };
        frame::set_stack(&f.thread, &stack, rsp)
    };
    assert_eq!(set(0, 100, 0), Err(Errno::ENOMEM));
    assert_eq!(set(4, 8192, 0), Err(Errno::EINVAL));
    assert_eq!(set(0, 8192, 0), Ok(()));
    assert_eq!(set(0, 8192, f.page as u64 + 100), Err(Errno::EPERM));
    assert_eq!(f.call("sigaltstack", &[0, f.page]), Ok(0));
    assert_eq!((load_u64(f.page), load(f.page + 8), load_u64(f.page + 16)), (f.page as u64, 0, 8192));
    assert_eq!(set(general::SS_DISABLE, 0, 0), Ok(()));
}

#[test]
fn bad_frame_kills() {
    let f = fixture();
    let mut now = Registers { rsp: 0x5000, rax: 15, ..registers(&f) };
    let result = f.process.kernel.table().dispatch(&mut Call { thread: &f.thread, registers: &mut now });
    assert!(result.is_ok());
    assert_eq!(f.process.status(), Some(128 + SIGSEGV));
}

#[test]
fn reset_handlers_run_once() {
    let f = fixture();
    f.process.set_action(SIGUSR1, action(u64::from(general::SA_RESETHAND | general::SA_NODEFER), 0));
    f.thread.send_signal(SignalInfo::from_kernel(SIGUSR1));
    assert!(deliver::settle(&f.thread, &mut registers(&f), None));
    assert_eq!((f.process.action(SIGUSR1).handler, f.thread.blocked()), (0, SignalSet(0)));
}

#[test]
fn sigaction_checks_and_reports() {
    let f = fixture();
    store(f.page, &[HANDLER as u32, 0, 0xffff_ffff, 0, RESTORER as u32, 0, u32::MAX, u32::MAX]);
    assert_eq!(f.call("rt_sigaction", &[usize::from(SIGUSR1), f.page, 0, 8]), Ok(0));
    assert_eq!(f.call("rt_sigaction", &[usize::from(SIGUSR1), 0, f.page, 8]), Ok(0));
    assert_eq!((load_u64(f.page), load_u64(f.page + 8) & 0x400), (HANDLER, 0));
    assert_eq!(load_u64(f.page + 24), !SignalSet::UNBLOCKABLE.0);
    assert_eq!(f.call("rt_sigaction", &[usize::from(SIGKILL), f.page, 0, 8]), Err(Errno::EINVAL));
    assert_eq!(f.call("rt_sigaction", &[usize::from(SIGKILL), 0, f.page, 8]), Ok(0));
    assert_eq!(f.call("rt_sigaction", &[65, 0, f.page, 8]), Err(Errno::EINVAL));
    assert_eq!(f.call("rt_sigaction", &[0, 0, f.page, 8]), Err(Errno::EINVAL));
    assert_eq!(f.call("rt_sigaction", &[1, 0, f.page, 4]), Err(Errno::EINVAL));
    assert_eq!(f.call("rt_sigaction", &[1, 0x20000, 0, 8]), Err(Errno::EFAULT));
}

#[test]
fn sigtimedwait_takes_what_is_pending_or_comes() {
    let f = fixture();
    store(f.page, &[1 << (SIGUSR1 - 1), 0, 0, 0, 1_000_000, 0]);
    store(f.page + 32, &[1 << (SIGUSR1 - 1) | 1 << (SIGTERM - 1), 0]);
    f.call("rt_sigprocmask", &[2, f.page + 32, 0, 8]).unwrap();
    assert_eq!(f.call("rt_sigtimedwait", &[f.page, 0, f.page + 8, 8]), Err(Errno::EAGAIN));
    f.call("kill", &[0, usize::from(SIGUSR1)]).unwrap();
    assert_eq!(f.call("rt_sigtimedwait", &[f.page, f.page + 64, 0, 8]), Ok(usize::from(SIGUSR1)));
    assert_eq!(load(f.page + 64), u32::from(SIGUSR1));
    let (process, sender) = (f.process.clone(), f.thread.clone());
    let join = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        process.send_signal(SignalInfo::from_user(SIGUSR1, 0, sender.id));
    });
    assert_eq!(f.call("rt_sigtimedwait", &[f.page, 0, 0, 8]), Ok(usize::from(SIGUSR1)));
    assert_eq!(f.thread.blocked().0, 1 << (SIGUSR1 - 1) | 1 << (SIGTERM - 1));
    join.join().unwrap();
}

#[test]
fn sigsuspend_goes_back_to_the_old_mask_through_the_frame() {
    let f = fixture();
    f.process.set_action(SIGUSR1, action(0, 0));
    let old = SignalSet(1 << (SIGUSR1 - 1));
    f.thread.set_blocked(old);
    f.thread.send_signal(SignalInfo::from_kernel(SIGUSR1));
    store(f.page, &[0, 0]);
    assert_eq!(f.call("rt_sigsuspend", &[f.page, 8]), Err(Errno::ERESTARTNOHAND));
    let mut now = registers(&f);
    let interrupted = Interrupted { number: 130, error: Errno::ERESTARTNOHAND };
    assert!(deliver::settle(&f.thread, &mut now, Some(interrupted)));
    assert_eq!(now.rip, HANDLER);
    sigreturn(&f, &mut now);
    assert_eq!((now.rax, f.thread.blocked()), (Errno::EINTR.to_rax(), old));
}

#[test]
fn ignored_signals_are_dropped() {
    let f = fixture();
    f.call("kill", &[0, usize::from(SIGCHLD)]).unwrap();
    assert!(f.thread.pending_signals().is_empty());
    assert_eq!(f.call("kill", &[0, 0]), Ok(0));
    assert_eq!(f.call("kill", &[usize::MAX, 0]), Err(Errno::ESRCH), "there is nobody but the caller");
    let second = Process::new(&f.process.kernel, Mm::new().unwrap(), Program::default()).unwrap();
    let third = Process::new(&f.process.kernel, Mm::new().unwrap(), Program::default()).unwrap();
    let thread = Thread::new(second.id, second.clone()).unwrap();
    assert_eq!(f.call("kill", &[usize::MAX, usize::from(SIGTERM)]), Ok(0));
    assert!(second.pending_signals().contains(SIGTERM) && third.pending_signals().contains(SIGTERM));
    assert!(!f.process.pending_signals().contains(SIGTERM));
    assert_eq!(call_as(&thread, "kill", &[usize::MAX, usize::from(SIGUSR1)]), Ok(0));
    assert!(third.pending_signals().contains(SIGUSR1) && !second.pending_signals().contains(SIGUSR1));
    assert!(!f.process.pending_signals().contains(SIGUSR1), "the first process is spared");
    assert_eq!(f.call("kill", &[4000, 0]), Err(Errno::ESRCH));
    assert_eq!(f.call("kill", &[0, 65]), Err(Errno::EINVAL));
    assert_eq!(f.call("tgkill", &[f.process.id as usize, 4000, 0]), Err(Errno::ESRCH));
    assert_eq!(f.call("tgkill", &[f.process.id as usize, 0, 0]), Err(Errno::EINVAL));
}

#[test]
fn signal_interrupts_a_wait() {
    let Fixture { process, thread, .. } = fixture();
    let sender = std::thread::spawn({
        let process = process.clone();
        move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            process.send_signal(SignalInfo::from_kernel(SIGTERM));
        }
    });
    let queue = WaitQueue::new();
    assert_eq!(block_on::<()>(&thread, &[(&queue, Events::READ)], None, || Ok(None)), Err(Errno::ERESTARTSYS));
    assert!(thread.pending_signals().contains(SIGTERM));
    sender.join().unwrap();
}

#[test]
fn broken_pipe_raises_sigpipe() {
    let Fixture { process, thread, .. } = fixture();
    thread.broken_pipe();
    assert!(thread.pending_signals().contains(SIGPIPE));

    process.set_action(SIGPIPE, SignalAction { handler: 1, ..SignalAction::default() });
    assert!(!thread.pending_signals().contains(SIGPIPE), "an ignored signal is no longer pending");
    thread.broken_pipe();
    assert!(thread.pending_signals().is_empty());
}

#[test]
fn standard_signals_are_pending_once_and_realtime_ones_queue() {
    let mut pending = Pending::default();
    for _ in 0..3 {
        pending.add(SignalInfo::from_kernel(SIGUSR1));
        pending.add(SignalInfo::from_kernel(40));
    }
    assert!(pending.take(SignalSet::of(SIGUSR2)).is_none());
    assert_eq!(pending.take(SignalSet(!0)).map(|info| info.signal()), Some(SIGUSR1));
    for _ in 0..3 {
        assert_eq!(pending.take(SignalSet(!0)).map(|info| info.signal()), Some(40));
    }
    assert!(pending.take(SignalSet(!0)).is_none());
}
