//! Layer 1: the PVH boot entry shared by every hypervisor
#![no_std]
