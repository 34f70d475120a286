//! The stack of interrupts, made so that one that is delivered a second time does no harm.
//!
//! User code owns the bytes below its stack pointer, so interrupts have a stack of their own, which begins at the same place each
//! time: what interrupts a handler would overwrite the frame that the handler returns by. Interrupts are off in handlers, so
//! nothing does. But QEMU 7.2, when it emulates the processor of a hypervisor, may deliver an interrupt that `VMRUN` injects once
//! more: it leaves the vector behind as an exception's, and takes that for one if it is asked to leave its loop before the guest
//! exits. With interrupts off, that is in the handler, as a rule before its first instruction; that then returned to itself for
//! ever.
//!
//! Hence the stack begins upon the word of the task state that says where it begins. The interrupt's frame goes over that word, and over
//! those below it, which say where stacks begin that nobody has:
//!
//! ```text
//!             ┌──────────────────────────┐
//!             │ this CPU's data          │ + CPU
//!             │ rest of the task state   │ begins of the other vectors' stacks (IST 6 and 7), I/O map
//!   begins at ├──────────────────────────┤
//!             │ SS     = IST 5           │ the word: SS while an interrupt is being handled
//!             │ RSP      (IST 4)         │
//!             │ RFLAGS   (IST 3)         │
//!             │ CS       (IST 2)         │
//!             │ RIP      (IST 1)         │
//!             ├──────────────────────────┤
//!             │ vector   (reserved)      │
//!             │ begins of rings' stacks  │ not touched: RSP 2, 1 and 0
//!             ├──────────────────────────┤ - BELOW
//!             │ the frame's copy         │
//! ```
//!
//! A second delivery finds a selector for a stack. It faults there, since nothing is mapped on the first page or on the last, and
//! leaves the frame alone; the page fault's handler, which has another stack, goes on where the interrupt's was. That has its
//! frame copied below, to return by when the word has been renewed.

use super::layout::PAGE_SIZE;
use alloc::alloc::{alloc, handle_alloc_error};
use core::{
    alloc::Layout,
    cell::Cell,
    mem::{offset_of, size_of},
    ptr,
};
use x86_64::{VirtAddr, registers::rflags::RFlags, structures::tss::TaskStateSegment};

/// Which of the task state's stacks this is. The frame's five words lie on those up to it.
pub(super) const STACK: usize = 5;

/// With what follows, four pages; and so that the stack begins on 16 bytes.
const STACK_SIZE: usize = 4 * PAGE_SIZE - size_of::<TaskStateSegment>() - 20;

/// The stack and what stands above it.
#[repr(C)]
pub(super) struct InterruptStack {
    stack: [u8; STACK_SIZE],
    task: TaskStateSegment,
    /// For the frame's copy.
    cpu: *const (),
}

/// The word of the task state that says where the stack begins, and where that is.
const WORD: usize = offset_of!(InterruptStack, task)
    + offset_of!(TaskStateSegment, interrupt_stack_table)
    + (STACK - 1) * size_of::<u64>();
const BEGIN: usize = WORD + size_of::<u64>();

/// Where this CPU's data are, from the stack's begin.
pub(super) const CPU: usize = offset_of!(InterruptStack, cpu) - BEGIN;
/// How far below the stack's begin what the task state needs ends.
pub(super) const BELOW: usize = BEGIN - offset_of!(InterruptStack, task);

/// The processor begins on 16 bytes.
const ALIGNMENT: u64 = 16;
const _: () = assert!(BEGIN.is_multiple_of(ALIGNMENT as usize) && size_of::<InterruptStack>() <= 4 * PAGE_SIZE);

impl InterruptStack {
    /// Makes the stack of the CPU with these data, which is to have this task state, and says where that is. The handle becomes the
    /// stack's.
    pub(super) fn create(cpu: *const (), handle: &Handle, mut task: TaskStateSegment) -> *const TaskStateSegment {
        let layout = Layout::new::<Self>().align_to(PAGE_SIZE).expect("a page is a power of two");
        // SAFETY: the size is not 0.
        let this = unsafe { alloc(layout) }.cast::<Self>();
        if this.is_null() {
            handle_alloc_error(layout);
        }
        let word = this.wrapping_byte_add(WORD).cast::<u64>();
        task.interrupt_stack_table[STACK - 1] = VirtAddr::from_ptr(word.wrapping_add(1));
        handle.0.set(word);
        // SAFETY: the memory is ours; the fields lie within it.
        unsafe {
            (&raw mut (*this).task).write(task);
            (&raw mut (*this).cpu).write(cpu);
            &raw const (*this).task
        }
    }
}

/// A CPU's interrupt stack, by the word that says where it begins.
pub(crate) struct Handle(Cell<*mut u64>);

impl Handle {
    /// Before there is one.
    pub(super) const fn none() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }

    fn begin(&self) -> u64 {
        self.0.get() as u64 + size_of::<u64>() as u64
    }

    /// Has the next interrupt find the stack, once the present one has been dealt with and its frame copied. With interrupts off.
    pub(super) fn renew(&self) {
        // SAFETY: the word of this CPU's task state, which the processor reads when it delivers an interrupt.
        unsafe { self.0.get().write_volatile(self.begin()) };
    }

    /// Whether a page fault at `address` is what becomes of an interrupt that is delivered while another is being handled.
    pub(super) fn is_second_delivery(&self, address: u64, flags: u64) -> bool {
        let word = self.0.get();
        if word.is_null() || flags & RFlags::INTERRUPT_FLAG.bits() != 0 {
            return false;
        }
        // SAFETY: as above.
        let now = unsafe { word.read_volatile() };
        // The first push.
        now != self.begin() && address == (now & !(ALIGNMENT - 1)).wrapping_sub(size_of::<u64>() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word as in a task state, of a stack that begins above it.
    fn handle(word: &mut u64) -> Handle {
        let handle = Handle(Cell::new(ptr::from_mut(word)));
        handle.renew();
        handle
    }

    #[test]
    fn a_fault_where_no_stack_is_while_an_interrupt_is_handled_is_a_second_delivery() {
        let mut word = 0;
        let handle = handle(&mut word);
        for (selector, address) in [(0x10, 8), (0, u64::MAX - 7)] {
            // SAFETY: the test's own word.
            unsafe { handle.0.get().write_volatile(selector) };
            assert!(handle.is_second_delivery(address, 2), "SS {selector:#x}");
            assert!(!handle.is_second_delivery(address ^ 16, 2), "a fault elsewhere");
            assert!(!handle.is_second_delivery(address, 0x202), "with interrupts on");
            handle.renew();
            assert!(!handle.is_second_delivery(address, 2), "when no interrupt is handled");
        }
    }

    #[test]
    fn before_there_is_a_stack_nothing_is_a_second_delivery() {
        assert!(!Handle::none().is_second_delivery(u64::MAX - 7, 2));
    }
}
