//! Layer 3: the hypercalls on core
#![no_std]
