//! Layer 3: the hypercalls on core, for images that run on a machine.
//!
//! It depends on core and on the interface, which speak the same words; it hands through, and keeps what differs: handles, and a
//! thread on which devices notify. An image binds it by linking this crate.
#![no_std]

extern crate alloc;

mod handle;
mod messenger;

use alloc::{boxed::Box, sync::Arc};
use core::ptr::NonNull;
use handle::{thread_handle, with_thread};
use rumpkin_core::for_rumpuser::{
    boot, clock, console, fpu, frames, heap, layout, power, random, stop,
    sync::Once,
    thread,
    user::{self, AddressSpace},
    vdso,
};
use rumpuser::{
    Backend,
    boot::BootData,
    context::{Event, Registers},
    device::{Devices, Notify},
    memory::{Fault, FrameNumber, OutOfMemory, Page, Pager, Protection, VdsoFrames},
    power::Exit,
};

/// The back end.
struct OnCore;

rumpuser::export_backend!(OnCore);

/// Borrows the address space behind a handle.
fn space(handle: &NonNull<()>) -> &AddressSpace {
    // SAFETY: handles come from `rumpuser_space_create` and are destroyed once, when they are no longer used (`Backend`).
    unsafe { handle.cast::<AddressSpace>().as_ref() }
}

impl Backend for OnCore {
    fn rumpuser_thread_spawn(name: &'static str, entry: Box<dyn FnOnce() + Send>) -> Result<NonNull<()>, OutOfMemory> {
        thread::spawn_boxed(name, entry).map(thread_handle)
    }

    fn rumpuser_thread_current() -> NonNull<()> {
        thread_handle(thread::current())
    }

    fn rumpuser_thread_clone(thread: NonNull<()>) -> NonNull<()> {
        with_thread(thread, |thread| thread_handle(thread.clone()))
    }

    fn rumpuser_thread_drop(thread: NonNull<()>) {
        drop(handle::thread(thread));
    }

    fn rumpuser_thread_park(deadline: Option<u64>) -> bool {
        thread::park(deadline)
    }

    fn rumpuser_thread_unpark(thread: NonNull<()>) {
        with_thread(thread, |thread| thread.unpark());
    }

    fn rumpuser_thread_interrupt(thread: NonNull<()>) {
        with_thread(thread, |thread| thread.interrupt());
    }

    fn rumpuser_thread_cpu_time(thread: NonNull<()>) -> u64 {
        with_thread(thread, |thread| thread.cpu_time())
    }

    fn rumpuser_thread_yield() {
        thread::yield_now();
    }

    fn rumpuser_cpus() -> usize {
        thread::cpus()
    }

    fn rumpuser_cpu() -> usize {
        thread::cpu_index()
    }

    fn rumpuser_clock_monotonic() -> u64 {
        clock::monotonic()
    }

    fn rumpuser_clock_realtime() -> u64 {
        clock::realtime()
    }

    fn rumpuser_random_fill(buffer: &mut [u8]) {
        random::fill(buffer);
    }

    fn rumpuser_frame_allocate() -> Option<FrameNumber> {
        frames::allocate_user()
    }

    fn rumpuser_frame_retain(frame: FrameNumber) {
        frames::retain(frame);
    }

    fn rumpuser_frame_release(frame: FrameNumber) {
        frames::release(frame);
    }

    fn rumpuser_frame_is_unique(frame: FrameNumber) -> bool {
        frames::is_unique(frame)
    }

    fn rumpuser_frame_read(frame: FrameNumber, offset: usize, buffer: &mut [u8]) {
        frames::read(frame, offset, buffer);
    }

    fn rumpuser_frame_write(frame: FrameNumber, offset: usize, data: &[u8]) {
        frames::write(frame, offset, data);
    }

    fn rumpuser_frame_copy(from: FrameNumber, to: FrameNumber) {
        frames::copy(from, to);
    }

    fn rumpuser_frame_counts() -> (usize, usize) {
        frames::counts()
    }

    fn rumpuser_heap_ensure(bytes: usize) -> bool {
        heap::ensure(bytes).is_ok()
    }

    fn rumpuser_payload_frame(page: &'static [u8]) -> Option<FrameNumber> {
        let address = page.as_ptr() as usize;
        let offset = address.checked_sub(layout::direct_map())?;
        let frame = (offset / layout::PAGE_SIZE) as FrameNumber;
        let whole = offset.is_multiple_of(layout::PAGE_SIZE) && page.len() <= layout::PAGE_SIZE;
        (whole && frames::is_permanent(frame)).then_some(frame)
    }

