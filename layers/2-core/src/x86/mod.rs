//! What is x86-64: the processor's tables and registers, page tables, and all assembly.

pub mod address_space;
pub(crate) mod apic;
pub mod context;
pub(crate) mod cpuid;
pub(crate) mod debug;
pub(crate) mod descriptors;
pub mod fpu;
pub(crate) mod frame;
pub(crate) mod halt;
pub mod instructions;
mod interrupt_stack;
pub mod layout;
pub(crate) mod local;
pub(crate) mod memory_functions;
pub(crate) mod page_tables;
pub(crate) mod reset;
pub(crate) mod switch;
pub(crate) mod translation;
pub(crate) mod traps;
pub(crate) mod user_access;
pub mod vdso;
pub(crate) mod vector_state;
