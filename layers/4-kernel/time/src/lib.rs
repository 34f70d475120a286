//! Layer 4: clocks, sleeping and the calls that read them
#![no_std]
