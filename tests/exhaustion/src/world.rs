//! Kernels with everything, on the ends of a wire.

use rumpkin_program::{Program, ProgramThread};
use rumpkin_spine::{
    Errno, Kernel,
    config::{Address, Config, Network},
};
use rumpuser::{
    clock,
    device::{Devices, Link},
    sync::Mutex,
    thread,
};
use rumpuser_hosted::{Terminal, link::Wire};
use std::sync::Arc;

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// Two kernels, 10.0.0.1 and 10.0.0.2, and the wire between them.
pub struct World {
    /// The kernels.
    pub kernels: [Arc<Kernel>; 2],
}

impl World {
    /// Starts them.
    pub fn start() -> World {
        let (_, ends) = Wire::new(1500, false).unwrap();
        let mut numbers = 1..;
        let kernels = ends.map(|end| kernel(end, numbers.next().unwrap()));
        World { kernels }
    }
}

/// Starts a kernel whose address is 10.0.0.`number`.
pub fn kernel(link: Box<dyn Link>, number: u8) -> Arc<Kernel> {
    kernel_with(link, number, |_| ())
}

/// The same, with what `prepare` adds to it.
pub fn kernel_with(link: Box<dyn Link>, number: u8, prepare: impl FnOnce(&mut Kernel)) -> Arc<Kernel> {
    let address = Address::Static { address: [10, 0, 0, number], prefix: 24 };
    let network = Network { address, ..Network::default() };
    let devices = Devices { links: vec![link], disks: Vec::new(), console: Arc::new(Terminal::default()) };
    let mut kernel = Kernel::new(Config { network, ..Config::default() }, devices);
    rumpkin_net::register(&mut kernel);
    rumpkin_vfs::register(&mut kernel);
    rumpkin_tmpfs::register(&mut kernel);
    rumpkin_proc::register(&mut kernel);
    rumpkin_dev::register(&mut kernel);
    rumpkin_signal::register(&mut kernel);
    rumpkin_mmap::register(&mut kernel);
    rumpkin_process::register(&mut kernel);
    rumpkin_system::register(&mut kernel);
    rumpkin_event::register(&mut kernel);
    rumpkin_time::register(&mut kernel);
    prepare(&mut kernel);
    let kernel = Arc::new(kernel);
    kernel.start();
    kernel
}

/// Sleeps for nanoseconds.
pub fn sleep(nanoseconds: u64) {
    let deadline = clock::monotonic() + nanoseconds;
    while clock::monotonic() < deadline {
        thread::park(Some(deadline));
    }
}

/// Runs work as a program of a kernel on the calling thread.
pub fn as_program<T>(kernel: &Arc<Kernel>, work: impl FnOnce(&ProgramThread) -> Result<T, Errno>) -> Result<T, Errno> {
    let program = Program::new(kernel, "workload")?;
    let thread = program.thread()?;
    work(&thread)
}

/// A thread that will be waited for.
pub struct Task<T>(Arc<Mutex<Option<Result<T, Errno>>>>);

impl<T: Send + 'static> Task<T> {
    /// Starts a program on a thread of its own.
    pub fn start(
        kernel: &Arc<Kernel>,
        work: impl FnOnce(&ProgramThread) -> Result<T, Errno> + Send + 'static,
    ) -> Result<Task<T>, Errno> {
        let (slot, waiter) = (Arc::new(Mutex::new(None)), thread::current());
        let (result, kernel) = (slot.clone(), kernel.clone());
        thread::spawn("task", move || {
            let value = as_program(&kernel, work);
            drop(kernel);
            *result.lock() = Some(value);
            waiter.unpark();
        })?;
        Ok(Task(slot))
    }

    /// What it gave.
    pub fn wait(self) -> Result<T, Errno> {
        loop {
            if let Some(value) = self.0.lock().take() {
                return value;
            }
            thread::park(None);
        }
    }
}
