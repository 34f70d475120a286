//! getsockopt(2) and setsockopt(2) (socket(7), ip(7), tcp(7)).

use super::{Socket, calls::socket};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_collections::{TryVec, try_to_vec};
use rumpkin_kernel::{
    Call, Errno,
    abi::{Timeval, linux::net},
    io::{read_value, write_value},
};
use rumpuser::user;
use zerocopy::{FromBytes, IntoBytes};

/// `SOL_TCP`.
pub const TCP: u32 = 6;
/// `SOL_IP`.
pub const IP: u32 = 0;

/// Longest value that an option takes.
const LONGEST: usize = 256;

/// An option's value as an `int`. One byte will do, as for IP_TOS.
pub fn integer(value: &[u8]) -> Result<i32, Errno> {
    match value.first_chunk::<4>() {
        Some(bytes) => Ok(i32::from_le_bytes(*bytes)),
        None => value.first().map(|byte| i32::from(*byte)).ok_or(Errno::EINVAL),
    }
}

fn timeout(socket: &Socket, name: u32) -> Option<&AtomicU64> {
    match name {
        net::SO_RCVTIMEO => Some(&socket.receive_timeout),
        net::SO_SNDTIMEO => Some(&socket.send_timeout),
        _ => None,
    }
}

/// getsockopt(2).
pub fn getsockopt(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    let (level, name) = (call.uint(1), call.uint(2));
    let (pointer, length) = (call.argument(3), call.argument(4));
    let room: i32 = read_value(length)?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let value = get(call, socket, level, name)?;
    let cut = value.get(..value.len().min(room)).unwrap_or_default();
    user::write(pointer, cut).map_err(|_| Errno::EFAULT)?;
    write_value(length, &(cut.len() as i32))?;
    Ok(0)
}

fn get(call: &Call<'_>, socket: &Socket, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
    if level != net::SOL_SOCKET {
        return socket.operations.option(level, name);
    }
    if let Some(timeout) = timeout(socket, name) {
        let time = Timeval::from_nanoseconds(timeout.load(Ordering::Relaxed));
        return Ok(try_to_vec(time.as_bytes())?);
    }
    let value = match name {
        net::SO_TYPE => socket.kind,
        net::SO_DOMAIN => u32::from(socket.family),
        net::SO_PROTOCOL => socket.protocol,
        // struct ucred: everything in this machine is the one process of user 0.
        net::SO_PEERCRED => return Ok(try_to_vec([call.process().id, 0, 0].as_bytes())?),
        _ => return socket.operations.option(level, name),
    };
    Ok(try_to_vec(&value.to_le_bytes())?)
}

/// setsockopt(2).
pub fn setsockopt(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    let (level, name) = (call.uint(1), call.uint(2));
    let length = usize::try_from(call.int(4)).map_err(|_| Errno::EINVAL)?;
    let mut value = Vec::new();
    value.try_resize(length.min(LONGEST), 0)?;
    user::read(call.argument(3), &mut value).map_err(|_| Errno::EFAULT)?;
    if level == net::SOL_SOCKET {
        // As in Linux, every option of this level is at least an int.
        if value.len() < size_of::<i32>() {
            return Err(Errno::EINVAL);
        }
        if let Some(timeout) = timeout(socket, name) {
            let (time, _) = Timeval::read_from_prefix(&value).map_err(|_| Errno::EINVAL)?;
            if !(0..1_000_000).contains(&time.microseconds) {
                return Err(Errno::EDOM);
            }
            timeout.store(time.to_nanoseconds().unwrap_or(0), Ordering::Relaxed);
            return Ok(0);
        }
    }
    socket.operations.set_option(level, name, &value)?;
    Ok(0)
}
