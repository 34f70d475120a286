//! The drivers against a simulated device that obeys the specification, and against ones that do not.

mod block;
mod console;
mod device;
mod net;
mod queue;
mod rng;
mod transport;
