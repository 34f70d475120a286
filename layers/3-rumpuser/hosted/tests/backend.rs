//! The hypercalls, called through the interface as a kernel calls them.

use rumpuser::{
    clock,
    memory::{Access, AddressSpace, Fault, Frame, Mapping, PAGE_SIZE, Pager, Protection, deactivate},
    sync::Mutex,
    thread, user,
};
use rumpuser_hosted as _;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

#[test]
fn park_returns_at_once_after_unpark() {
    thread::current().unpark();
    assert!(thread::park(None));
}

#[test]
fn park_ends_at_its_deadline() {
    let deadline = clock::monotonic() + 2_000_000;
    assert!(!thread::park(Some(deadline)));
    assert!(clock::monotonic() >= deadline);
}

#[test]
fn cpu_time_is_that_of_computing() {
    let me = thread::current();
    let (sleeper, deadline) = (me.cpu_time(), clock::monotonic() + 50_000_000);
    while clock::monotonic() < deadline {
        thread::park(Some(deadline));
    }
    assert!(me.cpu_time() - sleeper < 25_000_000, "a thread that sleeps uses none");
    let busy = me.cpu_time();
    while me.cpu_time() < busy + 5_000_000 {}
    let other = thread::spawn("other", || ()).unwrap();
    assert!(other.cpu_time() < me.cpu_time(), "each has its own");
}

#[test]
fn mutex_excludes_threads() {
    let (sum, done) = (Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
    let me = thread::current();
    for _ in 0..4 {
        let (sum, done, me) = (sum.clone(), done.clone(), me.clone());
        thread::spawn("adder", move || {
            for _ in 0..1000 {
                let mut sum = sum.lock();
                let before = *sum;
                thread::yield_now();
                *sum = before + 1;
            }
            done.fetch_add(1, Ordering::SeqCst);
            me.unpark();
        })
        .unwrap();
    }
    while done.load(Ordering::SeqCst) < 4 {
        thread::park(None);
    }
    assert_eq!(*sum.lock(), 4000);
}

/// Maps a fresh page on a fault below `end`.
struct Demand {
    end: usize,
    space: OnceLock<Arc<AddressSpace>>,
}

impl Pager for Demand {
    fn page_fault(&self, address: usize, _access: Access) -> Result<(), Fault> {
        let refuse = Fault { address };
        if address >= self.end {
            return Err(refuse);
        }
        let mapping = Mapping {
            frame: Frame::allocate().ok_or(refuse)?,
            protection: Protection::READ | Protection::WRITE,
            copy_on_write: false,
        };
        self.space.get().ok_or(refuse)?.map(address / PAGE_SIZE * PAGE_SIZE, mapping).map_err(|_| refuse)
    }
}

#[test]
fn user_memory_is_paged_in_and_faults_where_the_pager_refuses() {
    let pager = Arc::new(Demand { end: 0x12000, space: OnceLock::new() });
    let space = Arc::new(AddressSpace::new(pager.clone()).unwrap());
    pager.space.set(space.clone()).unwrap();
    space.activate();
    user::write(0x10ffe, b"abcd").unwrap();
    let mut back = [0; 4];
    user::read(0x10ffe, &mut back).unwrap();
    assert_eq!(&back, b"abcd");
    assert_eq!(user::write(0x11ffe, b"abcd"), Err(Fault { address: 0x12000 }));
    assert_eq!(user::compare_exchange_u32(0x10000, 0, 7), Ok(0));
    assert_eq!(user::load_u32(0x10000), Ok(7));
    assert_eq!(user::load_u32(0x10001), Err(Fault { address: 0x10001 }));
    space.move_range(0x10000, 0x8000, PAGE_SIZE).unwrap();
    assert_eq!(user::load_u32(0x8000), Ok(7));
    space.unmap(0x8000, PAGE_SIZE);
    assert!(space.query(0x8000).is_none());
    deactivate();
}
