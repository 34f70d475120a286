//! The drivers against a simulated back end that obeys the protocols, and against ones that do not.

mod back_end;
mod block;
mod grant;
mod net;
mod ring;
mod xenbus;
