//! The hypercalls themselves: what a back end implements, and how it is bound at link time.

use crate::data::{BootData, Devices, Exit};
use alloc::{boxed::Box, sync::Arc};
use core::ptr::NonNull;
use rumpkin_vocabulary::{
    Event, Fault, FrameNumber, Notify, OutOfMemory, Page, Pager, Protection, Registers, VdsoFrames,
};

macro_rules! hypercalls {
    (($d:tt) $( $(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?; )*) => {
        /// What a back end implements; the kernel reaches it through the modules of this crate.
        ///
        /// Handles (`NonNull<()>`) are the back end's own; this crate's wrappers see to it that each is
        /// passed back only while it is valid, and dropped once.
        #[allow(clippy::missing_safety_doc)]
        pub trait Backend {
            $( $(#[$doc])* fn $name($($arg: $ty),*) $(-> $ret)?; )*
        }

        // SAFETY: `export_backend!` is the only definer of these symbols and takes the signatures from the same
        // lines as these declarations, so both sides agree.
        unsafe extern "Rust" {
            $(
                #[link_name = concat!("rust.", stringify!($name))]
                pub(crate) safe fn $name($($arg: $ty),*) $(-> $ret)?;
            )*
        }

        /// Binds a type that implements [`Backend`] as the back end of this program. Once per program.
        #[macro_export]
        macro_rules! export_backend {
            ($d backend:ty) => {
                $crate::__export_backend! { $d backend, $( fn $name($($arg: $ty),*) $(-> $ret)?; )* }
            };
        }
    };
}

/// Defines the symbols; the names in the signatures resolve through the import of `__types`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_backend {
    ($backend:ty, $( fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?; )*) => {
        const _: () = {
            #[allow(unused_imports)]
            use $crate::__types::*;
            $(
                // SAFETY: the name is declared only by `rumpuser`, with this very signature.
                #[unsafe(export_name = concat!("rust.", stringify!($name)))]
                extern "Rust" fn $name($($arg: $ty),*) $(-> $ret)? {
                    <$backend as $crate::Backend>::$name($($arg),*)
                }
            )*
        };
    };
}

hypercalls! { ($)
    // ---- threads ----
    /// Starts a kernel thread; the handle that comes back is one owner of it.
    fn rumpuser_thread_spawn(name: &'static str, entry: Box<dyn FnOnce() + Send>) -> Result<NonNull<()>, OutOfMemory>;
    /// A new owner of the calling thread.
    fn rumpuser_thread_current() -> NonNull<()>;
    /// One more owner.
    fn rumpuser_thread_clone(thread: NonNull<()>) -> NonNull<()>;
    /// One owner less. Does not stop the thread.
    fn rumpuser_thread_drop(thread: NonNull<()>);
    /// Blocks until unparked, or until the monotonic clock reaches `deadline` (nanoseconds). True if unparked.
    /// An unpark that came first is remembered (one token). May not be called in an up-call of a device.
    fn rumpuser_thread_park(deadline: Option<u64>) -> bool;
    /// Gives the token and wakes.
    fn rumpuser_thread_unpark(thread: NonNull<()>);
    /// Makes the thread's current or next `context_enter` return `Event::Interrupted` soon, and unparks it.
    fn rumpuser_thread_interrupt(thread: NonNull<()>);
    /// Nanoseconds that CPUs have spent on the thread.
    fn rumpuser_thread_cpu_time(thread: NonNull<()>) -> u64;
    /// Lets other runnable threads run.
    fn rumpuser_thread_yield();
    /// How many CPUs run threads.
    fn rumpuser_cpus() -> usize;
    /// The CPU that the caller runs on, now.
    fn rumpuser_cpu() -> usize;

    // ---- time and chance ----
    /// Nanoseconds since boot.
    fn rumpuser_clock_monotonic() -> u64;
    /// Nanoseconds since 1970-01-01 UTC.
    fn rumpuser_clock_realtime() -> u64;
    /// Fills the buffer from the cryptographic generator.
    fn rumpuser_random_fill(buffer: &mut [u8]);

    // ---- memory ----
    /// A frame of 4096 bytes, zeroed, with one owner. `None` when user memory has run out (the back end keeps a reserve
    /// for the kernel's own heap).
    fn rumpuser_frame_allocate() -> Option<FrameNumber>;
    /// One more owner.
    fn rumpuser_frame_retain(frame: FrameNumber);
    /// One owner less; the last frees it.
    fn rumpuser_frame_release(frame: FrameNumber);
    /// Whether there is exactly one owner.
    fn rumpuser_frame_is_unique(frame: FrameNumber) -> bool;
    /// Copies out of a frame; the caller has checked the bounds.
    fn rumpuser_frame_read(frame: FrameNumber, offset: usize, buffer: &mut [u8]);
    /// Copies into a frame; the caller has checked the bounds.
    fn rumpuser_frame_write(frame: FrameNumber, offset: usize, data: &[u8]);
    /// Copies a whole frame.
    fn rumpuser_frame_copy(from: FrameNumber, to: FrameNumber);
    /// Frames in all, and frames free for user memory.
    fn rumpuser_frame_counts() -> (usize, usize);
    /// Whether the kernel's heap can give so many more bytes, in pieces of a page at most, and still keep its reserve. What it
    /// promised holds until the calling thread waits or asks anew.
    fn rumpuser_heap_ensure(bytes: usize) -> bool;
    /// The frame that holds this page-aligned piece of the boot payload, which is never freed. `None` outside it.
    fn rumpuser_payload_frame(page: &'static [u8]) -> Option<FrameNumber>;

    // ---- address spaces ----
    /// A new, empty address space whose faults go to the pager.
    fn rumpuser_space_create(pager: Arc<dyn Pager>) -> Result<NonNull<()>, OutOfMemory>;
    /// Drops it, with all that it maps. No thread may be using it.
    fn rumpuser_space_destroy(space: NonNull<()>);
    /// Makes it the calling thread's; `None` for none.
    fn rumpuser_space_activate(space: Option<NonNull<()>>);
    /// Maps one page, in place of what was there. Takes over one owner of the frame, unless it refuses.
    fn rumpuser_space_map(space: NonNull<()>, address: usize, page: Page) -> Result<(), OutOfMemory>;
    /// What is mapped there, if anything (the frame with a new owner).
    fn rumpuser_space_query(space: NonNull<()>, address: usize) -> Option<Page>;
    /// Unmaps a range of pages, releasing the frames. Absent pages cost nothing.
    fn rumpuser_space_unmap(space: NonNull<()>, address: usize, length: usize);
    /// Changes the protection of what is mapped in a range; copy-on-write pages do not become writable.
    fn rumpuser_space_protect(space: NonNull<()>, address: usize, length: usize, protection: Protection);
    /// Moves what is mapped from one range to another, which is empty.
    fn rumpuser_space_move(space: NonNull<()>, from: usize, to: usize, length: usize) -> Result<(), OutOfMemory>;

    // ---- user memory of the calling thread's address space ----
    /// Copies in. On a fault the pager is called; if it refuses, the address that failed comes back.
    fn rumpuser_user_read(address: usize, buffer: &mut [u8]) -> Result<(), Fault>;
    /// Copies out.
    fn rumpuser_user_write(address: usize, data: &[u8]) -> Result<(), Fault>;
    /// Fills with zeroes.
    fn rumpuser_user_zero(address: usize, length: usize) -> Result<(), Fault>;
    /// Atomic load of an aligned word.
    fn rumpuser_user_load_u32(address: usize) -> Result<u32, Fault>;
    /// Atomic compare-and-exchange of an aligned word; the value that was there comes back.
    fn rumpuser_user_compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<u32, Fault>;

    // ---- user contexts ----
    /// Runs user code from these registers until something needs the kernel.
    fn rumpuser_context_enter(registers: &mut Registers) -> Event;
    /// Bytes that the floating-point and vector state takes (XSAVE area, standard format).
    fn rumpuser_fpu_size() -> usize;
    /// Saves the calling thread's floating-point and vector state.
    fn rumpuser_fpu_save(area: &mut [u8]);
    /// Loads it. False, and nothing loaded, if the area is not one that the processor would take.
    fn rumpuser_fpu_restore(area: &[u8]) -> bool;
    /// Sets the initial state (`FNINIT`, MXCSR 0x1f80).
    fn rumpuser_fpu_reset();
    /// The vDSO: its clock page and its code, each frame with a new owner.
    fn rumpuser_vdso() -> Result<VdsoFrames, OutOfMemory>;

    // ---- the machine ----
    /// What was handed over at boot.
    fn rumpuser_boot_data() -> &'static BootData;
    /// The links, disks and console; each call after the first gives none but the console.
    fn rumpuser_devices() -> Devices;
    /// Has a device's notification arrive on a thread.
    fn rumpuser_notify_on_thread(notify: Notify) -> Result<Notify, OutOfMemory>;
    /// Leaves the machine or process. Disks have been flushed by the caller.
    fn rumpuser_exit(exit: Exit) -> !;
    /// Whom to tell when the host asks for a stop.
    fn rumpuser_on_stop(handler: Box<dyn Fn() + Send + Sync>);
}
