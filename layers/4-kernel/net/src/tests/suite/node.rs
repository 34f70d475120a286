//! A kernel with files and the network on one end of a wire, and threads that are waited for.

use crate::net::Net;
use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use rumpkin_spine::{
    Kernel,
    config::{Address, Config, Network},
};
use rumpuser::{
    clock,
    device::{self, Devices, Link},
    sync::Mutex,
    thread,
};

/// A kernel on one end of a wire.
#[derive(Clone)]
pub struct Node {
    pub kernel: Arc<Kernel>,
    pub net: Arc<Net>,
}

impl Node {
    /// Starts a kernel whose address is 10.0.0.`number`.
    pub fn start(link: Box<dyn Link>, number: u8) -> Node {
        let address = Address::Static { address: [10, 0, 0, number], prefix: 24 };
        let network = Network { address, ..Network::default() };
        let devices = Devices { links: vec![link], disks: Vec::new(), console: device::take().console };
        let mut kernel = Kernel::new(Config { network, ..Config::default() }, devices);
        rumpkin_vfs::register(&mut kernel);
        rumpkin_tmpfs::register(&mut kernel);
        crate::register(&mut kernel);
        let kernel = Arc::new(kernel);
        kernel.start();
        let net = kernel.parts.share::<Net>().unwrap();
        Node { kernel, net }
    }
}

/// A thread that will be waited for by the one that started it.
pub struct Task<T>(Arc<Mutex<Option<T>>>);

/// Starts a thread.
pub fn start<T: Send + 'static>(name: &'static str, work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let (slot, waiter) = (Arc::new(Mutex::new(None)), thread::current());
    let result = slot.clone();
    thread::spawn(name, move || {
        let value = work();
        *result.lock() = Some(value);
        waiter.unpark();
    })
    .unwrap();
    Task(slot)
}

impl<T> Task<T> {
    /// What the thread's work gave; `None` if it is not over by the deadline.
    pub fn wait(self, deadline: u64) -> Option<T> {
        loop {
            if let Some(value) = self.0.lock().take() {
                return Some(value);
            }
            if clock::monotonic() >= deadline {
                return None;
            }
            thread::park(Some(deadline));
        }
    }
}

/// Sleeps for nanoseconds.
pub fn sleep(nanoseconds: u64) {
    let deadline = clock::monotonic() + nanoseconds;
    while clock::monotonic() < deadline {
        thread::park(Some(deadline));
    }
}
