//! Layer 3: the hypercalls on a Linux process
#![no_std]
