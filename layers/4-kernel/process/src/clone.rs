//! clone and clone3, for threads. What would make a process says `ENOSYS`.

use crate::{run, tell_of_fork};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use rumpkin_collections::TryVec;
use rumpkin_signal::ThreadSignals;
use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::linux::general::{
        CLONE_ARGS_SIZE_VER0, CLONE_ARGS_SIZE_VER2, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_DETACHED,
        CLONE_FILES, CLONE_FS, CLONE_IO, CLONE_PARENT_SETTID, CLONE_SETTLS, CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD,
        CLONE_VM,
    },
    process::Thread,
    system_calls,
};
use rumpuser::{
    context::fpu,
    memory::{PAGE_SIZE, USER_END},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a thread shares with its process, all of it.
const REQUIRED: u64 = (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD) as u64;
/// What else may be asked for. `CLONE_DETACHED`, `CLONE_IO` and `CLONE_SYSVSEM` change nothing for threads of one process.
const OPTIONAL: u64 = (CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID
    | CLONE_CHILD_SETTID
    | CLONE_DETACHED
    | CLONE_IO) as u64;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        clone => clone, "threads only: CLONE_VM, FS, FILES, SIGHAND, THREAD are required";
        clone3 => clone3, "threads only, as clone";
    });
}

/// `struct clone_args` (clone(2)).
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Arguments {
    flags: u64,
    pid_descriptor: u64,
    child_id: u64,
    parent_id: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    thread_pointer: u64,
    wanted_ids: u64,
    wanted_id_count: u64,
    control_group: u64,
}

fn clone(
    call: &mut Call<'_>,
    flags: u32,
    stack: u64,
    parent_id: u64,
    child_id: u64,
    thread_pointer: u64,
) -> Result<usize, Errno> {
    /// The signal for the parent, in the low byte of the flags.
    const EXIT_SIGNAL: u64 = 0xff;
    let flags = u64::from(flags);
    let arguments = Arguments {
        flags: flags & !EXIT_SIGNAL,
        exit_signal: flags & EXIT_SIGNAL,
        stack,
        parent_id,
        child_id,
        thread_pointer,
        ..Arguments::default()
    };
    start(call, "clone", &arguments)
}

fn clone3(call: &mut Call<'_>, arguments: UserPointer<u8>, size: usize) -> Result<usize, Errno> {
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < CLONE_ARGS_SIZE_VER0 as usize {
        return Err(Errno::EINVAL);
    }
    const KNOWN: usize = size_of::<Arguments>();
    const _: () = assert!(KNOWN == CLONE_ARGS_SIZE_VER2 as usize);
    let mut bytes = [0; KNOWN];
    let known = bytes.get_mut(..size.min(KNOWN)).ok_or(Errno::EINVAL)?;
    arguments.slice(size).read(known)?;
    for beyond in KNOWN..size.max(KNOWN) {
        if arguments.at(beyond).read()? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    let mut arguments = Arguments::read_from_bytes(&bytes).map_err(|_| Errno::EINVAL)?;
    if (arguments.stack == 0) != (arguments.stack_size == 0) || arguments.exit_signal > 64 {
        return Err(Errno::EINVAL);
    }
    if arguments.wanted_ids != 0 || arguments.wanted_id_count != 0 {
        return Err(Errno::EINVAL);
    }
    arguments.stack = arguments.stack.checked_add(arguments.stack_size).ok_or(Errno::EINVAL)?;
    start(call, "clone3", &arguments)
}

fn start(call: &mut Call<'_>, name: &str, arguments: &Arguments) -> Result<usize, Errno> {
    let flags = arguments.flags;
    let asks = |flag: u32| flags & u64::from(flag) != 0;
    if asks(CLONE_THREAD) && !asks(CLONE_SIGHAND) || asks(CLONE_SIGHAND) && !asks(CLONE_VM) {
        return Err(Errno::EINVAL);
    }
    if !asks(CLONE_THREAD) {
        tell_of_fork(call.process(), name);
        return Err(Errno::ENOSYS);
    }
    // Threads that share less than everything, new name spaces, tracing.
    if flags & REQUIRED != REQUIRED
        || flags & !(REQUIRED | OPTIONAL) != 0
        || arguments.exit_signal != 0 && name != "clone"
    {
        return Err(Errno::EINVAL);
    }
    if asks(CLONE_SETTLS) && arguments.thread_pointer >= USER_END as u64 {
        return Err(Errno::EPERM);
    }
    let process = call.process();
    let id = process.kernel.allocate_id();
    let thread = Thread::new(id, process.clone()).map_err(|_| Errno::EAGAIN)?;
    thread.set_blocked(call.thread.blocked());
    *thread.name.lock() = *call.thread.name.lock();
    if asks(CLONE_CHILD_CLEARTID) {
        thread.clear_child_tid.store(arguments.child_id as usize, Ordering::Relaxed);
    }
    let mut registers = *call.registers;
    registers.rax = 0;
    if arguments.stack != 0 {
        registers.rsp = arguments.stack;
    }
    if asks(CLONE_SETTLS) {
        registers.fs_base = arguments.thread_pointer;
    }
    let mut state = Vec::new();
    state.try_resize(fpu::size(), 0).map_err(|_| Errno::EAGAIN)?;
    fpu::save(&mut state);
    // Before the thread runs, so that it and its parent find the numbers. As on Linux, a bad address is the caller's affair.
    if asks(CLONE_PARENT_SETTID) {
        let _ = UserPointer::new(arguments.parent_id as usize).write(&id);
    }
    if asks(CLONE_CHILD_SETTID) {
        let _ = UserPointer::new(arguments.child_id as usize).write(&id);
    }
    run::spawn(&thread, registers, Some(state)).map_err(|_| Errno::EAGAIN)?;
    Ok(id as usize)
}