    fn rumpuser_space_create(pager: Arc<dyn Pager>) -> Result<NonNull<()>, OutOfMemory> {
        heap::ensure(size_of::<AddressSpace>())?;
        let space = AddressSpace::new(pager)?;
        Ok(NonNull::from(Box::leak(Box::new(space))).cast())
    }

    fn rumpuser_space_destroy(space: NonNull<()>) {
        // SAFETY: the handle came from `rumpuser_space_create` and is destroyed once (`Backend`).
        drop(unsafe { Box::from_raw(space.cast::<AddressSpace>().as_ptr()) });
    }

    fn rumpuser_space_activate(space: Option<NonNull<()>>) {
        // SAFETY: whoever activates a space keeps it until the thread has another or none (`rumpuser::memory::AddressSpace::activate`).
        unsafe { AddressSpace::activate(space.as_ref().map(self::space)) };
    }

    fn rumpuser_space_map(handle: NonNull<()>, address: usize, page: Page) -> Result<(), OutOfMemory> {
        space(&handle).map(address, page)
    }

    fn rumpuser_space_query(handle: NonNull<()>, address: usize) -> Option<Page> {
        space(&handle).query(address)
    }

    fn rumpuser_space_unmap(handle: NonNull<()>, address: usize, length: usize) {
        space(&handle).unmap(address, length);
    }

    fn rumpuser_space_protect(handle: NonNull<()>, address: usize, length: usize, protection: Protection) {
        space(&handle).protect(address, length, protection);
    }

    fn rumpuser_space_move(handle: NonNull<()>, from: usize, to: usize, length: usize) -> Result<(), OutOfMemory> {
        space(&handle).move_range(from, to, length)
    }

    fn rumpuser_user_read(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
        user::read(address, buffer)
    }

    fn rumpuser_user_write(address: usize, data: &[u8]) -> Result<(), Fault> {
        user::write(address, data)
    }

    fn rumpuser_user_zero(address: usize, length: usize) -> Result<(), Fault> {
        user::zero(address, length)
    }

    fn rumpuser_user_load_u32(address: usize) -> Result<u32, Fault> {
        user::load_u32(address)
    }

    fn rumpuser_user_compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<u32, Fault> {
        user::compare_exchange_u32(address, current, new)
    }

    fn rumpuser_context_enter(registers: &mut Registers) -> Event {
        user::enter(registers)
    }

    fn rumpuser_fpu_size() -> usize {
        fpu::size()
    }

    fn rumpuser_fpu_save(area: &mut [u8]) {
        fpu::save(area);
    }

    fn rumpuser_fpu_restore(area: &[u8]) -> bool {
        fpu::restore(area)
    }

    fn rumpuser_fpu_reset() {
        fpu::reset();
    }

    fn rumpuser_vdso() -> Result<VdsoFrames, OutOfMemory> {
        vdso::vdso()
    }

    fn rumpuser_boot_data() -> &'static BootData {
        static DATA: Once<BootData> = Once::new();
        DATA.call_once(|| {
            let boot = boot::boot_info();
            let baked = |range| boot::kept_memory(range).filter(|bytes| !bytes.is_empty());
            BootData {
                command_line: boot.command_line,
                launch_configuration: boot.modules.first().map(|range| {
                    baked(*range).unwrap_or_else(|| {
                        log::error!("the launch configuration, at {:#x}, is not in memory that is ours", range.start);
                        &[]
                    })
                }),
                baked_configuration: baked(boot.payload.configuration),
                root_file_system: baked(boot.payload.root_file_system),
            }
        })
    }

    fn rumpuser_devices() -> Devices {
        let devices = boot::take_devices();
        Devices { links: devices.links, disks: devices.disks, console: console::console() }
    }

    fn rumpuser_notify_on_thread(notify: Notify) -> Result<Notify, OutOfMemory> {
        messenger::forward(notify)
    }

    fn rumpuser_exit(exit: Exit) -> ! {
        power::end(match exit {
            Exit::Status(status) => power::Ending::Exit(status),
            Exit::Reboot => power::Ending::Reboot,
        })
    }

    fn rumpuser_on_stop(handler: Box<dyn Fn() + Send + Sync>) {
        if stop::on_request(handler).is_err() {
            log::warn!("no memory for the stop handler: the machine will not stop on request");
        }
    }
}
