//! Layer 4: virtual memory areas and the pager
#![no_std]
