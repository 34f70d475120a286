//! Parameters of the domain, where the toolstack leaves the numbers of its pages and ports (`hvm/params.h`).

use crate::Error;
use xen_sys::{DOMID_SELF, HVMOP_get_param, HVMOP_set_param, hypercall::hvm_op, xen_hvm_param};

/// Reads a parameter, `HVM_PARAM_…`.
pub fn get(index: u32) -> Result<u64, Error> {
    let mut parameter = xen_hvm_param { domid: DOMID_SELF, pad: 0, index, value: 0 };
    // SAFETY: the structure of this command, which only reads.
    unsafe { hvm_op(HVMOP_get_param, &mut parameter) }?;
    Ok(parameter.value)
}

/// Sets a parameter.
pub fn set(index: u32, value: u64) -> Result<(), Error> {
    let mut parameter = xen_hvm_param { domid: DOMID_SELF, pad: 0, index, value };
    // SAFETY: the structure of this command; no parameter gives memory away.
    unsafe { hvm_op(HVMOP_set_param, &mut parameter) }?;
    Ok(())
}

/// A page and a port that the toolstack made for a service, from two parameters; `None` if the domain has no such service.
pub fn page_and_port(page: u32, port: u32) -> Option<(u64, u32)> {
    let page = get(page).ok().filter(|&page| page != 0)?;
    let port = get(port).ok().filter(|&port| port != 0)?;
    Some((page, u32::try_from(port).ok()?))
}
