//! What core gives to the hypercalls (layer 3): threads, memory, programs and their memory, time, devices.
//!
//! May be called on a thread, and where an item says so in interrupt context. The words that core and the hypercalls share – registers,
//! faults, devices – are layer 0's.

/// What was given at boot.
pub mod boot {
    pub use crate::start::{boot_info, kept_memory, take_devices};
}

/// Time.
pub mod clock {
    pub use crate::clock::{monotonic, realtime};
}

/// The machine's console.
pub mod console {
    pub use crate::console::console;
}

/// A program's vector state.
pub mod fpu {
    pub use crate::x86::fpu::{reset, restore, save, size};
}

/// Frames, and who owns them.
pub mod frames {
    pub use crate::memory::frames::{
        allocate_user, copy, counts, is_permanent, is_unique, read, release, retain, write,
    };
}

/// The kernel's heap.
pub mod heap {
    pub use crate::memory::heap::ensure;
}

/// Where things are in the kernel's half of the address space.
pub mod layout {
    pub use crate::x86::layout::{PAGE_SIZE, direct_map};
}

/// The end of the machine.
pub mod power {
    pub use crate::{interface::Ending, power::end};
}

/// Random bytes.
pub mod random {
    pub use crate::random::fill;
}

/// The host's wish that the machine stop.
pub mod stop {
    pub use crate::stop::on_request;
}

/// Values made once.
pub mod sync {
    pub use crate::sync::Once;
}

/// Kernel threads.
pub mod thread {
    pub use crate::thread::{Thread, cpu_index, cpus, current, park, spawn, spawn_boxed, yield_now};
}

/// Programs: their code and their memory.
pub mod user {
    pub use crate::{
        user_memory::{compare_exchange_u32, load_u32, read, write, zero},
        x86::{address_space::AddressSpace, context::enter},
    };
}

/// Code that programs call to read the clocks.
pub mod vdso {
    pub use crate::x86::vdso::vdso;
}
