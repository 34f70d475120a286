//! What is x86-64: the processor's tables and registers, page tables, and all assembly.

pub mod address_space;
pub(crate) mod apic;
pub mod context;
pub(crate) mod cpuid;
pub(crate) mod debug;
pub(crate) mod descriptors;
pub mod fpu;
pub(crate) mod halt;
mod interrupt_stack;
pub mod layout;
pub(crate) mod local;
pub(crate) mod memory_functions;
pub(crate) mod page_tables;
pub(crate) mod switch;
pub(crate) mod traps;
pub mod vdso;
