//! Layer 3: the hypercalls on a Linux process, for tests of the kernel and for kernels that live in a process.
//!
//! Link it with `use rumpuser_hosted as _;`. Threads are the process's, user memory is software (a map from page to
//! frame, looked at on every access), and user code cannot be run: [`rumpuser::context::enter`] calls what a simulated
//! [`Machine`] has in its place, or answers with the exception "invalid opcode". Links ([`link`]) and disks ([`disk`]) are
//! made by who needs them and handed to the kernel.
//!
//! Time is real, or simulated: in [`simulate`] one thread runs at a time, a seed chooses which, and the clock jumps to the next
//! deadline when none can run. Any number of simulations may run side by side, each on threads of its own.
//!
//! Depends on the interface alone. Invariants:
//! - Handles are numbers into tables; the only unsafe blocks are the two system calls that attach to a tap.
//! - What happens in a simulation follows from its seed: nothing in it depends on addresses, on the host's clock or chance, or on
//!   what else the process does.

pub mod disk;
pub mod link;
mod machine;
mod memory;
mod random;
mod requests;
mod simulation;
mod space;
mod terminal;
mod thread;

pub use machine::{request_stop, set_boot_data, set_devices};
pub use random::Random;
pub use requests::{Requests, spend};
pub use simulation::{Machine, UserCode, for_each_seed, simulate};
pub use terminal::Terminal;

use rumpuser::{__types::*, Backend, memory::Mapping};

struct Hosted;

impl Backend for Hosted {
    fn rumpuser_thread_spawn(name: &'static str, entry: Box<dyn FnOnce() + Send>) -> Result<NonNull<()>, OutOfMemory> {
        simulation::memory_request()?;
        thread::spawn(name, entry)
    }

    fn rumpuser_thread_current() -> NonNull<()> {
        thread::current()
    }

    fn rumpuser_thread_clone(thread: NonNull<()>) -> NonNull<()> {
        thread::retain(thread)
    }

    fn rumpuser_thread_drop(thread: NonNull<()>) {
        thread::release(thread);
    }

    fn rumpuser_thread_park(deadline: Option<u64>) -> bool {
        thread::park(deadline)
    }

    fn rumpuser_thread_unpark(thread: NonNull<()>) {
        thread::unpark(thread);
    }

    /// User code never runs here, so waking the thread is all there is to do.
    fn rumpuser_thread_interrupt(thread: NonNull<()>) {
        thread::unpark(thread);
    }

    fn rumpuser_thread_cpu_time(handle: NonNull<()>) -> u64 {
        thread::cpu_time(handle)
    }

    fn rumpuser_thread_yield() {
        thread::yield_now();
    }

    fn rumpuser_cpus() -> usize {
        1
    }

    fn rumpuser_cpu() -> usize {
        0
    }

    fn rumpuser_clock_monotonic() -> u64 {
        machine::monotonic()
    }

    fn rumpuser_clock_realtime() -> u64 {
        machine::realtime()
    }

    fn rumpuser_random_fill(buffer: &mut [u8]) {
        machine::random(buffer);
    }

    fn rumpuser_frame_allocate() -> Option<FrameNumber> {
        memory::allocate()
    }

    fn rumpuser_frame_retain(frame: FrameNumber) {
        memory::retain(frame);
    }

    fn rumpuser_frame_release(frame: FrameNumber) {
        memory::release(frame);
    }

    fn rumpuser_frame_is_unique(frame: FrameNumber) -> bool {
        memory::is_unique(frame)
    }

    fn rumpuser_frame_read(frame: FrameNumber, offset: usize, buffer: &mut [u8]) {
        memory::with_page(frame, |page| buffer.copy_from_slice(&page[offset..offset + buffer.len()]));
    }

    fn rumpuser_frame_write(frame: FrameNumber, offset: usize, data: &[u8]) {
        memory::with_page(frame, |page| page[offset..offset + data.len()].copy_from_slice(data));
    }

    fn rumpuser_frame_copy(from: FrameNumber, to: FrameNumber) {
        let content = memory::with_page(from, |page| *page);
        memory::with_page(to, |page| *page = content);
    }

