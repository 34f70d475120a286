//! Futexes, with threads that really sleep.

use super::*;
use core::sync::atomic::Ordering;
use std::vec::Vec;

const WAIT: usize = 0;
const WAKE: usize = 1;
const REQUEUE: usize = 3;
const CMP_REQUEUE: usize = 4;
const WAKE_OP: usize = 5;
const WAIT_BITSET: usize = 9;
const WAKE_BITSET: usize = 10;
const PRIVATE: usize = 128;
const REALTIME: usize = 256;

fn sleeps(thread: &Thread) -> bool {
    thread.wait_slot.load(Ordering::SeqCst) != 0
}

/// Threads that wait for a word; they give the call's result.
fn waiters(
    fixture: &Fixture,
    count: usize,
    operation: usize,
    word: usize,
    bits: usize,
) -> Vec<Join<Result<usize, Errno>>> {
    let value = load(word) as usize;
    (0..count)
        .map(|_| {
            let run = move |thread: &Arc<Thread>| call_as(thread, "futex", &[word, operation, value, 0, 0, bits]);
            let (thread, join) = fixture.spawn(run);
            until(|| sleeps(&thread));
            join
        })
        .collect()
}

#[test]
fn wait_with_another_value_says_eagain() {
    let f = fixture();
    store(f.page, &[7]);
    assert_eq!(f.call("futex", &[f.page, WAIT | PRIVATE, 8]), Err(Errno::EAGAIN));
}

