//! The kernel in a process, and what it does when memory runs out: workloads of which each request for memory is refused in turn.
//!
//! A refusal may make the workload fail, and nothing else: the kernel goes on, the same workload succeeds afterwards, and all
//! memory is back (docs/memory.md).

pub mod meter;
pub mod programs;
pub mod refusals;
pub mod world;
