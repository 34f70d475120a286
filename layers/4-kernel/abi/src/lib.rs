//! Layer 4: error numbers, constants and structures of the Linux x86-64 ABI
#![no_std]