#[test]
fn bad_arguments_are_refused() {
    let f = fixture();
    assert_eq!(f.call("futex", &[f.page + 1, WAIT, 0]), Err(Errno::EINVAL));
    assert_eq!(f.call("futex", &[usize::MAX & !3, WAIT, 0]), Err(Errno::EFAULT));
    assert_eq!(f.call("futex", &[0x20000, WAIT | PRIVATE, 0]), Err(Errno::EFAULT));
    assert_eq!(f.call("futex", &[0x20000, WAKE, 1]), Err(Errno::EFAULT));
    assert_eq!(f.call("futex", &[0x20000, WAKE | PRIVATE, 1]), Ok(0));
    assert_eq!(f.call("futex", &[f.page, WAIT_BITSET, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(f.call("futex", &[f.page, WAKE_BITSET, 1, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(f.call("futex", &[f.page, WAKE | REALTIME, 1]), Err(Errno::ENOSYS));
    assert_eq!(f.call("futex", &[f.page, 6]), Err(Errno::ENOSYS));
    assert_eq!(f.call("futex", &[f.page, REQUEUE, usize::MAX, 0, f.page]), Err(Errno::EINVAL));
    store(f.page + 64, &[0, 0, 1_000_000_000, 0]);
    assert_eq!(f.call("futex", &[f.page, WAIT, 0, f.page + 64]), Err(Errno::EINVAL));
}

#[test]
fn waits_end_at_their_deadline() {
    let f = fixture();
    store(f.page + 64, &[0, 0, 5_000_000, 0]);
    assert_eq!(f.call("futex", &[f.page, WAIT, 0, f.page + 64]), Err(Errno::ETIMEDOUT));
    // Absolute times that lie in the past.
    let all = u32::MAX as usize;
    assert_eq!(f.call("futex", &[f.page, WAIT_BITSET, 0, f.page + 64, 0, all]), Err(Errno::ETIMEDOUT));
    assert_eq!(f.call("futex", &[f.page, WAIT_BITSET | REALTIME, 0, f.page + 64, 0, all]), Err(Errno::ETIMEDOUT));
    assert!(!sleeps(&f.thread));
}

#[test]
fn wake_wakes_as_many_as_asked() {
    let f = fixture();
    let joins = waiters(&f, 3, WAIT | PRIVATE, f.page, 0);
    let others = waiters(&f, 1, WAIT | PRIVATE, f.page + 4, 0);
    assert_eq!(f.call("futex", &[f.page, WAKE | PRIVATE, 2]), Ok(2));
    assert_eq!(f.call("futex", &[f.page, WAKE | PRIVATE, i32::MAX as usize]), Ok(1));
    assert!(joins.into_iter().all(|join| join.join().unwrap() == Ok(0)));
    assert_eq!(f.call("futex", &[f.page + 4, WAKE, 1]), Ok(1));
    assert!(others.into_iter().all(|join| join.join().unwrap() == Ok(0)));
}

#[test]
fn bits_select_waiters() {
    let f = fixture();
    let joins = waiters(&f, 1, WAIT_BITSET | PRIVATE, f.page, 2);
    assert_eq!(f.call("futex", &[f.page, WAKE_BITSET | PRIVATE, 1, 0, 0, 5]), Ok(0));
    assert_eq!(f.call("futex", &[f.page, WAKE_BITSET | PRIVATE, 1, 0, 0, 3]), Ok(1));
    assert!(joins.into_iter().all(|join| join.join().unwrap() == Ok(0)));
}

#[test]
fn requeued_waiters_wake_at_the_other_word() {
    let f = fixture();
    let (from, to) = (f.page, f.page + 128);
    let joins = waiters(&f, 4, WAIT | PRIVATE, from, 0);
    assert_eq!(f.call("futex", &[from, CMP_REQUEUE | PRIVATE, 1, 9, to, 1]), Err(Errno::EAGAIN));
    assert_eq!(f.call("futex", &[from, CMP_REQUEUE | PRIVATE, 1, 2, to, 0]), Ok(3));
    assert_eq!(f.call("futex", &[from, REQUEUE | PRIVATE, 0, 9, to]), Ok(0));
    assert_eq!(f.call("futex", &[from, WAKE | PRIVATE, 9]), Ok(0));
    assert_eq!(f.call("futex", &[to, WAKE | PRIVATE, 9]), Ok(3));
    assert!(joins.into_iter().all(|join| join.join().unwrap() == Ok(0)));
}

#[test]
fn wake_operation_changes_the_second_word() {
    let f = fixture();
    store(f.page, &[0, 5]);
    let joins = waiters(&f, 1, WAIT | PRIVATE, f.page, 0);
    let others = waiters(&f, 1, WAIT | PRIVATE, f.page + 4, 0);
    // Add 3, wake the second if it was equal to 5.
    let encoded = 1 << 28 | 3 << 12 | 5;
    assert_eq!(f.call("futex", &[f.page, WAKE_OP | PRIVATE, 1, 1, f.page + 4, encoded]), Ok(2));
    assert_eq!(load(f.page + 4), 8);
    assert!(joins.into_iter().chain(others).all(|join| join.join().unwrap() == Ok(0)));
    // Or 1 << 4, wake the second if it was less than -1.
    let encoded = (8 | 2) << 28 | 2 << 24 | 4 << 12 | 0xfff;
    assert_eq!(f.call("futex", &[f.page, WAKE_OP | PRIVATE, 1, 1, f.page + 4, encoded]), Ok(0));
    assert_eq!(load(f.page + 4), 24);
}

#[test]
fn signals_interrupt_waits() {
    let f = fixture();
    let word = f.page;
    let (thread, join) = f.spawn(move |thread| call_as(thread, "futex", &[word, WAIT | PRIVATE, 0]));
    until(|| sleeps(&thread));
    assert_eq!(f.call("tgkill", &[f.process.id as usize, thread.id as usize, 10]), Ok(0));
    assert_eq!(join.join().unwrap(), Err(Errno::ERESTARTSYS));
    assert_eq!(f.call("futex", &[word, WAKE | PRIVATE, 1]), Ok(0));
}

#[test]
fn shared_mappings_of_one_object_share_their_futexes() {
    let f = fixture();
    let shared = f.call("mmap", &[0, 4096, 3, 0x21, usize::MAX, 0]).unwrap();
    let again = f.call("mremap", &[shared, 0, 4096, 1]).unwrap();
    assert_ne!(shared, again);
    let joins = waiters(&f, 1, WAIT, shared, 0);
    assert_eq!(f.call("futex", &[again, WAKE, 1]), Ok(1));
    assert!(joins.into_iter().all(|join| join.join().unwrap() == Ok(0)));
}

#[test]
fn leaving_threads_wake_who_joins_them_and_release_robust_futexes() {
    let f = fixture();
    let (clear, lock, head) = (f.page, f.page + 8, f.page + 64);
    store(clear, &[1]);
    let (thread, join) = f.spawn(move |thread| {
        thread.clear_child_tid.store(clear, Ordering::SeqCst);
        // A ring of one entry, whose futex lies 16 bytes behind it.
        let entry = lock - 16;
        user::write(head, &(entry as u64).to_le_bytes()).unwrap();
        user::write(head + 8, &16u64.to_le_bytes()).unwrap();
        user::write(head + 16, &0u64.to_le_bytes()).unwrap();
        user::write(lock, &(thread.id | 0x8000_0000).to_le_bytes()).unwrap();
        assert_eq!(call_as(thread, "set_robust_list", &[head, 24]), Ok(0));
        assert_eq!(call_as(thread, "set_robust_list", &[head, 23]), Err(Errno::EINVAL));
        crate::state(&thread.process).unwrap().live.store(2, Ordering::SeqCst);
        crate::exit::leave(thread);
        crate::exit::finish(thread);
    });
    join.join().unwrap();
    // The entry before the lock is not mapped memory's start here, so its `next` is whatever lies there; the lock is marked.
    assert_eq!((load(clear), load(lock)), (0, 0xc000_0000));
    assert!(f.process.thread(thread.id).is_none() && !f.process.exiting());
}
