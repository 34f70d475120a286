//! Layer 1: virtio drivers
#![no_std]
