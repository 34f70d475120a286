//! What is x86-64: the processor's tables and registers, page tables, and all assembly.

pub(crate) mod address_space;
pub(crate) mod apic;
pub(crate) mod context;
pub(crate) mod cpuid;
pub(crate) mod debug;
pub(crate) mod descriptors;
pub(crate) mod fpu;
pub(crate) mod frame;
pub(crate) mod halt;
pub(crate) mod instructions;
mod interrupt_stack;
pub(crate) mod layout;
pub(crate) mod local;
pub(crate) mod memory_functions;
pub(crate) mod page_tables;
pub(crate) mod reset;
pub(crate) mod switch;
pub(crate) mod translation;
pub(crate) mod traps;
pub(crate) mod user_access;
pub(crate) mod vdso;
pub(crate) mod vector_state;
