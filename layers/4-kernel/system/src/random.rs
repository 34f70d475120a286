//! getrandom(2).

use rumpkin_spine::{
    Call, Errno, Kernel,
    abi::linux::general::{GRND_INSECURE, GRND_NONBLOCK, GRND_RANDOM},
    system_calls,
    wait::Waiter,
};
use rumpuser::{random, user};

/// Most bytes of one call.
const MOST: usize = 0x1ff_ffff;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! { getrandom => getrandom; });
}

fn getrandom(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (address, length, flags) = (call.argument(0), call.argument(1).min(MOST), call.uint(2));
    let both = GRND_RANDOM | GRND_INSECURE;
    if flags & !(both | GRND_NONBLOCK) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let mut piece = [0; 256];
    let mut done = 0usize;
    while done < length {
        let count = length.saturating_sub(done).min(piece.len());
        let bytes = piece.get_mut(..count).unwrap_or_default();
        random::fill(bytes);
        if user::write(address.saturating_add(done), bytes).is_err() {
            return if done == 0 { Err(Errno::EFAULT) } else { Ok(done) };
        }
        done = done.saturating_add(count);
        // A long request can be interrupted, with what there is by then.
        if done < length && call.thread.interrupted() {
            break;
        }
    }
    Ok(done)
}
