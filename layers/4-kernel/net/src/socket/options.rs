//! getsockopt(2) and setsockopt(2), and the options of every socket (socket(7)).

use super::{
    Setting, Socket,
    address::{INET, UNIX},
    calls::socket,
};
use crate::local::Credentials;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rumpkin_spine::{
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

/// Who is nobody's peer (`struct ucred`).
pub const NOBODY: Credentials = [0, u32::MAX, u32::MAX];

/// Longest value that an option has or takes.
const LONGEST: usize = 256;

/// The largest buffer that may be asked for, and the smallest ones that there are, in bytes (Linux's `wmem_max`, `SOCK_MIN_SNDBUF`,
/// `SOCK_MIN_RCVBUF`).
const LARGEST_BUFFER: i32 = 212_992;
const SMALLEST_SEND_BUFFER: usize = 4608;
const SMALLEST_RECEIVE_BUFFER: usize = 2304;

/// Options that are on or off, in the order of their bits.
const SWITCHES: [u32; 8] = [
    net::SO_REUSEADDR,
    net::SO_REUSEPORT,
    net::SO_KEEPALIVE,
    net::SO_BROADCAST,
    net::SO_OOBINLINE,
    net::SO_PASSCRED,
    net::SO_TIMESTAMP,
    net::SO_TIMESTAMPNS,
];

fn switch(name: u32) -> Option<u32> {
    let index = SWITCHES.iter().position(|other| *other == name)?;
    1u32.checked_shl(index as u32)
}

/// What an option is.
pub struct Value {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Value {
    /// These bytes, which are at most [`LONGEST`].
    pub fn new(value: &[u8]) -> Value {
        let mut bytes = [0; LONGEST];
        bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Value { bytes, length: value.len().min(LONGEST) }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Value {
        Value::new(&number.to_le_bytes())
    }
}

/// An option's value as an `int`; `EINVAL` if it is shorter.
pub fn integer(value: &[u8]) -> Result<i32, Errno> {
    value.first_chunk().map(|bytes| i32::from_le_bytes(*bytes)).ok_or(Errno::EINVAL)
}

/// Options that every socket keeps.
#[derive(Default)]
pub struct Common {
    switches: AtomicU32,
    /// Nanoseconds; 0 for ever.
    pub receive_timeout: AtomicU64,
    pub send_timeout: AtomicU64,
    /// Whether it is on, above the seconds.
    linger: AtomicU64,
    /// One less than SO_RCVLOWAT.
    low_water: AtomicU32,
    incoming_cpu: AtomicU32,
}

impl Common {
    /// What a connection has from its listener.
    pub fn inherit(&self, from: &Common) {
        let words =
            |one: &Common| [&one.switches, &one.low_water, &one.incoming_cpu].map(|word| word.load(Ordering::Relaxed));
        for (to, value) in [&self.switches, &self.low_water, &self.incoming_cpu].into_iter().zip(words(from)) {
            to.store(value, Ordering::Relaxed);
        }
        let pairs = [
            (&self.receive_timeout, &from.receive_timeout),
            (&self.send_timeout, &from.send_timeout),
            (&self.linger, &from.linger),
        ];
        for (to, from) in pairs {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Whether an option is on.
    pub fn has(&self, name: u32) -> bool {
        switch(name).is_some_and(|bit| self.switches.load(Ordering::Relaxed) & bit != 0)
    }

    fn turn(&self, name: u32, on: bool) {
        let bit = switch(name).unwrap_or(0);
        if on {
            self.switches.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.switches.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Bytes that a receive waits for.
    pub fn receive_least(&self) -> usize {
        self.low_water.load(Ordering::Relaxed).saturating_add(1) as usize
    }

    fn timeout(&self, name: u32) -> Option<&AtomicU64> {
        match name {
            net::SO_RCVTIMEO | net::SO_RCVTIMEO_NEW => Some(&self.receive_timeout),
            net::SO_SNDTIMEO | net::SO_SNDTIMEO_NEW => Some(&self.send_timeout),
            _ => None,
        }
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
    let value = if level == net::SOL_SOCKET { get(socket, name)? } else { socket.operations.option(level, name)? };
    let whole = value.bytes();
    let cut = match *whole {
        // As in Linux: a byte for who has no room for an int.
        [byte, 0, 0, 0] if level == IP && (1..4).contains(&room) => &[byte],
        _ => whole.get(..whole.len().min(room)).unwrap_or_default(),
    };
    user::write(pointer, cut).map_err(|_| Errno::EFAULT)?;
    write_value(length, &(cut.len() as i32))?;
    Ok(0)
}

fn get(socket: &Socket, name: u32) -> Result<Value, Errno> {
    let common = &socket.common;
    if let Some(timeout) = common.timeout(name) {
        let time = Timeval::from_nanoseconds(timeout.load(Ordering::Relaxed));
        return Ok(Value::new(time.as_bytes()));
    }
    if switch(name).is_some() {
        return Ok(i32::from(common.has(name)).into());
    }
    Ok(match name {
        net::SO_TYPE => (socket.kind as i32).into(),
        net::SO_DOMAIN => i32::from(socket.family).into(),
        net::SO_PROTOCOL => (socket.protocol as i32).into(),
        net::SO_LINGER => {
            let linger = common.linger.load(Ordering::Relaxed);
            Value::new([(linger >> 32) as i32, linger as i32].as_bytes())
        }
        net::SO_RCVLOWAT => i32::try_from(common.receive_least()).unwrap_or(i32::MAX).into(),
        net::SO_SNDLOWAT => 1.into(),
        // There is one processor.
        net::SO_INCOMING_CPU => (common.incoming_cpu.load(Ordering::Relaxed) as i32).into(),
        net::SO_PEERCRED if socket.family != UNIX => Value::new(NOBODY.as_bytes()),
        _ => return socket.operations.option(net::SOL_SOCKET, name),
    })
}

/// setsockopt(2).
pub fn setsockopt(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    let (level, name) = (call.uint(1), call.uint(2));
    let length = usize::try_from(call.int(4)).map_err(|_| Errno::EINVAL)?;
    let mut bytes = [0; LONGEST];
    let value = bytes.get_mut(..length.min(LONGEST)).unwrap_or_default();
    user::read(call.argument(3), value).map_err(|_| Errno::EFAULT)?;
    if level == net::SOL_SOCKET {
        set(socket, name, value)?
    } else {
        socket.operations.set_option(level, name, value)?
    }
    Ok(0)
}

fn set(socket: &Socket, name: u32, value: &[u8]) -> Result<(), Errno> {
    // As in Linux, every option of this level is at least an int.
    let number = integer(value)?;
    let (common, operations) = (&socket.common, &socket.operations);
    let on = number != 0;
    if let Some(timeout) = common.timeout(name) {
        let (time, _) = Timeval::read_from_prefix(value).map_err(|_| Errno::EINVAL)?;
        if !(0..1_000_000).contains(&time.microseconds) {
            return Err(Errno::EDOM);
        }
        // What is negative has passed: Linux then does not wait, and neither does what is as short as can be.
        let time = if time.seconds < 0 { 1 } else { time.to_nanoseconds().unwrap_or(0) };
        timeout.store(time, Ordering::Relaxed);
        return Ok(());
    }
    let setting = match name {
        net::SO_REUSEADDR => Setting::ReuseAddress(on),
        net::SO_REUSEPORT if on && socket.family != INET => return Err(Errno::EOPNOTSUPP),
        net::SO_REUSEPORT => Setting::ReusePort(on),
        net::SO_KEEPALIVE => Setting::KeepAlive(on),
        net::SO_BROADCAST => Setting::Broadcast(on),
        net::SO_LINGER => {
            let seconds = integer(value.get(4..).unwrap_or_default())?.max(0) as u32;
            common.linger.store(u64::from(on) << 32 | u64::from(seconds), Ordering::Relaxed);
            Setting::Linger(on.then_some(seconds))
        }
        net::SO_SNDBUF | net::SO_SNDBUFFORCE => {
            Setting::SendBuffer(buffer(number, name == net::SO_SNDBUFFORCE).max(SMALLEST_SEND_BUFFER))
        }
        net::SO_RCVBUF | net::SO_RCVBUFFORCE => {
            Setting::ReceiveBuffer(buffer(number, name == net::SO_RCVBUFFORCE).max(SMALLEST_RECEIVE_BUFFER))
        }
        net::SO_RCVLOWAT => {
            let bytes = u32::try_from(number).map_or(i32::MAX as u32, |bytes| bytes.max(1));
            common.low_water.store(bytes.saturating_sub(1), Ordering::Relaxed);
            Setting::ReceiveLeast(bytes as usize)
        }
        net::SO_INCOMING_CPU => {
            common.incoming_cpu.store(number as u32, Ordering::Relaxed);
            return Ok(());
        }
        // What nobody sends as urgent is in line anyway.
        net::SO_OOBINLINE => Setting::None,
        net::SO_PASSCRED if socket.family == UNIX => Setting::None,
        net::SO_PASSCRED => return Err(Errno::EOPNOTSUPP),
        net::SO_TIMESTAMP | net::SO_TIMESTAMPNS if !socket.is_stream() => {
            // One or the other, or neither.
            common.turn(net::SO_TIMESTAMP, false);
            common.turn(net::SO_TIMESTAMPNS, false);
            Setting::None
        }
        _ => return Err(Errno::ENOPROTOOPT),
    };
    operations.follow(setting)?;
    if switch(name).is_some() {
        common.turn(name, on);
    }
    Ok(())
}

/// The size of a buffer for what a program asks for: Linux doubles it, for what it keeps besides the bytes.
fn buffer(requested: i32, forced: bool) -> usize {
    let bytes = match (requested, forced) {
        (0.., true) => requested,
        (_, true) => 0,
        // As unsigned, what is negative is large.
        (..0, false) => LARGEST_BUFFER,
        (_, false) => requested.min(LARGEST_BUFFER),
    };
    (bytes as usize).saturating_mul(2)
}
