//! What a program without the standard library has to define: the allocator, the panic handler, the unwinder's symbols.

use core::panic::PanicInfo;
use rumpkin_core::for_image::KernelHeap;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    rumpkin_core::for_image::panic(info)
}

/// The prebuilt `core` refers to the personality routine, although nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    panic!("unwinding");
}
