//! Layer 4: the kernel that components register with: tasks, files, waiting, the system-call table
#![no_std]
