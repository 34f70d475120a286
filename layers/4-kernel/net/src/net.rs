//! The stack under its lock, and the thread that owns arrival.
//!
//! A system call takes the lock, works, sends in its own context, and rings the doorbell once before it lets go. The net
//! thread takes it when frames arrive or a deadline comes. Nothing is announced, and nobody is woken, under the lock. User
//! memory is copied under it: the pager takes no lock of ours.

use crate::{ip::wire::Address, local::Locals, stack::Stack};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};
use rumpkin_collections::{Account, OutOfMemory, try_format};
use rumpkin_spine::{
    Errno, Kernel,
    config::{self, Config},
    process::Thread,
    wait::{Events, WaitQueue, block, block_on},
};
use rumpuser::{
    clock,
    device::Link,
    memory,
    sync::{Mutex, MutexGuard},
    thread,
};
use spin::Once;

/// How long the first use of the network waits for an address, from the start of the stack, in nanoseconds.
const PATIENCE: u64 = 10_000_000_000;
/// What all local sockets' queues may take, as a share of memory.
const LOCAL_SHARE: usize = 8;

/// The network of one kernel.
pub struct Net {
    stack: Mutex<Stack>,
    driver: Once<thread::Thread>,
    /// Until when the net thread sleeps; 0 while it is awake.
    sleeps_until: AtomicU64,
    /// Announces `READ` when the address is known.
    configured: WaitQueue,
    /// Sockets between programs of this machine.
    locals: Mutex<Locals>,
    give_up_waiting: u64,
}

/// What the network keeps at a moment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Sockets of TCP, of programs or not.
    pub sockets: usize,
    /// Deadlines that are waited for.
    pub timers: usize,
    /// Bytes that connections take, with their buffers.
    pub connection_bytes: usize,
    /// Bytes that datagrams take which wait to be received.
    pub datagram_bytes: usize,
    /// Bytes that messages take which wait in local sockets.
    pub local_bytes: usize,
    /// Bytes that packets take which wait on their way, and fragments.
    pub packet_bytes: usize,
}

/// What was dropped since the start, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Datagrams whose socket had enough (Linux's `RcvbufErrors`).
    pub datagrams_over_buffer: u64,
    /// Datagrams when all sockets together had enough, or there was no memory (`MemErrors`).
    pub datagrams_over_memory: u64,
    /// Attempts to connect whose listener had enough (`ListenOverflows`).
    pub connections_over_backlog: u64,
    /// Attempts to connect when all connections together had enough, or there was no memory (`ListenDrops`).
    pub connections_over_memory: u64,
    /// Connections that ended without TIME-WAIT (`TCPTimeWaitOverflow`).
    pub time_waits: u64,
    /// Fragmented datagrams that could not be put together (`ReasmFails`).
    pub fragmented: u64,
    /// Packets that found no room or no memory on their way out (`OutDiscards`).
    pub outgoing: u64,
}

impl Dropped {
    /// Those that memory was short for.
    pub fn for_memory(&self) -> u64 {
        let datagrams = self.datagrams_over_memory.wrapping_add(self.outgoing);
        datagrams.wrapping_add(self.connections_over_memory).wrapping_add(self.time_waits)
    }
}

/// What a piece of work leaves to do.
#[derive(PartialEq, Eq)]
enum Outcome {
    /// Nothing.
    Done,
    /// There is more to do at once.
    More,
    /// The net thread sleeps too long, or must wait for room in the device.
    ConcernsDriver,
}

impl Net {
    /// The network over one link, or loopback alone.
    #[expect(clippy::disallowed_methods, reason = "once, when the machine boots")]
    pub fn new(link: Option<Box<dyn Link>>, config: &Config) -> Arc<Net> {
        let bytes = memory::total_frames().saturating_mul(memory::PAGE_SIZE);
        let now = clock::monotonic();
        let stack = Stack::new(link, &config.network, &config.hostname, bytes, now);
        Arc::new(Net {
            stack: Mutex::new(stack),
            driver: Once::new(),
            sleeps_until: AtomicU64::new(0),
            configured: WaitQueue::new(),
            locals: Mutex::new(Locals::new(Arc::new(Account::new(bytes / LOCAL_SHARE)))),
            give_up_waiting: now.saturating_add(PATIENCE),
        })
    }

    /// Starts the net thread. The first packets (DHCP, ARP) go out at once, from the calling thread.
    pub fn start(self: &Arc<Self>) {
        self.with(Stack::run_timers);
        let net = self.clone();
        if thread::spawn("net", move || net.drive()).is_err() {
            log::error!("net: no memory for the net thread: nothing will be received");
        }
    }

    /// Works on local sockets.
    pub fn local<R>(&self, work: impl FnOnce(&mut Locals) -> R) -> R {
        let mut locals = self.locals.lock();
        let result = work(&mut locals);
        let (notices, trash) = locals.leave();
        drop(locals);
        notices.announce();
        drop(trash);
        result
    }

