//! futex(2).

use crate::futex::{futexes, key};
use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::{
        Timespec,
        linux::general::{
            FUTEX_BITSET_MATCH_ANY, FUTEX_CLOCK_REALTIME, FUTEX_CMP_REQUEUE, FUTEX_OP_ADD, FUTEX_OP_ANDN,
            FUTEX_OP_CMP_EQ, FUTEX_OP_CMP_GE, FUTEX_OP_CMP_GT, FUTEX_OP_CMP_LE, FUTEX_OP_CMP_LT, FUTEX_OP_CMP_NE,
            FUTEX_OP_OPARG_SHIFT, FUTEX_OP_OR, FUTEX_OP_SET, FUTEX_OP_XOR, FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE,
            FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
        },
    },
    system_calls,
};
use rumpuser::clock;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        futex => futex, "WAIT, WAKE, WAIT_BITSET, WAKE_BITSET, REQUEUE, CMP_REQUEUE, WAKE_OP, with PRIVATE and CLOCK_REALTIME; no priority inheritance";
    });
}

/// The arguments of futex(2) beside the operation; what the last three are, that decides.
struct Arguments {
    word: UserPointer<u32>,
    value: u32,
    /// The address of a time, or a number of threads.
    timeout: usize,
    second: UserPointer<u32>,
    last: u32,
    /// `FUTEX_PRIVATE_FLAG`.
    private: bool,
}

fn futex(
    call: &mut Call<'_>,
    word: UserPointer<u32>,
    operation: u32,
    value: u32,
    timeout: usize,
    second: UserPointer<u32>,
    last: u32,
) -> Result<usize, Errno> {
    let arguments = Arguments { word, value, timeout, second, last, private: operation & FUTEX_PRIVATE_FLAG != 0 };
    let realtime = operation & FUTEX_CLOCK_REALTIME != 0;
    let command = operation & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    if realtime && command != FUTEX_WAIT && command != FUTEX_WAIT_BITSET {
        return Err(Errno::ENOSYS);
    }
    match command {
        FUTEX_WAIT => {
            wait(call, &arguments, FUTEX_BITSET_MATCH_ANY, |time, _| Some(clock::monotonic().saturating_add(time)))
        }
        FUTEX_WAIT_BITSET => {
            wait(call, &arguments, last, |time, now| Some(if realtime { from_realtime(time, now) } else { time }))
        }
        FUTEX_WAKE => wake(call, &arguments, FUTEX_BITSET_MATCH_ANY),
        FUTEX_WAKE_BITSET => wake(call, &arguments, last),
        FUTEX_REQUEUE => requeue(call, &arguments, false),
        FUTEX_CMP_REQUEUE => requeue(call, &arguments, true),
        FUTEX_WAKE_OP => wake_operation(call, &arguments),
        _ => Err(Errno::ENOSYS),
    }
}

/// A point of the realtime clock on the monotonic clock's scale.
fn from_realtime(time: u64, now: u64) -> u64 {
    now.saturating_add(time.saturating_sub(clock::realtime()))
}

fn wait(
    call: &mut Call<'_>,
    arguments: &Arguments,
    bits: u32,
    deadline: impl FnOnce(u64, u64) -> Option<u64>,
) -> Result<usize, Errno> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let Arguments { word, value, timeout, private, .. } = *arguments;
    let deadline = match timeout {
        0 => None,
        timeout => {
            let time = UserPointer::<Timespec>::new(timeout).read()?.to_nanoseconds()?;
            deadline(time, clock::monotonic())
        }
    };
    let key = key(call.thread, word, private)?;
    let result = futexes(call.kernel())?.wait(call.thread, key, word, value, bits, deadline);
    match result {
        // signal(7): a wait with a timeout is not made again after a handler.
        Err(Errno::ERESTARTSYS) if deadline.is_some() => Err(Errno::ERESTARTNOHAND),
        result => result.map(|()| 0),
    }
}

