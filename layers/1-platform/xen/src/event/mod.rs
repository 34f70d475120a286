//! Event channels (`event_channel.h`): ports that the hypervisor or another domain rings.
//!
//! All of them arrive as one interrupt of the boot processor, whose vector is set by `HVMOP_set_evtchn_upcall_vector`; to
//! core it is line 0 of this platform. The ports behind it are told apart here.

mod fifo;
mod two_level;

use crate::Error;
use alloc::{boxed::Box, vec::Vec};
use core::{
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};
use fifo::Fifo;
use rumpkin_core::for_platform::{
    interface::{InterruptController, PlatformError, Polarity, Trigger},
    interrupts,
    sync::{Interrupts, IrqMutex},
};
use two_level::TwoLevel;
use xen_sys::{
    DOMID_SELF, EVTCHN_2L_CHANNELS, EVTCHNOP_alloc_unbound, EVTCHNOP_bind_virq, EVTCHNOP_close, EVTCHNOP_send,
    EVTCHNOP_unmask, HVMOP_set_evtchn_upcall_vector, evtchn_alloc_unbound, evtchn_bind_virq, evtchn_close, evtchn_send,
    evtchn_unmask,
    hypercall::{event_channel_op, hvm_op},
    shared_info, xen_hvm_evtchn_upcall_vector,
};

/// Ports from here on are not used: the table of handlers is indexed by the port.
const PORTS: u32 = EVTCHN_2L_CHANNELS;
/// The one line.
const UPCALL: u32 = 0;

type Handler = Box<dyn Fn() + Send + Sync>;

enum Abi {
    TwoLevel(TwoLevel),
    Fifo(Fifo),
}

struct Events {
    abi: Abi,
    /// By port.
    handlers: Vec<Option<Handler>>,
}

static EVENTS: IrqMutex<Option<Events>> = IrqMutex::new(None);
static MASKED: AtomicBool = AtomicBool::new(true);

/// Takes event channels into use; ports can be had from then on, and ring once [`start`] has been called.
///
/// # Safety
/// The shared page is there for good; its event fields are touched by this module alone.
pub unsafe fn initialize(page: NonNull<shared_info>) {
    // SAFETY: the caller's promise.
    let bits = unsafe { TwoLevel::new(page) };
    let abi = match Fifo::new(bits.upcall()) {
        Ok(queues) => Abi::Fifo(queues),
        Err(error) => {
            log::debug!("xen: no event queues: {error}");
            Abi::TwoLevel(bits)
        }
    };
    *EVENTS.lock() = Some(Events { abi, handlers: Vec::new() });
}

/// Has events delivered. On a thread.
pub fn start() -> Result<(), PlatformError> {
    interrupts::register(UPCALL, Trigger::Edge, Polarity::High, deliver)
}

/// Calls the handlers of the ports that have rung, with interrupts off.
fn deliver() {
    if MASKED.load(Ordering::Acquire) {
        return;
    }
    let mut events = EVENTS.lock();
    let Some(Events { abi, handlers }) = &mut *events else {
        return;
    };
    let mut stray = None;
    let mut ring = |port: u32| match handlers.get(port as usize) {
        Some(Some(handler)) => handler(),
        _ => stray = Some(port),
    };
    match abi {
        Abi::TwoLevel(bits) => bits.take(&mut ring),
        Abi::Fifo(queues) => queues.take(&mut ring),
    }
    // Nobody asked for it.
    if let Some(port) = stray {
        match abi {
            Abi::TwoLevel(bits) => bits.mask(port),
            Abi::Fifo(queues) => queues.mask(port),
        }
    }
}

/// The upcall as a line.
pub struct Upcall;

impl InterruptController for Upcall {
    fn route(&self, line: u32, vector: u8, _: Trigger, _: Polarity) -> Result<(), PlatformError> {
        if line != UPCALL {
            return Err(PlatformError(alloc::format!("Xen has no line {line}: devices have event channels")));
        }
        let mut request = xen_hvm_evtchn_upcall_vector { vcpu: 0, vector };
        // SAFETY: the structure of this command; the vector is core's choice.
        unsafe { hvm_op(HVMOP_set_evtchn_upcall_vector, &mut request) }.map_err(Error::from)?;
        Ok(())
    }

