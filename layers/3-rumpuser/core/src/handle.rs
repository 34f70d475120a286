//! Threads as the kernel has them: handles that are owners.

use alloc::sync::Arc;
use core::{mem::ManuallyDrop, ptr::NonNull};
use rumpkin_core::for_rumpuser::thread::Thread;

/// Makes a handle, which is an owner, of an owner.
pub(crate) fn thread_handle(thread: Arc<Thread>) -> NonNull<()> {
    let pointer = Arc::into_raw(thread).cast_mut();
    // SAFETY: an Arc's pointer is not null.
    unsafe { NonNull::new_unchecked(pointer) }.cast()
}

/// Makes an owner of a handle that is given back.
pub(crate) fn thread(handle: NonNull<()>) -> Arc<Thread> {
    // SAFETY: handles come from `thread_handle`, and each is given back once (`rumpuser::Backend`).
    unsafe { Arc::from_raw(handle.cast::<Thread>().as_ptr()) }
}

/// Borrows the thread behind a handle.
pub(crate) fn with_thread<R>(handle: NonNull<()>, work: impl FnOnce(&Arc<Thread>) -> R) -> R {
    work(&ManuallyDrop::new(thread(handle)))
}
