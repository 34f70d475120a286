//! System call, context switch and page fault, each as the median of several runs.
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Runs per primitive; the median counts.
const RUNS: usize = 7;
const CALLS: u32 = 200_000;
const ROUND_TRIPS: u32 = 5_000;
const PAGE: usize = 4096;
const PAGES: usize = 2_000;

/// Measures everything and prints it.
///
/// # Errors
/// A system call failed.
pub fn print() -> io::Result<()> {
    report("system-call", system_call)?;
    report("switch-pipe", switch_by_pipe)?;
    report("switch-condvar", switch_by_condvar)?;
    report("page-fault", page_fault)?;
    println!("done");
    Ok(())
}

/// Prints the median cost of one operation; `measure` gives the picoseconds of one.
fn report(name: &str, measure: fn() -> io::Result<u128>) -> io::Result<()> {
    let mut costs = (0..RUNS).map(|_| measure()).collect::<io::Result<Vec<_>>>()?;
    costs.sort_unstable();
    let median = costs[RUNS / 2];
    println!("{name} {}.{}", median / 1000, median % 1000 / 100);
    Ok(())
}

/// Picoseconds per operation since `start`.
fn per_operation(start: Instant, operations: u32) -> u128 {
    start.elapsed().as_nanos() * 1000 / u128::from(operations)
}

/// The cheapest call there is.
fn system_call() -> io::Result<u128> {
    let start = Instant::now();
    for _ in 0..CALLS {
        // SAFETY: getppid(2) takes nothing and touches no memory.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
    Ok(per_operation(start, CALLS))
}

fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: pipe2(2) writes two descriptors into the array.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both descriptors are new, and nobody else closes them.
    let (reader, writer) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    Ok((reader, writer))
}

/// Two threads send one byte to and fro through two pipes: a round trip is two switches, two reads and two writes.
fn switch_by_pipe() -> io::Result<u128> {
    let (mut here, mut to_here) = pipe()?;
    let (mut there, mut to_there) = pipe()?;
    let partner = thread::spawn(move || -> io::Result<()> {
        let mut byte = [0];
        for _ in 0..ROUND_TRIPS {
            there.read_exact(&mut byte)?;
            to_here.write_all(&byte)?;
        }
        Ok(())
    });
    let mut byte = [1];
    let start = Instant::now();
    for _ in 0..ROUND_TRIPS {
        to_there.write_all(&byte)?;
        here.read_exact(&mut byte)?;
    }
    let cost = per_operation(start, 2 * ROUND_TRIPS);
    partner.join().map_err(|_| io::Error::other("the other thread panicked"))??;
    Ok(cost)
}

/// Waits until `turn` is `mine`, then hands it over, `ROUND_TRIPS` times.
fn take_turns(turn: &(Mutex<bool>, Condvar), mine: bool) {
    let (lock, changed) = turn;
    for _ in 0..ROUND_TRIPS {
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = changed.wait_while(guard, |turn| *turn != mine).unwrap_or_else(PoisonError::into_inner);
        *guard = !mine;
        drop(guard);
        changed.notify_one();
    }
}

/// Two threads take turns at a condition variable.
fn switch_by_condvar() -> io::Result<u128> {
    let turn = Arc::new((Mutex::new(false), Condvar::new()));
    let shared = Arc::clone(&turn);
    let start = Instant::now();
    let partner = thread::spawn(move || take_turns(&shared, true));
    take_turns(&turn, false);
    partner.join().map_err(|_| io::Error::other("the other thread panicked"))?;
    Ok(per_operation(start, 2 * ROUND_TRIPS))
}

/// The first write to each page of a fresh mapping.
fn page_fault() -> io::Result<u128> {
    let size = PAGES * PAGE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // Large pages would make fewer faults; this is about the price of one. A kernel without them may refuse.
    // SAFETY: the advice concerns the mapping just made.
    unsafe { libc::madvise(start, size, libc::MADV_NOHUGEPAGE) };
    let began = Instant::now();
    for page in 0..PAGES {
        // SAFETY: the byte lies within the mapping, which is writable.
        unsafe { start.cast::<u8>().add(page * PAGE).write_volatile(1) };
    }
    let cost = per_operation(began, PAGES as u32);
    // SAFETY: nothing refers to the mapping any more.
    if unsafe { libc::munmap(start, size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(cost)
}
