//! Layer 4: TCP, UDP and IPv4 over the links that the platform gives
#![no_std]
