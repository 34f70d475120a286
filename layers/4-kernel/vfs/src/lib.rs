//! Layer 4: path lookup, the read-only root (EROFS), tmpfs, /dev and /proc
#![no_std]
