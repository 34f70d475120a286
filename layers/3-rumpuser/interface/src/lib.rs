//! Layer 3: the hypercall interface between a kernel and what it stands on
#![no_std]
