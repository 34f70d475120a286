//! Layer 5: configuration, the program loader and the start of programs
#![no_std]
