//! Layer 1: PC and microvm hardware
#![no_std]