    fn mask(&self, _: u32) {
        MASKED.store(true, Ordering::Release);
    }

    fn unmask(&self, _: u32) {
        MASKED.store(false, Ordering::Release);
        // What rang while nobody listened calls no second time.
        let _off = Interrupts::disable();
        deliver();
    }
}

/// An event channel: one port of ours. Closed when dropped.
#[derive(Debug)]
pub struct Channel {
    port: u32,
}

impl Channel {
    /// A new port that domain `remote` may bind to.
    pub fn allocate(remote: u16) -> Result<Channel, Error> {
        let mut request = evtchn_alloc_unbound { dom: DOMID_SELF, remote_dom: remote, port: 0 };
        // SAFETY: the structure of this command.
        unsafe { event_channel_op(EVTCHNOP_alloc_unbound, &mut request) }?;
        Channel::new(request.port)
    }

    /// The boot processor's virtual interrupt, `VIRQ_…`.
    pub fn virtual_interrupt(virq: u32) -> Result<Channel, Error> {
        let mut request = evtchn_bind_virq { virq, vcpu: 0, port: 0 };
        // SAFETY: the structure of this command.
        unsafe { event_channel_op(EVTCHNOP_bind_virq, &mut request) }?;
        Channel::new(request.port)
    }

    /// A port that the toolstack opened for this domain, or that the caller opened otherwise; it is this value's from now on.
    pub fn new(port: u32) -> Result<Channel, Error> {
        // Before anything can fail, so that the port is closed then.
        let channel = Channel { port };
        if port == 0 || port >= PORTS {
            return Err(Error::Malformed);
        }
        // Masked until it is bound: what rings before that is kept.
        match &mut *EVENTS.lock() {
            Some(Events { abi: Abi::TwoLevel(bits), .. }) => bits.mask(port),
            Some(Events { abi: Abi::Fifo(queues), .. }) => {
                queues.reach(port)?;
                queues.mask(port);
            }
            None => {}
        }
        Ok(channel)
    }

    /// The number by which the other side knows it.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Rings the other side. Does not block; allowed in interrupt context.
    pub fn notify(&self) {
        let mut request = evtchn_send { port: self.port };
        // SAFETY: the structure of this command. Of a peer that is gone the hypervisor tells, and nobody needs to know.
        let _ = unsafe { event_channel_op(EVTCHNOP_send, &mut request) };
    }

    /// Has `handler` called, in interrupt context, when the other side rings; it replaces the one before. Rings that came
    /// earlier are not lost. The handler must not bind or drop channels.
    pub fn bind(&self, handler: impl Fn() + Send + Sync + 'static) {
        let index = self.port as usize;
        let mut handler = Some(Box::new(handler) as Handler);
        // Room is made, and what is replaced is dropped, outside the lock.
        let mut room = Vec::new();
        let old = loop {
            let mut events = EVENTS.lock();
            let Some(Events { handlers, .. }) = &mut *events else {
                return;
            };
            if let Some(slot) = handlers.get_mut(index) {
                break core::mem::replace(slot, handler.take());
            }
            if room.capacity() > index {
                room.append(handlers);
                room.resize_with(index + 1, || None);
                core::mem::swap(handlers, &mut room);
            } else {
                let wanted = (index + 1).next_multiple_of(32);
                drop(events);
                room = Vec::with_capacity(wanted);
            }
        };
        drop(old);
        let mut request = evtchn_unmask { port: self.port };
        // SAFETY: the structure of this command; the port is ours.
        if let Err(error) = unsafe { event_channel_op(EVTCHNOP_unmask, &mut request) } {
            log::error!("xen: event channel {}: {error}", self.port);
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let handler = EVENTS.lock().as_mut().and_then(|events| events.handlers.get_mut(self.port as usize)?.take());
        drop(handler);
        let mut request = evtchn_close { port: self.port };
        // SAFETY: the structure of this command; the port is ours. A port that was never opened is refused.
        let _ = unsafe { event_channel_op(EVTCHNOP_close, &mut request) };
    }
}