    fn rumpuser_frame_counts() -> (usize, usize) {
        memory::counts()
    }

    /// The process's heap has no end that a test could come near to; a simulated machine refuses what it is told to.
    fn rumpuser_heap_ensure(bytes: usize) -> bool {
        let granted = simulation::memory_request().is_ok();
        requests::promise(if granted { bytes } else { 0 });
        granted
    }

    fn rumpuser_payload_frame(page: &'static [u8]) -> Option<FrameNumber> {
        let payload = machine::boot_data().root_file_system?;
        payload.as_ptr_range().contains(&page.as_ptr()).then(|| memory::of_payload(page))
    }

    fn rumpuser_space_create(pager: Arc<dyn Pager>) -> Result<NonNull<()>, OutOfMemory> {
        simulation::memory_request()?;
        Ok(space::create(pager))
    }

    fn rumpuser_space_destroy(space: NonNull<()>) {
        space::destroy(space);
    }

    fn rumpuser_space_activate(space: Option<NonNull<()>>) {
        space::activate(space);
    }

    fn rumpuser_space_map(space: NonNull<()>, address: usize, page: Page) -> Result<(), OutOfMemory> {
        simulation::memory_request()?;
        space::get(space).map(address, Mapping::from_page(page));
        Ok(())
    }

    fn rumpuser_space_query(space: NonNull<()>, address: usize) -> Option<Page> {
        space::get(space).query(address).map(Mapping::into_page)
    }

    fn rumpuser_space_unmap(space: NonNull<()>, address: usize, length: usize) {
        space::get(space).unmap(address, length);
    }

    fn rumpuser_space_protect(space: NonNull<()>, address: usize, length: usize, protection: Protection) {
        space::get(space).protect(address, length, protection);
    }

    fn rumpuser_space_move(space: NonNull<()>, from: usize, to: usize, length: usize) -> Result<(), OutOfMemory> {
        simulation::memory_request()?;
        space::get(space).move_range(from, to, length);
        Ok(())
    }

    fn rumpuser_user_read(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
        space::read(address, buffer)
    }

    fn rumpuser_user_write(address: usize, data: &[u8]) -> Result<(), Fault> {
        space::write(address, data.len(), |page, done| page.copy_from_slice(&data[done..done + page.len()]))
    }

    fn rumpuser_user_zero(address: usize, length: usize) -> Result<(), Fault> {
        space::write(address, length, |page, _| page.fill(0))
    }

    fn rumpuser_user_load_u32(address: usize) -> Result<u32, Fault> {
        space::aligned(address)?;
        let mut word = [0; 4];
        space::read(address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    fn rumpuser_user_compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<u32, Fault> {
        space::aligned(address)?;
        let mut found = 0;
        // One page, one lock: atomic with respect to every other access.
        space::write(address, 4, |page, _| {
            found = u32::from_le_bytes([page[0], page[1], page[2], page[3]]);
            if found == current {
                page.copy_from_slice(&new.to_le_bytes());
            }
        })?;
        Ok(found)
    }

    fn rumpuser_context_enter(registers: &mut Registers) -> Event {
        machine::enter_user_code(registers)
    }

    fn rumpuser_fpu_size() -> usize {
        512
    }

    fn rumpuser_fpu_save(area: &mut [u8]) {
        area.fill(0);
    }

    fn rumpuser_fpu_restore(_area: &[u8]) -> bool {
        true
    }

    fn rumpuser_fpu_reset() {}

    fn rumpuser_vdso() -> Result<VdsoFrames, OutOfMemory> {
        machine::vdso()
    }

    fn rumpuser_boot_data() -> &'static BootData {
        machine::boot_data()
    }

    fn rumpuser_devices() -> Devices {
        machine::devices()
    }

    /// Nobody notifies in interrupt context here.
    fn rumpuser_notify_on_thread(notify: Notify) -> Result<Notify, OutOfMemory> {
        Ok(notify)
    }

    fn rumpuser_exit(exit: Exit) -> ! {
        machine::exit(exit)
    }

    fn rumpuser_on_stop(handler: Box<dyn Fn() + Send + Sync>) {
        machine::on_stop(handler);
    }
}

rumpuser::export_backend!(Hosted);
