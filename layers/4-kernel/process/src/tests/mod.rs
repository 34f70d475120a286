//! Tests on the hosted hypercalls: system calls are made through the table, on real user memory, without user code.

mod calls;
mod futexes;
mod properties;

use crate::register;
use alloc::sync::Arc;
use rumpkin_mm::{Mm, Request, Source};
use rumpkin_spine::{
    Errno, Kernel,
    abi::system_call_number,
    config::Config,
    process::{Process, Program, Thread},
};
use rumpuser::{
    context::Registers,
    device,
    memory::{PAGE_SIZE, Protection},
    user,
};
use rumpuser_hosted as _;

/// A process whose memory is the calling thread's, with a page to put arguments in.
struct Fixture {
    process: Arc<Process>,
    thread: Arc<Thread>,
    page: usize,
}

/// A process without threads.
fn process() -> Arc<Process> {
    let mut kernel = Kernel::new(Config::default(), device::take());
    rumpkin_signal::register(&mut kernel);
    rumpkin_mmap::register(&mut kernel);
    register(&mut kernel);
    Process::new(&Arc::new(kernel), Mm::new().unwrap(), Program::default()).unwrap()
}

fn fixture() -> Fixture {
    let process = process();
    process.memory.activate();
    let thread = Thread::new(process.id, process.clone()).unwrap();
    thread.attach();
    process.add_thread(thread.clone()).unwrap();
    let page = map(&process, 4 * PAGE_SIZE);
    Fixture { process, thread, page }
}

fn map(process: &Process, length: usize) -> usize {
    let source = Source::Anonymous { shared: false };
    let protection = Protection::READ | Protection::WRITE;
    let request = Request { address: 0, fixed: false, replace: false, length, protection, source };
    process.memory.map(request).unwrap()
}

impl Fixture {
    fn call(&self, name: &str, arguments: &[usize]) -> Result<usize, Errno> {
        call_as(&self.thread, name, arguments)
    }

    /// Another thread of the process, on a thread of its own.
    fn spawn<T: Send + 'static>(&self, run: impl FnOnce(&Arc<Thread>) -> T + Send + 'static) -> (Arc<Thread>, Join<T>) {
        let thread = Thread::new(self.process.kernel.allocate_id(), self.process.clone()).unwrap();
        self.process.add_thread(thread.clone()).unwrap();
        let runner = thread.clone();
        let join = std::thread::spawn(move || {
            runner.attach();
            runner.process.memory.activate();
            run(&runner)
        });
        (thread, join)
    }
}

type Join<T> = std::thread::JoinHandle<T>;

fn call_as(thread: &Arc<Thread>, name: &str, arguments: &[usize]) -> Result<usize, Errno> {
    rumpkin_program::call_as(thread, system_call_number(name), arguments)
}

fn store(address: usize, words: &[u32]) {
    for (index, word) in words.iter().enumerate() {
        user::write(address + 4 * index, &word.to_le_bytes()).unwrap();
    }
}

fn load(address: usize) -> u32 {
    user::load_u32(address).unwrap()
}

/// Waits until a condition holds.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
