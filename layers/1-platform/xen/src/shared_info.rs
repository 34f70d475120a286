//! The page that the hypervisor shares with the whole domain (`xen.h`, `struct shared_info`): events, time, date.

use crate::{Error, params};
use core::ptr::NonNull;
use rumpkin_core::for_platform::{dma, layout::PAGE_SIZE};
use xen_sys::{
    DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, XENMAPSPACE_shared_info, XENMEM_add_to_physmap, hypercall::memory_op,
    shared_info, xen_add_to_physmap,
};

/// Has the page put in place of one of ours, for good.
pub fn map() -> Result<NonNull<shared_info>, Error> {
    // The hypervisor lays the page out for the mode that the processor is in at this call; no interrupt line is meant.
    params::set(HVM_PARAM_CALLBACK_IRQ, 0)?;
    let place = dma::Buffer::new(size_of::<shared_info>()).map_err(|_| Error::Memory)?;
    let mut request = xen_add_to_physmap {
        domid: DOMID_SELF,
        size: 0,
        space: XENMAPSPACE_shared_info,
        idx: 0,
        gpfn: place.physical() / PAGE_SIZE as u64,
    };
    // SAFETY: the structure of this command; the frame is ours to give.
    unsafe { memory_op(XENMEM_add_to_physmap, &mut request) }?;
    let address = place.as_ptr().cast();
    core::mem::forget(place);
    Ok(address)
}