    /// Works on the stack.
    pub fn with<R>(&self, work: impl FnOnce(&mut Stack) -> R) -> R {
        let mut stack = self.begin();
        let result = work(&mut stack);
        if self.end(stack) != Outcome::Done {
            self.wake();
        }
        result
    }

    // Both ends of a piece of work are apart from it, so that they are compiled once and not for each.

    fn begin(&self) -> MutexGuard<'_, Stack> {
        let mut stack = self.stack.lock();
        stack.ip.now = clock::monotonic();
        stack
    }

    #[inline(never)]
    fn end(&self, mut stack: MutexGuard<'_, Stack>) -> Outcome {
        let more = stack.finish();
        let notices = core::mem::take(&mut stack.notices);
        let newly_configured = core::mem::take(&mut stack.newly_configured);
        // The net thread must know of a deadline that is earlier than the one it sleeps for, and of a full device.
        let next = stack.deadline().unwrap_or(u64::MAX);
        let early = next < self.sleeps_until.load(Ordering::SeqCst);
        let concerns_driver = early || stack.ip.is_backed_up();
        drop(stack);
        notices.announce();
        if newly_configured {
            self.configured.notify(Events::READ);
        }
        match (more, concerns_driver) {
            (true, _) => Outcome::More,
            (false, true) => Outcome::ConcernsDriver,
            (false, false) => Outcome::Done,
        }
    }

    fn wake(&self) {
        if self.sleeps_until.swap(0, Ordering::SeqCst) != 0
            && let Some(driver) = self.driver.get()
        {
            driver.unpark();
        }
    }

    /// The net thread: receives, handles deadlines, sleeps.
    fn drive(self: Arc<Self>) {
        let me = self.driver.call_once(thread::current).clone();
        match me.waker() {
            Ok(notify) => self.stack.lock().ip.set_notify(notify),
            Err(OutOfMemory) => log::error!("net: no memory to be notified by the device: packets will be late"),
        }
        loop {
            let mut stack = self.begin();
            self.sleeps_until.store(0, Ordering::SeqCst);
            stack.run_timers();
            let count = stack.receive();
            if self.end(stack) == Outcome::More || Stack::is_full_batch(count) {
                // What has been received is for others to work on.
                thread::yield_now();
                continue;
            }
            let mut stack = self.stack.lock();
            if stack.ip.arm() {
                continue;
            }
            let deadline = stack.deadline();
            self.sleeps_until.store(deadline.unwrap_or(u64::MAX), Ordering::SeqCst);
            drop(stack);
            thread::park(deadline);
        }
    }

    /// Waits until the address is known, if it is being asked for: a program that starts faster than DHCP answers would
    /// otherwise find no network. `ERESTARTSYS` if a signal comes first.
    pub fn wait_until_configured(&self, thread: &Thread) -> Result<(), Errno> {
        if self.stack.lock().configured {
            return Ok(());
        }
        let queues = [(&self.configured, Events::READ)];
        let waited =
            block_on(thread, &queues, Some(self.give_up_waiting), || Ok(self.stack.lock().configured.then_some(())));
        match waited {
            Err(Errno::ETIMEDOUT) => Ok(()),
            other => other,
        }
    }

    /// Waits until the link has an address, for a kernel thread that runs no program. `ETIMEDOUT` at the deadline (monotonic
    /// nanoseconds).
    pub fn wait_for_address(&self, deadline: Option<u64>) -> Result<(), Errno> {
        let queues = [(&self.configured, Events::READ)];
        block(&queues, deadline, || Ok(self.address().map(|_| ())))
    }

    /// The link's own address, once it is known.
    pub fn address(&self) -> Option<Address> {
        self.stack.lock().ip.addressing.map(|own| own.address)
    }

    /// What is kept at this moment.
    pub fn usage(&self) -> Usage {
        let stack = self.stack.lock();
        Usage {
            sockets: stack.tcp.count(),
            timers: stack.deadlines(),
            connection_bytes: stack.tcp.memory(),
            datagram_bytes: stack.udp.memory(),
            local_bytes: self.locals.lock().memory(),
            packet_bytes: stack.packet_memory(),
        }
    }

    /// What was dropped since the start.
    pub fn dropped(&self) -> Dropped {
        self.stack.lock().dropped()
    }

    /// The content of `/etc/resolv.conf`.
    pub fn resolver_configuration(&self) -> Result<Vec<u8>, OutOfMemory> {
        struct Lines<'a>(&'a [Address]);

        impl fmt::Display for Lines<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|address| writeln!(f, "nameserver {address}"))
            }
        }

        let stack = self.stack.lock();
        try_format(format_args!("{}", Lines(&stack.nameservers))).map(String::into_bytes)
    }
}

/// Makes the kernel's network: its first link and loopback.
pub fn of(kernel: &Kernel) -> Arc<Net> {
    let mut links = kernel.take_links().into_iter();
    let first = links.next();
    if first.is_none() && matches!(kernel.config.network.address, config::Address::Static { .. }) {
        log::warn!("net: an address is configured, but the machine has no link");
    }
    let unused = links.count();
    if unused > 0 {
        log::warn!("net: {unused} more links are not used");
    }
    Net::new(first, &kernel.config)
}
