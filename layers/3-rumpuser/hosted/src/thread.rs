//! Threads of the process, with the one token that park and unpark pass.

use crate::machine;
use rumpuser::memory::OutOfMemory;
use std::{
    cell::OnceCell,
    collections::HashMap,
    num::NonZeroUsize,
    ptr::NonNull,
    sync::{
        Arc, Condvar, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What a thread parks on.
#[derive(Default)]
struct Parker {
    token: Mutex<bool>,
    given: Condvar,
}

/// Parkers that somebody owns a handle of, with the number of owners.
type Owned = HashMap<usize, (Arc<Parker>, usize)>;

static OWNED: LazyLock<Mutex<Owned>> = LazyLock::new(Mutex::default);
static NEXT: AtomicUsize = AtomicUsize::new(1);

thread_local! {
    static CURRENT: OnceCell<(usize, Arc<Parker>)> = const { OnceCell::new() };
}

fn new_number() -> usize {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The handle that stands for a number of a table.
pub fn handle(number: usize) -> NonNull<()> {
    NonNull::without_provenance(NonZeroUsize::new(number).expect("numbers start at 1"))
}

fn own(number: usize, parker: &Arc<Parker>) -> NonNull<()> {
    OWNED.lock().unwrap().entry(number).or_insert_with(|| (parker.clone(), 0)).1 += 1;
    handle(number)
}

fn with_current<T>(f: impl FnOnce(usize, &Arc<Parker>) -> T) -> T {
    CURRENT.with(|current| {
        let (number, parker) = current.get_or_init(|| (new_number(), Arc::default()));
        f(*number, parker)
    })
}

pub fn spawn(name: &'static str, entry: Box<dyn FnOnce() + Send>) -> Result<NonNull<()>, OutOfMemory> {
    let (number, parker) = (new_number(), Arc::<Parker>::default());
    let thread = own(number, &parker);
    let body = move || {
        CURRENT.with(|current| current.get_or_init(|| (number, parker)).0);
        entry();
    };
    match std::thread::Builder::new().name(name.into()).spawn(body) {
        Ok(_) => Ok(thread),
        Err(_) => {
            release(thread);
            Err(OutOfMemory)
        }
    }
}

pub fn current() -> NonNull<()> {
    with_current(own)
}

pub fn retain(thread: NonNull<()>) -> NonNull<()> {
    if let Some((_, owners)) = OWNED.lock().unwrap().get_mut(&thread.addr().get()) {
        *owners += 1;
    }
    thread
}

pub fn release(thread: NonNull<()>) {
    let mut owned = OWNED.lock().unwrap();
    if let Some((_, owners)) = owned.get_mut(&thread.addr().get()) {
        *owners -= 1;
        if *owners == 0 {
            owned.remove(&thread.addr().get());
        }
    }
}

pub fn park(deadline: Option<u64>) -> bool {
    let parker = with_current(|_, parker| parker.clone());
    let mut token = parker.token.lock().unwrap();
    while !*token {
        token = match deadline {
            None => parker.given.wait(token).unwrap(),
            Some(deadline) => {
                let left = deadline.saturating_sub(machine::monotonic());
                if left == 0 {
                    return false;
                }
                parker.given.wait_timeout(token, Duration::from_nanos(left)).unwrap().0
            }
        };
    }
    *token = false;
    true
}

pub fn unpark(thread: NonNull<()>) {
    let parker = OWNED.lock().unwrap().get(&thread.addr().get()).map(|(parker, _)| parker.clone());
    if let Some(parker) = parker {
        *parker.token.lock().unwrap() = true;
        parker.given.notify_one();
    }
}
