//! Waiting for some of a list of descriptors (poll(2)).

use crate::deadline::Patience;
use alloc::{sync::Arc, vec::Vec};
use rumpkin_collections::{TryVec, try_collect, try_with_capacity};
use rumpkin_signal::with_mask;
use rumpkin_spine::{
    Call, Errno, UserPointer,
    abi::{PollDescriptor, Timespec},
    file::OpenFile,
    process::Thread,
    wait::{Events, WaitQueue, block_on},
};

/// What is always reported, asked for or not.
const ALWAYS: Events = Events::ERROR.union(Events::HANG_UP).union(Events::INVALID);

/// A file that is watched, and what for.
pub struct Watched {
    /// The file; `None` for a descriptor that is not open.
    pub file: Option<Arc<OpenFile>>,
    /// What it is watched for.
    pub interest: Events,
    /// What has become true of it.
    pub ready: Events,
}

/// Waits until something is true of one of the files, or patience has run out; how many there are comes back.
pub fn wait(thread: &Thread, watched: &mut [Watched], patience: Patience) -> Result<usize, Errno> {
    // Owners of their own, since the queues are borrowed while `watched` changes.
    let files: Vec<(Arc<OpenFile>, Events)> =
        try_collect(watched.iter().filter_map(|entry| Some((entry.file.clone()?, entry.interest))))?;
    let queues: Vec<(&WaitQueue, Events)> =
        try_collect(files.iter().filter_map(|(file, interest)| Some((file.file().wait_queue()?, *interest))))?;
    let result = block_on(thread, &queues, patience.deadline(), || {
        let mut count = 0usize;
        for entry in watched.iter_mut() {
            entry.ready = match &entry.file {
                Some(file) => file.file().poll() & (entry.interest | ALWAYS),
                None => Events::INVALID,
            };
            count = count.saturating_add(usize::from(!entry.ready.is_empty()));
        }
        Ok((count > 0).then_some(count))
    });
    match result {
        Err(Errno::ETIMEDOUT) => Ok(0),
        Err(Errno::ERESTARTSYS) => Err(Errno::ERESTARTNOHAND),
        result => result,
    }
}

pub fn poll(call: &mut Call<'_>, list: UserPointer<PollDescriptor>, count: u32, timeout: i32) -> Result<usize, Errno> {
    poll_with(call, list, count, Patience::from_milliseconds(timeout))
}

pub fn ppoll(
    call: &mut Call<'_>,
    list: UserPointer<PollDescriptor>,
    count: u32,
    timeout: Option<UserPointer<Timespec>>,
    mask: Option<UserPointer<u64>>,
    size: usize,
) -> Result<usize, Errno> {
    let patience = Patience::from_timespec(timeout)?;
    let result = with_mask(call, mask, size, |call| poll_with(call, list, count, patience));
    // Linux tells how much time was left.
    if let (Some(left), Some(timeout)) = (patience.left(), timeout) {
        let _ = timeout.write(&Timespec::from_nanoseconds(left));
    }
    result
}

fn poll_with(
    call: &mut Call<'_>,
    list: UserPointer<PollDescriptor>,
    count: u32,
    patience: Patience,
) -> Result<usize, Errno> {
    let count = count as usize;
    if count > call.process().descriptors.limit() {
        return Err(Errno::EINVAL);
    }
    let mut descriptors = try_with_capacity(count)?;
    for index in 0..count {
        descriptors.try_push(list.at(index).read()?)?;
    }
    // A negative descriptor is left out, and reported as having nothing.
    let mut places = try_with_capacity(count)?;
    let mut watched = try_with_capacity(count)?;
    for (index, entry) in descriptors.iter().enumerate().filter(|(_, entry)| entry.descriptor >= 0) {
        places.try_push(index)?;
        let file = call.process().descriptors.get(entry.descriptor).ok();
        let interest = Events::from_bits_truncate(u32::from(entry.events));
        watched.try_push(Watched { file, interest, ready: Events::empty() })?;
    }
    let ready = wait(call.thread, &mut watched, patience)?;
    for entry in &mut descriptors {
        entry.returned = 0;
    }
    for (index, entry) in places.iter().zip(&watched) {
        if let Some(descriptor) = descriptors.get_mut(*index) {
            descriptor.returned = entry.ready.bits() as u16;
        }
    }
    for (index, entry) in descriptors.iter().enumerate() {
        list.at(index).write(entry)?;
    }
    Ok(ready)
}
