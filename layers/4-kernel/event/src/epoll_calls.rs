//! The system calls of epoll (epoll_create(2), epoll_ctl(2), epoll_wait(2)).

use crate::{deadline::Patience, epoll::Epoll};
use alloc::sync::Arc;
use rumpkin_signal::with_mask;
use rumpkin_spine::{
    Call, Errno,
    abi::{EpollEvent, linux::general},
    file::{File, OpenFile},
    io::read_value,
    wait::{Events, block_on},
};
use rumpuser::user;
use zerocopy::IntoBytes;

/// The most events that one call can ask for: as many as a signed int can count bytes of.
const MAX_EVENTS: usize = i32::MAX as usize / size_of::<EpollEvent>();

/// The most events that one call gives; the rest stays ready for the next.
const AT_ONCE: usize = 64;

pub fn epoll_create(call: &mut Call<'_>) -> Result<usize, Errno> {
    if call.int(0) <= 0 {
        return Err(Errno::EINVAL);
    }
    create(call, 0)
}

pub fn epoll_create1(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(0);
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
fn set_of(call: &Call<'_>) -> Result<Arc<OpenFile>, Errno> {
    let file = call.process().descriptors.get(call.int(0))?;
    match file.downcast::<Epoll>() {
        Some(_) => Ok(file),
        None => Err(Errno::EINVAL),
    }
}

pub fn epoll_ctl(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (operation, descriptor) = (call.uint(1), call.int(2));
    let event: EpollEvent = match operation {
        general::EPOLL_CTL_ADD | general::EPOLL_CTL_MOD => read_value(call.argument(3))?,
        general::EPOLL_CTL_DEL => EpollEvent::default(),
        _ => return Err(Errno::EINVAL),
    };
    let descriptors = &call.process().descriptors;
    let target = descriptors.get(descriptor)?;
    let set = set_of(call)?;
    let epoll: &Epoll = set.downcast().ok_or(Errno::EINVAL)?;
    if call.int(0) == descriptor {
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

pub fn epoll_wait(call: &mut Call<'_>) -> Result<usize, Errno> {
    let patience = Patience::from_milliseconds(call.int(3));
    wait(call, patience)
}

pub fn epoll_pwait(call: &mut Call<'_>) -> Result<usize, Errno> {
    let patience = Patience::from_milliseconds(call.int(3));
    let (mask, size) = (call.argument(4), call.argument(5));
    with_mask(call, mask, size, |call| wait(call, patience))
}

pub fn epoll_pwait2(call: &mut Call<'_>) -> Result<usize, Errno> {
    let patience = Patience::from_timespec(call.argument(3))?;
    let (mask, size) = (call.argument(4), call.argument(5));
    with_mask(call, mask, size, |call| wait(call, patience))
}

fn wait(call: &mut Call<'_>, patience: Patience) -> Result<usize, Errno> {
    let set = set_of(call)?;
    let epoll: &Epoll = set.downcast().ok_or(Errno::EINVAL)?;
    let room = usize::try_from(call.int(2)).ok().filter(|room| (1..=MAX_EVENTS).contains(room)).ok_or(Errno::EINVAL)?;
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
    user::write(call.argument(1), events.as_bytes()).map_err(|_| Errno::EFAULT)?;
    Ok(count)
}
