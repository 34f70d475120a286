//! `rumpuser_link_*`: Ethernet frames.

use crate::{
    checksum::complete,
    clock::deadline_after,
    header::{
        RUMPUSER_EAGAIN, RUMPUSER_EBUSY, RUMPUSER_EMSGSIZE, RUMPUSER_ENOMEM, RUMPUSER_ENXIO, RUMPUSER_ETIMEDOUT,
        rumpuser_iov, rumpuser_link,
    },
    machine::machine,
    upcalls,
};
use alloc::boxed::Box;
use core::{
    ffi::{c_int, c_uint, c_void},
    slice,
    sync::atomic::{AtomicBool, Ordering},
};
use rumpuser::{
    clock,
    device::{Checksum, Link},
    memory::{OutOfMemory, ensure},
    sync::Mutex,
    thread,
};

/// Bytes of an Ethernet header.
const ETHERNET_HEADER: usize = 14;

/// What a `struct rumpuser_link` is.
struct Port {
    mtu: usize,
    device: Mutex<Device>,
    /// A thread is in `rumpuser_link_receive`.
    receiving: AtomicBool,
}

struct Device {
    link: Box<dyn Link>,
    /// The thread that the device wakes.
    told: Option<thread::Thread>,
}

fn port<'a>(pointer: *mut rumpuser_link) -> &'a Port {
    assert!(!pointer.is_null(), "a link that has not been opened");
    // SAFETY: the header asks for a pointer from `rumpuser_link_open`, which lives for ever; it is not null.
    unsafe { &*pointer.cast::<Port>() }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_link_open(
    index: c_uint,
    place: *mut *mut rumpuser_link,
    address: *mut u8,
    mtu: *mut usize,
) -> c_int {
    if ensure(size_of::<Port>()).is_err() {
        return RUMPUSER_ENOMEM;
    }
    let link = match machine().links.lock().get_mut(index as usize) {
        None => return RUMPUSER_ENXIO,
        Some(link) => match link.take() {
            None => return RUMPUSER_EBUSY,
            Some(link) => link,
        },
    };
    let info = link.info();
    let device = Mutex::new(Device { link, told: None });
    let port = Box::leak(Box::new(Port { mtu: info.mtu, device, receiving: AtomicBool::new(false) }));
    // SAFETY: the header asks for places to store the pointer, six bytes of the address, and the MTU.
    unsafe {
        place.write(core::ptr::from_mut(port).cast());
        address.copy_from_nonoverlapping(info.mac.as_ptr(), info.mac.len());
        mtu.write(info.mtu);
    }
    0
}

/// Waits for a frame and copies it to the buffer. Its length.
fn receive(port: &Port, buffer: *mut c_void, size: usize, deadline: Option<u64>) -> Result<usize, c_int> {
    loop {
        {
            let mut device = port.device.lock();
            let me = thread::current();
            if device.told.as_ref() != Some(&me) {
                device.link.set_notify(me.waker().map_err(|OutOfMemory| RUMPUSER_ENOMEM)?);
                device.told = Some(me);
            }
            let mut received = Err(RUMPUSER_ETIMEDOUT);
            let count = device.link.receive(1, &mut |frame, checksum| {
                if frame.len() > size {
                    received = Err(RUMPUSER_EMSGSIZE);
                    return;
                }
                // SAFETY: the header asks for room for `size` bytes, which need not be initialised.
                unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(frame.as_ptr(), frame.len()) };
                if checksum != Checksum::Unknown {
                    // SAFETY: as above; so many bytes have just been written.
                    complete(unsafe { slice::from_raw_parts_mut(buffer.cast(), frame.len()) });
                }
                received = Ok(frame.len());
            });
            if count > 0 {
                return received;
            }
            if device.link.arm() {
                continue;
            }
        }
        if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
            return Err(RUMPUSER_ETIMEDOUT);
        }
        thread::park(deadline);
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_link_receive(
    pointer: *mut rumpuser_link,
    buffer: *mut c_void,
    size: usize,
    timeout: i64,
    length: *mut usize,
) -> c_int {
    let port = port(pointer);
    let deadline = deadline_after(timeout);
    if port.receiving.swap(true, Ordering::Acquire) {
        return RUMPUSER_EBUSY;
    }
    let result = upcalls::blocking(|| receive(port, buffer, size, deadline));
    port.receiving.store(false, Ordering::Release);
    match result {
        Ok(received) => {
            // SAFETY: the header asks for a place to store the length.
            unsafe { length.write(received) };
            0
        }
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_link_send(
    pointer: *mut rumpuser_link,
    vectors: *const rumpuser_iov,
    count: usize,
) -> c_int {
    let port = port(pointer);
    // SAFETY: the header asks for so many buffers.
    let vectors = unsafe { slice::from_raw_parts(vectors, count) };
    let total = vectors.iter().fold(0usize, |total, vector| total.saturating_add(vector.iov_len));
    if total > port.mtu.saturating_add(ETHERNET_HEADER) || total < ETHERNET_HEADER {
        return RUMPUSER_EMSGSIZE;
    }
    let mut device = port.device.lock();
    let sent = device.link.transmit(total, Checksum::Unknown, &mut |frame| {
        let mut rest = frame;
        for vector in vectors {
            let Some((room, after)) = rest.split_at_mut_checked(vector.iov_len) else { return };
            // SAFETY: the header asks for so much data in each buffer.
            room.copy_from_slice(unsafe { slice::from_raw_parts(vector.iov_base.cast_const().cast(), vector.iov_len) });
            rest = after;
        }
    });
    if !sent {
        return RUMPUSER_EAGAIN;
    }
    device.link.flush();
    0
}
