//! TCP between two whole kernels over a bad wire, in simulated time: programs make system calls, a seed decides all else.
//!
//! What a seed does: `RUMPKIN_SEED=7 RUMPKIN_VERBOSE=1 cargo test -p rumpkin-net seeds -- --nocapture`.

mod conversation;
pub mod node;
mod plan;
mod seeds;
pub mod trace;
