//! The server as a process, seen from the network.
mod common;
mod connections;
mod content;
