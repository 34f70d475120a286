//! The loop that every thread of a program runs in.

use crate::{exit, state};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;
use rumpkin_signal::Interrupted;
use rumpkin_spine::{Call, Errno, process::Thread};
use rumpuser::{
    context::{self, Event, Registers, fpu},
    memory::{self, OutOfMemory},
};

/// Starts the kernel thread that runs `thread`, from these registers; `fpu_state` is what [`fpu::save`] gave, or the state
/// that a program starts with.
pub fn spawn(thread: &Arc<Thread>, registers: Registers, fpu_state: Option<Vec<u8>>) -> Result<(), OutOfMemory> {
    let process = &thread.process;
    process.add_thread(thread.clone())?;
    if let Some(state) = state(process) {
        state.live.fetch_add(1, Ordering::SeqCst);
    }
    let runner = thread.clone();
    let spawned = rumpuser::thread::spawn("user", move || run(&runner, registers, fpu_state));
    if spawned.is_err() {
        if let Some(state) = state(process) {
            state.live.fetch_sub(1, Ordering::SeqCst);
        }
        process.remove_thread(thread.id);
    }
    spawned.map(drop)
}

fn run(thread: &Arc<Thread>, mut registers: Registers, fpu_state: Option<Vec<u8>>) {
    thread.attach();
    let process = &thread.process;
    process.memory.activate();
    if !fpu_state.is_some_and(|area| fpu::restore(&area)) {
        fpu::reset();
    }
    let table = process.kernel.table();
    // Somebody may have sent a signal before there was a kernel thread to interrupt.
    let mut goes_on = rumpkin_signal::settle(thread, &mut registers, None);
    while goes_on {
        let mut interrupted = None;
        match context::enter(&mut registers) {
            Event::SystemCall => {
                let number = registers.rax;
                let result = table.dispatch(&mut Call { thread, registers: &mut registers });
                match result {
                    Ok(value) => registers.rax = value as u64,
                    Err(error) => {
                        registers.rax = error.to_rax();
                        if error == Errno::ERESTARTSYS || error == Errno::ERESTARTNOHAND {
                            interrupted = Some(Interrupted { number, error });
                        }
                    }
                }
            }
            Event::PageFault { address, access } => rumpkin_signal::page_fault(thread, &mut registers, address, access),
            Event::Exception { vector, code } => rumpkin_signal::exception(thread, &mut registers, vector, code),
            Event::Interrupted => {}
        }
        if thread.take_work() || interrupted.is_some() {
            goes_on = rumpkin_signal::settle(thread, &mut registers, interrupted);
        }
    }
    exit::leave(thread);
    memory::deactivate();
    exit::finish(thread);
}
