//! Xen's ABI for HVM and PVH guests on x86-64: types and constants of the public headers, and hypercalls.
//!
//! `generated.rs` comes from the headers by bindgen; the script `generate` beside this crate's manifest writes it, and says
//! which parts are taken. Names are Xen's own. What bindgen cannot see stands here and in [`hypercall`], with the header
//! that it follows. This crate depends on nothing.
//!
//! Structures of this crate are memory that the hypervisor or another domain writes: where they lie in shared pages, read
//! them volatile, once, and check what was read.
#![no_std]

mod detect;
#[allow(missing_docs, non_camel_case_types, non_upper_case_globals, clippy::all)]
mod generated;
pub mod hypercall;

pub use detect::version;
pub use generated::*;
pub use hypercall::{Error, Result};

/// The calling domain (`xen.h`).
pub const DOMID_SELF: domid_t = 0x7ff0;
/// No domain in particular (`xen.h`).
pub const DOMID_INVALID: domid_t = 0x7ff4;
/// The first domain, which as a rule runs the toolstack and the backends.
pub const DOM0: domid_t = 0;

/// Event channels of the 2-level ABI on x86-64: a bit for each in `shared_info` (`event_channel.h`,
/// `EVTCHN_2L_NR_CHANNELS`).
pub const EVTCHN_2L_CHANNELS: u32 = 64 * 64;
/// Entries of a version 1 grant table in a frame (`grant_table.h`).
pub const GRANTS_PER_FRAME_V1: usize = 4096 / size_of::<grant_entry_v1>();
/// Entries of a version 2 grant table in a frame (`grant_table.h`).
pub const GRANTS_PER_FRAME_V2: usize = 4096 / size_of::<grant_entry_v2>();
/// Processors whose `vcpu_info` lies in `shared_info` (`arch-x86/xen.h`, `XEN_LEGACY_MAX_VCPUS`).
pub const LEGACY_VCPUS: usize = 32;

// What the other side of a shared page counts on.
const _: () = {
    assert!(size_of::<vcpu_time_info>() == 32);
    assert!(size_of::<vcpu_info>() == 64);
    assert!(core::mem::offset_of!(shared_info, evtchn_pending) == 64 * LEGACY_VCPUS);
    assert!(core::mem::offset_of!(shared_info, wc_version) == 64 * LEGACY_VCPUS + 1024);
    assert!(size_of::<grant_entry_v1>() == 8 && size_of::<grant_entry_v2>() == 16);
    assert!(size_of::<blkif_request>() == 112 && size_of::<blkif_response>() == 16);
    assert!(size_of::<netif_tx_request>() == 12 && size_of::<netif_tx_response>() == 4);
    assert!(size_of::<netif_rx_request>() == 8 && size_of::<netif_rx_response>() == 8);
    assert!(size_of::<netif_extra_info>() == 8);
    assert!(core::mem::offset_of!(xencons_interface, in_cons) == 3072);
    assert!(core::mem::offset_of!(xenstore_domain_interface, req_cons) == 2048);
    assert!(size_of::<xsd_sockmsg>() == 16);
};
