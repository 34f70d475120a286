//! Layer 4: threads, futexes, signals and the start-up and memory calls
#![no_std]
