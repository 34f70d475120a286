//! getrandom(2).

use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::linux::general::{GRND_INSECURE, GRND_NONBLOCK, GRND_RANDOM},
    system_calls,
    wait::Waiter,
};
use rumpuser::random;

/// Most bytes of one call.
const MOST: usize = 0x1ff_ffff;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! { getrandom => getrandom; });
}

fn getrandom(call: &mut Call<'_>, buffer: UserPointer<u8>, length: usize, flags: u32) -> Result<usize, Errno> {
    let buffer = buffer.slice(length.min(MOST));
    let both = GRND_RANDOM | GRND_INSECURE;
    if flags & !(both | GRND_NONBLOCK) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let mut piece = [0; 256];
    let mut done = 0usize;
    while done < buffer.len() {
        let count = buffer.len().saturating_sub(done).min(piece.len());
        let bytes = piece.get_mut(..count).unwrap_or_default();
        random::fill(bytes);
        if buffer.skip(done).write(bytes).is_err() {
            return if done == 0 { Err(Errno::EFAULT) } else { Ok(done) };
        }
        done = done.saturating_add(count);
        // A long request can be interrupted, with what there is by then.
        if done < buffer.len() && call.thread.interrupted() {
            break;
        }
    }
    Ok(done)
}
