//! Segment, task-state and interrupt descriptors (Intel SDM vol. 3, chapters 3, 6 and 7).

use super::{
    interrupt_stack::{self, InterruptStack},
    layout::PAGE_SIZE,
    local::Cpu,
};
use alloc::{alloc::alloc, boxed::Box};
use core::{alloc::Layout, arch::asm, ptr};
use x86_64::{
    VirtAddr,
    instructions::{
        segmentation::{CS, DS, ES, FS, GS, SS, Segment},
        tables,
    },
    registers::segmentation::SegmentSelector,
    structures::{
        DescriptorTablePointer,
        gdt::{Descriptor, GlobalDescriptorTable},
        tss::TaskStateSegment,
    },
};

/// Selector of the kernel's code segment, which user code uses too.
pub(crate) const CODE: u16 = 8;
/// Selector of the data segment; `syscall` wants it right behind the code segment.
pub(crate) const DATA: u16 = 16;

/// Stack for handlers, by the number in the task state: one for each kind of event that can interrupt another kind.
#[derive(Clone, Copy)]
enum Stack {
    Interrupt = interrupt_stack::STACK as isize,
    /// For events that end the machine: none has to be returned from when another one follows, nor has a program's `int` that looks
    /// like one.
    Fatal,
    Exception,
}

/// The task state's places for stacks.
const STACKS: usize = 7;

const STACK_SIZE: usize = 4 * PAGE_SIZE;

/// Every vector switches stacks: user code owns the bytes below its stack pointer (the red zone).
fn stack_of(vector: usize) -> Stack {
    match vector {
        // Non-maskable, double fault, machine check.
        2 | 8 | 18 => Stack::Fatal,
        0..32 => Stack::Exception,
        _ => Stack::Interrupt,
    }
}

/// A 64-bit interrupt gate.
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate([u64; 2]);

impl Gate {
    fn new(handler: usize, stack: Stack) -> Gate {
        const PRESENT_INTERRUPT_GATE: u64 = 0x8e;
        let handler = handler as u64;
        Gate([
            handler & 0xffff
                | u64::from(CODE) << 16
                | (stack as u64) << 32
                | PRESENT_INTERRUPT_GATE << 40
                | (handler >> 16 & 0xffff) << 48,
            handler >> 32,
        ])
    }
}

/// Gives the calling CPU its tables and stacks; `stub` says where each vector's entry is. At the top of each stack it finds its own
/// data.
pub(crate) fn initialize(cpu: &'static Cpu, stub: fn(usize) -> usize) {
    let mut task = TaskStateSegment::new();
    let mut stacks = [VirtAddr::zero(); STACKS];
    for slot in stacks.iter_mut().skip(interrupt_stack::STACK) {
        // SAFETY: the size is not 0.
        let stack = unsafe { alloc(Layout::from_size_align(STACK_SIZE, PAGE_SIZE).unwrap()) };
        assert!(!stack.is_null(), "no memory for interrupt stacks");
        // SAFETY: two words of the stack, which is ours; the processor begins below them, on 16 bytes.
        let top = unsafe { stack.add(STACK_SIZE).cast::<[*const Cpu; 2]>().sub(1) };
        // SAFETY: as above.
        unsafe { top.write([cpu; 2]) };
        *slot = VirtAddr::from_ptr(top);
    }
    task.interrupt_stack_table = stacks;
    let mut table = Box::new(GlobalDescriptorTable::<8>::empty());
    table.append(Descriptor::kernel_code_segment());
    table.append(Descriptor::kernel_data_segment());
    let task = InterruptStack::create(ptr::from_ref(cpu).cast(), &cpu.interrupt_stack, task);
    // SAFETY: it lives for ever, and the processor alone reads it.
    let task_selector = table.append(unsafe { Descriptor::tss_segment_unchecked(task) });
    let gates: &[Gate; 256] =
        Box::leak(Box::new(core::array::from_fn(|vector| Gate::new(stub(vector), stack_of(vector)))));
    Box::leak(table).load();
    let interrupts = DescriptorTablePointer { limit: (size_of_val(gates) - 1) as u16, base: VirtAddr::from_ptr(gates) };
    // SAFETY: the tables are complete and live for ever; selectors 8 and 16 are the flat segments just made.
    unsafe {
        CS::set_reg(SegmentSelector(CODE));
        for set in [SS::set_reg, DS::set_reg, ES::set_reg] {
            set(SegmentSelector(DATA));
        }
        FS::set_reg(SegmentSelector(0));
        GS::set_reg(SegmentSelector(0));
        // No local table: the one after a reset is at address 0.
        asm!("lldt {:x}", in(reg) 0, options(nostack, preserves_flags));
        tables::load_tss(task_selector);
        tables::lidt(&interrupts);
    }
}
