//! Per-CPU data, reached through GS.
//!
//! User code in ring 0 can change GS: `mov gs` makes its base 0, and there is no other way that it is granted. So what comes from user
//! code finds this data elsewhere, at the top of the vector's stack, and puts the base right. The system call entry has no such
//! stack; with the base at 0 its first instruction faults, since nothing is ever mapped there, and so becomes such an exception.

use super::interrupt_stack;
use crate::thread::control_block::Thread;
use alloc::{boxed::Box, sync::Arc};
use core::{
    arch::asm,
    cell::{Cell, RefCell},
    mem::offset_of,
    ptr,
};
use rumpkin_vocabulary::Registers;
use x86_64::{
    VirtAddr,
    registers::model_specific::{GsBase, KernelGsBase},
};

/// What belongs to one CPU. Touched only by it, and where interrupt handlers touch it too, with interrupts off.
#[repr(C)]
pub(crate) struct Cpu {
    /// Its own address: what GS:0 gives.
    this: *const Cpu,
    /// Kernel stack pointer to return to when user code needs the kernel (`context`).
    pub kernel_stack: Cell<usize>,
    /// Where to store the registers of the user code that runs; null while the kernel does.
    pub registers: Cell<*mut Registers>,
    /// The system call entry's scratch word.
    pub scratch: Cell<u64>,
    /// Which CPU this is, from 0.
    pub index: usize,
    /// The running thread.
    pub current: Cell<*const Thread>,
    /// The thread that runs when no other wants to.
    pub idle: Cell<*const Thread>,
    /// The thread that ended last and whose stack is still to be freed.
    pub ended: RefCell<Option<Arc<Thread>>>,
    /// The running thread shall give way at the next chance.
    pub reschedule: Cell<bool>,
    /// When the running thread's time slice ends (nanoseconds), if others want to run.
    pub slice_end: Cell<u64>,
    /// When the timer fires; `u64::MAX` if it does not.
    pub timer_armed: Cell<u64>,
    /// Whose vector state the processor holds.
    pub fpu_owner: Cell<*const Thread>,
    /// The top table in force.
    pub page_table: Cell<u64>,
    /// What FS points to, in the user code that ran last.
    pub fs_base: Cell<u64>,
    /// The last exception in user code.
    pub exception: Cell<Exception>,
    /// The stack of its interrupts.
    pub interrupt_stack: interrupt_stack::Handle,
}

/// An exception in user code, as the trap handler found it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Exception {
    pub vector: u8,
    pub code: u64,
    pub address: u64,
}

/// Offsets for the assembly.
pub(crate) const KERNEL_STACK: usize = offset_of!(Cpu, kernel_stack);
pub(crate) const REGISTERS: usize = offset_of!(Cpu, registers);
pub(crate) const RESCHEDULE: usize = offset_of!(Cpu, reschedule);
pub(crate) const SCRATCH: usize = offset_of!(Cpu, scratch);

/// Makes a CPU's data.
pub(crate) fn create(index: usize, page_table: u64) -> &'static Cpu {
    let cpu = Box::leak(Box::new(Cpu {
        this: ptr::null(),
        kernel_stack: Cell::new(0),
        registers: Cell::new(ptr::null_mut()),
        scratch: Cell::new(0),
        index,
        current: Cell::new(ptr::null()),
        idle: Cell::new(ptr::null()),
        ended: RefCell::new(None),
        reschedule: Cell::new(false),
        slice_end: Cell::new(0),
        timer_armed: Cell::new(u64::MAX),
        fpu_owner: Cell::new(ptr::null()),
        page_table: Cell::new(page_table),
        fs_base: Cell::new(0),
        exception: Cell::new(Exception::default()),
        interrupt_stack: interrupt_stack::Handle::none(),
    }));
    cpu.this = cpu;
    cpu
}

/// Makes them the calling CPU's.
pub(crate) fn establish(cpu: &'static Cpu) {
    GsBase::write(VirtAddr::from_ptr(cpu));
    // So `swapgs` changes nothing.
    KernelGsBase::write(VirtAddr::from_ptr(cpu));
}

/// Puts the base of GS right if user code has changed it, and says whether.
pub(crate) fn reestablish(cpu: &Cpu) -> bool {
    let right = VirtAddr::from_ptr(cpu);
    let changed = GsBase::read() != right;
    if changed {
        GsBase::write(right);
    }
    changed
}

/// The calling CPU's data. The kernel is not preemptible, so the thread stays on it until it parks, yields or runs user
/// code; do not hold the reference across these.
pub(crate) fn cpu() -> &'static Cpu {
    let this: *const Cpu;
    // SAFETY: in the kernel, GS points to this CPU's data from `establish` on.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) this, options(nostack, preserves_flags, readonly));
        &*this
    }
}