/// A number of threads; Linux counts at least one for a wake, and all of them for a negative number.
fn count(value: u32) -> usize {
    if value > i32::MAX as u32 { usize::MAX } else { value as usize }
}

fn wake(call: &mut Call<'_>, arguments: &Arguments, bits: u32) -> Result<usize, Errno> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let key = key(call.thread, arguments.word, arguments.private)?;
    Ok(futexes(call.kernel())?.wake(key, count(arguments.value).max(1), bits))
}

fn requeue(call: &mut Call<'_>, arguments: &Arguments, compare: bool) -> Result<usize, Errno> {
    let Arguments { word, second, private, .. } = *arguments;
    let (wake, requeue) = (arguments.value as i32, arguments.timeout as i32);
    let (Ok(wake), Ok(requeue)) = (usize::try_from(wake), usize::try_from(requeue)) else { return Err(Errno::EINVAL) };
    let keys = (key(call.thread, word, private)?, key(call.thread, second, private)?);
    let expected = compare.then_some((word, arguments.last));
    let (woken, moved) = futexes(call.kernel())?.requeue(keys, expected, wake, requeue)?;
    // Only the comparing one counts those that were moved.
    Ok(if compare { woken.saturating_add(moved) } else { woken })
}

fn wake_operation(call: &mut Call<'_>, arguments: &Arguments) -> Result<usize, Errno> {
    let Arguments { word, second, private, .. } = *arguments;
    let operation = Operation::decode(arguments.last);
    let keys = (key(call.thread, word, private)?, key(call.thread, second, private)?);
    let mut old = second.load()?;
    loop {
        let new = operation.apply(old)?;
        let seen = second.compare_exchange(old, new)?;
        if seen == old {
            break;
        }
        old = seen;
    }
    let futexes = futexes(call.kernel())?;
    let woken = futexes.wake(keys.0, count(arguments.value).max(1), FUTEX_BITSET_MATCH_ANY);
    if !operation.holds(old)? {
        return Ok(woken);
    }
    let others = futexes.wake(keys.1, count(arguments.timeout as u32).max(1), FUTEX_BITSET_MATCH_ANY);
    Ok(woken.saturating_add(others))
}

/// What `FUTEX_WAKE_OP` does to the second word, and what it asks of its old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Operation {
    operation: u32,
    argument: i32,
    comparison: u32,
    compared: i32,
}

impl Operation {
    /// The fields: 4 bits operation, 4 bits comparison, 12 bits argument, 12 bits compared (both signed).
    fn decode(encoded: u32) -> Operation {
        let encoded = encoded as i32;
        Operation {
            operation: (encoded >> 28) as u32 & 0xf,
            comparison: (encoded >> 24) as u32 & 0xf,
            argument: (encoded << 8) >> 20,
            compared: (encoded << 20) >> 20,
        }
    }

    fn apply(self, old: u32) -> Result<u32, Errno> {
        let shifted = self.operation & FUTEX_OP_OPARG_SHIFT != 0;
        let argument = if shifted { 1u32.wrapping_shl(self.argument as u32) } else { self.argument as u32 };
        match self.operation & !FUTEX_OP_OPARG_SHIFT {
            FUTEX_OP_SET => Ok(argument),
            FUTEX_OP_ADD => Ok(old.wrapping_add(argument)),
            FUTEX_OP_OR => Ok(old | argument),
            FUTEX_OP_ANDN => Ok(old & !argument),
            FUTEX_OP_XOR => Ok(old ^ argument),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn holds(self, old: u32) -> Result<bool, Errno> {
        let old = old as i32;
        match self.comparison {
            FUTEX_OP_CMP_EQ => Ok(old == self.compared),
            FUTEX_OP_CMP_NE => Ok(old != self.compared),
            FUTEX_OP_CMP_LT => Ok(old < self.compared),
            FUTEX_OP_CMP_LE => Ok(old <= self.compared),
            FUTEX_OP_CMP_GT => Ok(old > self.compared),
            FUTEX_OP_CMP_GE => Ok(old >= self.compared),
            _ => Err(Errno::ENOSYS),
        }
    }
}
