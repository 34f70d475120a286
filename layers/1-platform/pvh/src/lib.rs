//! Layer 1: the PVH boot entry, the same for every hypervisor.
//!
//! An image that links this crate is an ELF file that QEMU, Xen, Firecracker and Cloud Hypervisor start directly. Its root
//! crate names the function to go to with [`entry!`], and its linker script gives the bounds of its sections.
#![no_std]

#[cfg_attr(test, allow(dead_code))]
mod checksum;
/// The address of a symbol, worked out from that of the code: the compiler could take it from a word of the image, which may be damaged.
macro_rules! address {
    ($symbol:ident) => {{
        let address: usize;
        // SAFETY: works out an address.
        unsafe {
            core::arch::asm!(
                "lea {}, [rip + {}]", out(reg) address, sym $symbol, options(pure, nomem, nostack, preserves_flags)
            );
        }
        address
    }};
}

// A host's test program has no such entry, nor the linker script that its symbols come from.
#[cfg(not(test))]
mod entry;
#[cfg(not(test))]
mod memory_map;
#[cfg_attr(test, allow(dead_code))]
mod note;
#[cfg_attr(test, allow(dead_code))]
mod place;
#[cfg_attr(test, allow(dead_code))]
mod start_info;

/// Names the function that the boot entry calls: `fn(BootInfo) -> !`. Once per image.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        const _: () = {
            // SAFETY: the name is declared only in `rumpkin-pvh`, with this signature.
            #[unsafe(no_mangle)]
            extern "Rust" fn rumpkin_image_main(boot: $crate::__BootInfo) -> ! {
                let main: fn($crate::__BootInfo) -> ! = $main;
                main(boot)
            }
        };
    };
}

#[doc(hidden)]
pub use rumpkin_core::for_platform::boot::BootInfo as __BootInfo;
