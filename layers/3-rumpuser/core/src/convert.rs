//! Translations between the types of core and those of the interface.

use alloc::sync::Arc;
use core::{mem::ManuallyDrop, ptr::NonNull};
use rumpkin_core::{thread, user, user::space::Page};
use rumpuser::{
    context::Event,
    memory::{Access, Frame, Mapping, Protection},
};

/// Makes a handle, which is an owner, of an owner.
pub(crate) fn thread_handle(thread: Arc<thread::Thread>) -> NonNull<()> {
    let pointer = Arc::into_raw(thread).cast_mut();
    // SAFETY: an Arc's pointer is not null.
    unsafe { NonNull::new_unchecked(pointer) }.cast()
}

/// Makes an owner of a handle that is given back.
pub(crate) fn thread(handle: NonNull<()>) -> Arc<thread::Thread> {
    // SAFETY: handles come from `thread_handle`, and each is given back once (`rumpuser::Backend`).
    unsafe { Arc::from_raw(handle.cast::<thread::Thread>().as_ptr()) }
}

/// Borrows the thread behind a handle.
pub(crate) fn with_thread<R>(handle: NonNull<()>, work: impl FnOnce(&Arc<thread::Thread>) -> R) -> R {
    work(&ManuallyDrop::new(thread(handle)))
}

pub(crate) fn core_protection(protection: Protection) -> user::space::Protection {
    user::space::Protection {
        read: protection.contains(Protection::READ),
        write: protection.contains(Protection::WRITE),
        execute: protection.contains(Protection::EXECUTE),
    }
}

/// The page of a mapping, which stays an owner of the frame.
pub(crate) fn core_page(mapping: &Mapping) -> Page {
    Page {
        frame: mapping.frame.number(),
        protection: core_protection(mapping.protection),
        copy_on_write: mapping.copy_on_write,
    }
}

/// A mapping that takes over an owner of the page's frame.
pub(crate) fn mapping(page: Page) -> Mapping {
    let mut protection = Protection::empty();
    protection.set(Protection::READ, page.protection.read);
    protection.set(Protection::WRITE, page.protection.write);
    protection.set(Protection::EXECUTE, page.protection.execute);
    Mapping { frame: Frame::from_number(page.frame), protection, copy_on_write: page.copy_on_write }
}

pub(crate) fn access(access: user::context::Access) -> Access {
    match access {
        user::context::Access::Read => Access::Read,
        user::context::Access::Write => Access::Write,
        user::context::Access::Execute => Access::Execute,
    }
}

pub(crate) fn event(event: user::context::Event) -> Event {
    match event {
        user::context::Event::SystemCall => Event::SystemCall,
        user::context::Event::PageFault { address, access: how } => Event::PageFault { address, access: access(how) },
        user::context::Event::Exception { vector, code } => Event::Exception { vector, code },
        user::context::Event::Interrupted => Event::Interrupted,
    }
}
