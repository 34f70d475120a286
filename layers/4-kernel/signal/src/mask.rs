//! Calls that change the signal mask for as long as they wait (ppoll(2), pselect(2), epoll_pwait(2)).

use crate::{set::SignalSet, state::ThreadSignals};
use rumpkin_spine::{Call, Errno, UserPointer};

/// Runs `wait` with the mask at `mask` (no change without). If a signal interrupts it, its handler still sees that
/// mask, and the old one comes back when it returns.
pub fn with_mask<R>(
    call: &mut Call<'_>,
    mask: Option<UserPointer<u64>>,
    size: usize,
    wait: impl FnOnce(&mut Call<'_>) -> Result<R, Errno>,
) -> Result<R, Errno> {
    let Some(mask) = mask else { return wait(call) };
    if size != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    let mask = SignalSet(mask.read()?);
    let old = call.thread.blocked();
    call.thread.set_blocked(mask);
    let result = wait(call);
    match &result {
        Err(Errno::EINTR | Errno::ERESTARTNOHAND | Errno::ERESTARTSYS) => call.thread.save_mask(old),
        _ => call.thread.set_blocked(old),
    }
    result
}
