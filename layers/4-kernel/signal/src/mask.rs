//! Calls that change the signal mask for as long as they wait (ppoll(2), pselect(2), epoll_pwait(2)).

use crate::{set::SignalSet, state::ThreadSignals};
use rumpkin_spine::{Call, Errno, io::read_value};

/// Runs `wait` with the mask at `address` (no change if that is 0). If a signal interrupts it, its handler still sees that
/// mask, and the old one comes back when it returns.
pub fn with_mask<R>(
    call: &mut Call<'_>,
    address: usize,
    size: usize,
    wait: impl FnOnce(&mut Call<'_>) -> Result<R, Errno>,
) -> Result<R, Errno> {
    if address == 0 {
        return wait(call);
    }
    if size != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    let mask = SignalSet(read_value(address)?);
    let old = call.thread.blocked();
    call.thread.set_blocked(mask);
    let result = wait(call);
    match &result {
        Err(Errno::EINTR | Errno::ERESTARTNOHAND | Errno::ERESTARTSYS) => call.thread.save_mask(old),
        _ => call.thread.set_blocked(old),
    }
    result
}
