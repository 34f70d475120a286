//! The receive ring of a network queue (`io/netif.h`, "Guest receive"): pages that the back end copies frames into.
//!
//! Responses come in the order of the requests, each in its request's slot, and once a frame has been taken as many requests go
//! out as it had responses. So between frames all pages are out, and the page of index `i` is `i` modulo their number. A page is
//! taken away from the back end while the frame in it is looked at; a frame of several pages is copied together.

use crate::devices::{
    error::Result,
    grant::{Access, Memory, Message},
    machine::{Machine, PAGE},
    ring::Ring,
};
use alloc::vec::Vec;
use rumpkin_core::for_platform::interface::Checksum;
use xen_sys::{
    NETRXF_csum_blank, NETRXF_data_validated, NETRXF_extra_info, NETRXF_more_data, XEN_NETIF_EXTRA_FLAG_MORE,
    netif_rx_request, netif_rx_response,
};

/// The shortest frame that is one.
const ETHERNET_HEADER: usize = 14;
/// The longest frame: an IPv4 datagram and its Ethernet header.
const LARGEST_FRAME: usize = 65535 + ETHERNET_HEADER;

// SAFETY: Integers.
unsafe impl Message for netif_rx_request {}
// SAFETY: Integers.
unsafe impl Message for netif_rx_response {}

/// A ring and its pages.
pub struct Receive {
    ring: Ring<netif_rx_request, netif_rx_response>,
    pages: Memory,
    /// Number of pages, a power of two.
    count: u32,
    /// Index of the next request, and of the next response.
    offered: u32,
    taken: u32,
}

/// A part of a frame.
struct Part {
    page: usize,
    offset: usize,
    length: usize,
}

impl Receive {
    /// Grants `count` pages (rounded up to a power of two, at most a ring full) to the back end.
    #[cold]
    pub fn new(machine: &'static dyn Machine, domain: u16, count: u16) -> Result<Self> {
        let count = u32::from(count).next_power_of_two().min(Ring::<netif_rx_request, netif_rx_response>::slots(1));
        let mut receive = Self {
            ring: Ring::new(machine, domain, 1)?,
            pages: Memory::new(machine, domain, count as usize, Access::Write)?,
            count,
            offered: 0,
            taken: 0,
        };
        receive.offer();
        // The back end looks when it connects.
        let _ = receive.ring.publish();
        Ok(receive)
    }

    /// The grant reference of the ring.
    pub fn reference(&self) -> u32 {
        self.ring.reference(0)
    }

    /// How many frames make it worthwhile to publish their pages in between.
    pub fn batch(&self) -> usize {
        self.count as usize / 2
    }

    fn page(&self, index: u32) -> u32 {
        index & (self.count - 1)
    }

    /// Gives all pages to the back end that it does not have.
    fn offer(&mut self) {
        while self.offered.wrapping_sub(self.taken) < self.count {
            let page = self.page(self.offered);
            let gref = self.pages.reference(page as usize);
            self.ring.push(netif_rx_request { id: page as u16, pad: 0, gref });
            self.offered = self.offered.wrapping_add(1);
        }
    }

    /// Shows the back end which pages it has again; true if it wants to be told.
    pub fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Asks for an event at the next frame; true if there is one.
    pub fn arm(&mut self) -> bool {
        self.ring.arm(0)
    }

    /// The next response, and its part of a frame; `None` for the part if the back end reports an error or nonsense.
    fn next(&mut self) -> Result<Option<(netif_rx_response, Option<Part>)>> {
        let Some((index, response)) = self.ring.take()? else {
            return Ok(None);
        };
        self.taken = self.taken.wrapping_add(1);
        let part = self.part(index, &response);
        Ok(Some((response, part)))
    }

    /// A response after the first of a frame: the back end shows all of them at once.
    fn rest(&mut self) -> Result<(netif_rx_response, Option<Part>)> {
        self.next()?.ok_or_else(|| self.ring.fail("a frame without its end"))
    }

    fn part(&self, index: u32, response: &netif_rx_response) -> Option<Part> {
        let length = usize::try_from(response.status).ok()?;
        let offset = usize::from(response.offset);
        (offset + length <= PAGE).then(|| Part { page: self.page(index) as usize, offset, length })
    }

    /// Takes one frame, which is put together in `joined` if it lies in several pages. False if there is none.
    pub fn take(&mut self, joined: &mut Vec<u8>, sink: &mut dyn FnMut(&[u8], Checksum)) -> Result<bool> {
        let Some((response, part)) = self.next()? else {
            return Ok(false);
        };
        let flags = u32::from(response.flags);
        let checksum = if flags & (NETRXF_csum_blank | NETRXF_data_validated) != 0 {
            Checksum::Verified
        } else {
            Checksum::Unknown
        };
        if flags & NETRXF_extra_info != 0 {
            self.skip_extras()?;
        }
        if flags & NETRXF_more_data != 0 {
            if self.join(joined, part)? {
                sink(joined, checksum);
            }
        } else if let Some(Part { page, offset, length }) = part
            && length >= ETHERNET_HEADER
        {
            self.pages.inspect(page, offset, length, |frame| sink(frame, checksum))?;
        }
        self.offer();
        Ok(true)
    }

    /// Extras lie in slots of their own; all that we ask for is that of a joined segment, which we need not know.
    fn skip_extras(&mut self) -> Result<()> {
        loop {
            let (extra, _) = self.rest()?;
            // `struct netif_extra_info`: its type, then its flags, where a response has its id.
            if u32::from(extra.id >> 8) & XEN_NETIF_EXTRA_FLAG_MORE == 0 {
                return Ok(());
            }
        }
    }

    /// Puts a frame together that begins with this part; false if it is none, or too long.
    fn join(&mut self, joined: &mut Vec<u8>, first: Option<Part>) -> Result<bool> {
        joined.clear();
        let mut whole = joined.try_reserve(LARGEST_FRAME).is_ok() && self.append(joined, first);
        loop {
            let (response, part) = self.rest()?;
            whole = whole && self.append(joined, part);
            if u32::from(response.flags) & NETRXF_more_data == 0 {
                return Ok(whole && joined.len() >= ETHERNET_HEADER);
            }
        }
    }

    /// False if the part is none, or the frame too long.
    fn append(&self, joined: &mut Vec<u8>, part: Option<Part>) -> bool {
        let Some(Part { page, offset, length }) = part else { return false };
        let old = joined.len();
        let fits = old + length <= LARGEST_FRAME;
        if fits {
            joined.resize(old + length, 0);
            self.pages.read(page * PAGE + offset, &mut joined[old..]);
        }
        fits
    }
}
