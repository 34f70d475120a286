//! The kernel's framework on the hosted hypercalls: descriptors, waiting, the end of processes.

use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::OutOfMemory;
use rumpkin_mm::Mm;
use rumpkin_spine::{
    Kernel,
    config::Config,
    file::{Caller, File, OpenFile},
    io::{Sink, Source},
    process::{Process, Program, Thread},
    wait::{Events, Observer, WaitQueue, Waiter, sleep_until},
};
use rumpuser::{clock, device, sync::Mutex};
use rumpuser_hosted as _;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A stream whose other end is the test.
#[derive(Default)]
struct Stream {
    bytes: Mutex<VecDeque<u8>>,
    queue: WaitQueue,
}

impl Stream {
    fn feed(&self, bytes: &[u8]) {
        self.bytes.lock().extend(bytes);
        self.queue.notify(Events::READ);
    }
}

impl File for Stream {
    fn read(&self, _position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let mut bytes = self.bytes.lock();
        if bytes.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let taken = destination.put(bytes.make_contiguous())?;
        bytes.drain(..taken);
        Ok(taken)
    }

    fn write(&self, _position: u64, _source: &mut dyn Source) -> Result<usize, Errno> {
        Err(Errno::EPIPE)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat::default())
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}

fn process() -> Arc<Process> {
    let kernel = Arc::new(Kernel::new(Config::default(), device::take()));
    Process::new(&kernel, Mm::new().unwrap(), Program::default()).unwrap()
}

fn thread(process: &Arc<Process>) -> Arc<Thread> {
    let thread = Thread::new(process.kernel.allocate_id(), process.clone()).unwrap();
    process.add_thread(thread.clone()).unwrap();
    thread
}

#[test]
fn descriptors_stay_below_their_limit() {
    let process = process();
    let table = &process.descriptors;
    let file = || OpenFile::new(Arc::new(Stream::default()), general::O_RDWR).unwrap();
    assert_eq!(table.insert(file(), false, 9), Ok(9));
    table.set_limit(2);
    assert_eq!((table.insert(file(), false, 0), table.insert(file(), false, 0)), (Ok(0), Ok(1)));
    assert_eq!(table.insert(file(), false, 0), Err(Errno::EMFILE));
    assert_eq!(table.insert(file(), false, 2), Err(Errno::EINVAL));
    assert_eq!(table.replace(2, file(), false).err(), Some(Errno::EBADF));
    assert!(table.get(9).is_ok(), "what is open stays");
    table.set_limit(usize::MAX);
    assert_eq!(table.insert(file(), false, 0), Ok(2));
}

#[test]
fn descriptor_that_is_reserved_is_nobody_elses() {
    let process = process();
    let table = &process.descriptors;
    let file = || OpenFile::new(Arc::new(Stream::default()), general::O_RDWR).unwrap();
    let reservation = table.reserve(true, 0).unwrap();
    assert_eq!(table.insert(file(), false, 0), Ok(1));
    assert_eq!(table.get(0).err(), Some(Errno::EBADF));
    assert_eq!(table.remove(0).err(), Some(Errno::EBADF));
    assert_eq!(table.replace(0, file(), false).err(), Some(Errno::EBUSY));
    assert_eq!(reservation.fill(file()), 0);
    assert_eq!(table.close_on_exec(0), Ok(true));
    drop(table.reserve(false, 0).unwrap());
    assert_eq!(table.insert(file(), false, 0), Ok(2), "what was not filled is free again");
}

#[test]
fn lowest_free_descriptor_is_taken() {
    let process = process();
    let file = OpenFile::new(Arc::new(Stream::default()), general::O_RDWR).unwrap();
    let table = &process.descriptors;
    for expected in 0..4 {
        assert_eq!(table.insert(file.clone(), false, 0), Ok(expected));
    }
    table.remove(1).unwrap();
    assert_eq!(table.get(1).err(), Some(Errno::EBADF));
    assert_eq!(table.insert(file.clone(), false, 2), Ok(4));
    assert_eq!(table.insert(file.clone(), true, 0), Ok(1));
    assert_eq!(table.close_on_exec(1), Ok(true));
    assert_eq!(table.get(-1).err(), Some(Errno::EBADF));
    assert_eq!(table.insert(file.clone(), false, usize::MAX), Err(Errno::EINVAL));
    assert!(table.replace(100, file, false).unwrap().is_none());
    let open = std::iter::successors(table.next(0), |last| table.next(*last as usize + 1));
    assert!(open.eq([0, 1, 2, 3, 4, 100]));
}

#[test]
fn blocking_read_wakes_when_data_comes() {
    let process = process();
    let stream = Arc::new(Stream::default());
    let feeder = std::thread::spawn({
        let stream = stream.clone();
        move || {
            std::thread::sleep(Duration::from_millis(20));
            stream.feed(b"abc");
        }
    });
    let thread = thread(&process);
    thread.attach();
    let file = OpenFile::new(stream, general::O_RDWR).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(file.read(&thread, None, &mut &mut buffer[..]), Ok(3));
    assert_eq!(&buffer[..3], b"abc");
    file.set_flags(general::O_NONBLOCK);
    assert_eq!(file.read(&thread, None, &mut &mut buffer[..]), Err(Errno::EAGAIN));
    assert_eq!(file.read(&thread, Some(0), &mut &mut buffer[..]), Err(Errno::ESPIPE));
    feeder.join().unwrap();
}

#[test]
fn deadline_ends_a_wait() {
    let process = process();
    let thread = thread(&process);
    thread.attach();
    let deadline = clock::monotonic() + 5_000_000;
    assert_eq!(sleep_until(&thread, deadline), Ok(()));
    assert!(clock::monotonic() >= deadline);
}

/// A caller that only hears of broken pipes.
#[derive(Default)]
struct Listener(AtomicBool);

impl Waiter for Listener {
    fn observer(&self) -> Result<Arc<dyn Observer>, OutOfMemory> {
        Err(OutOfMemory)
    }

    fn interrupted(&self) -> bool {
        false
    }
}

impl Caller for Listener {
    fn process_id(&self) -> u32 {
        1
    }

    fn broken_pipe(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn write_to_a_closed_stream_tells_the_caller() {
    let file = OpenFile::new(Arc::new(Stream::default()), general::O_RDWR).unwrap();
    let caller = Listener::default();
    assert_eq!(file.write(&caller, None, &mut &b"x"[..]), Err(Errno::EPIPE));
    assert!(caller.0.load(Ordering::Relaxed));
}

#[test]
fn last_thread_ends_the_process() {
    let process = process();
    let (one, other) = (thread(&process), thread(&process));
    process.exit(3);
    process.exit(4);
    assert!(one.interrupted() && process.exiting() && !process.has_ended());
    assert!(!process.remove_thread(one.id));
    assert!(process.remove_thread(other.id));
    assert!(process.has_ended());
    assert_eq!(process.status(), Some(3), "the first status counts");
}
