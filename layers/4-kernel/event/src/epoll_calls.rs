//! The system calls of epoll (epoll_create(2), epoll_ctl(2), epoll_wait(2)).

use crate::{deadline::Patience, epoll::Epoll};
use alloc::sync::Arc;
use rumpkin_signal::with_mask;
use rumpkin_spine::{
    Call, Errno, UserPointer,
    abi::{EpollEvent, Timespec, linux::general},
    file::{File, OpenFile},
    wait::{Events, block_on},
};
use zerocopy::IntoBytes;

/// The most events that one call can ask for: as many as a signed int can count bytes of.
const MAX_EVENTS: usize = i32::MAX as usize / size_of::<EpollEvent>();

/// The most events that one call gives; the rest stays ready for the next.
const AT_ONCE: usize = 64;

pub fn epoll_create(call: &mut Call<'_>, size: i32) -> Result<usize, Errno> {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    create(call, 0)
}

pub fn epoll_create1(call: &mut Call<'_>, flags: u32) -> Result<usize, Errno> {
    if flags & !general::EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    create(call, flags)
}

fn create(call: &mut Call<'_>, flags: u32) -> Result<usize, Errno> {
    let file = OpenFile::new(Epoll::new()?, general::O_RDWR)?;
    let descriptor = call.process().descriptors.insert(file, flags & general::EPOLL_CLOEXEC != 0, 0)?;
    Ok(descriptor as usize)
}

/// The description of an epoll set. `EBADF` for a descriptor that is not open, `EINVAL` for another file.
fn set_of(call: &Call<'_>, set: i32) -> Result<Arc<OpenFile>, Errno> {
    let file = call.process().descriptors.get(set)?;
    match file.downcast::<Epoll>() {
        Some(_) => Ok(file),
        None => Err(Errno::EINVAL),
    }
}

pub fn epoll_ctl(
    call: &mut Call<'_>,
    set_descriptor: i32,
    operation: u32,
    descriptor: i32,
    event: UserPointer<EpollEvent>,
) -> Result<usize, Errno> {
    let event = match operation {
        general::EPOLL_CTL_ADD | general::EPOLL_CTL_MOD => event.read()?,
        general::EPOLL_CTL_DEL => EpollEvent::default(),
        _ => return Err(Errno::EINVAL),
    };
    let descriptors = &call.process().descriptors;
    let target = descriptors.get(descriptor)?;
    let set = set_of(call, set_descriptor)?;
    let epoll: &Epoll = set.downcast().ok_or(Errno::EINVAL)?;
    if set_descriptor == descriptor {
        return Err(Errno::EINVAL);
    }
    if event.events & general::EPOLLEXCLUSIVE != 0 {
        let nested = target.downcast::<Epoll>().is_some();
        if operation != general::EPOLL_CTL_ADD || nested || event.events & general::EPOLLONESHOT != 0 {
            return Err(Errno::EINVAL);
        }
    }
    match operation {
        general::EPOLL_CTL_ADD => epoll.add(descriptor, &target, event)?,
        general::EPOLL_CTL_MOD => epoll.modify(descriptor, &target, event)?,
        _ => epoll.remove(descriptor, &target)?,
    }
    Ok(0)
}

pub fn epoll_wait(
    call: &mut Call<'_>,
    set: i32,
    events: UserPointer<EpollEvent>,
    room: i32,
    timeout: i32,
) -> Result<usize, Errno> {
    wait(call, set, events, room, Patience::from_milliseconds(timeout))
}

pub fn epoll_pwait(
    call: &mut Call<'_>,
    set: i32,
    events: UserPointer<EpollEvent>,
    room: i32,
    timeout: i32,
    mask: Option<UserPointer<u64>>,
    size: usize,
) -> Result<usize, Errno> {
    let patience = Patience::from_milliseconds(timeout);
    with_mask(call, mask, size, |call| wait(call, set, events, room, patience))
}

pub fn epoll_pwait2(
    call: &mut Call<'_>,
    set: i32,
    events: UserPointer<EpollEvent>,
    room: i32,
    timeout: Option<UserPointer<Timespec>>,
    mask: Option<UserPointer<u64>>,
    size: usize,
) -> Result<usize, Errno> {
    let patience = Patience::from_timespec(timeout)?;
    with_mask(call, mask, size, |call| wait(call, set, events, room, patience))
}

fn wait(
    call: &mut Call<'_>,
    set: i32,
    place: UserPointer<EpollEvent>,
    room: i32,
    patience: Patience,
) -> Result<usize, Errno> {
    let set = set_of(call, set)?;
    let epoll: &Epoll = set.downcast().ok_or(Errno::EINVAL)?;
    let room = usize::try_from(room).ok().filter(|room| (1..=MAX_EVENTS).contains(room)).ok_or(Errno::EINVAL)?;
    let queue = epoll.wait_queue().ok_or(Errno::EINVAL)?;
    let mut events = [EpollEvent::default(); AT_ONCE];
    let events = events.get_mut(..room.min(AT_ONCE)).unwrap_or_default();
    let taken = match patience {
        Patience::None => epoll.take(events),
        _ => block_on(call.thread, &[(queue, Events::READ)], patience.deadline(), || epoll.take(events).map(Some)),
    };
    let count = match taken {
        Ok(count) => count,
        Err(Errno::ETIMEDOUT | Errno::EAGAIN) => return Ok(0),
        // Never started again by itself (signal(7)).
        Err(Errno::ERESTARTSYS) => return Err(Errno::EINTR),
        Err(error) => return Err(error),
    };
    let events = events.get(..count).unwrap_or_default();
    place.slice(count).write(events.as_bytes())?;
    Ok(count)
}
