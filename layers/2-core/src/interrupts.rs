//! Device interrupts: lines, vectors and their handlers.

use crate::sync::Once;
use crate::{
    interface::{InterruptController, PlatformError, Polarity, Trigger},
    sync::IrqMutex,
};
use alloc::{boxed::Box, string::ToString, vec::Vec};

const FIRST_VECTOR: u8 = 0x30;
const VECTORS: usize = 0xe0 - FIRST_VECTOR as usize;

/// Called with interrupts off, on the interrupt stack.
type Handler = Box<dyn Fn() + Send + Sync>;

struct Line {
    number: u32,
    handlers: Vec<Handler>,
}

static CONTROLLER: Once<&'static dyn InterruptController> = Once::new();
// Boxed, so that an unused one is zero: the table is not in the image's file then.
static LINES: [IrqMutex<Option<Box<Line>>>; VECTORS] = [const { IrqMutex::new(None) }; VECTORS];

/// Takes the platform's controller into use.
pub(crate) fn initialize(controller: &'static dyn InterruptController) {
    CONTROLLER.call_once(|| controller);
}

/// Has `handler` called at each interrupt of the line, and unmasks the line. Several devices may share a line of the same
/// trigger and polarity; then each handler is called.
///
/// Refused where there is no controller yet, where it refuses, and when all vectors are taken. Allocates; does not block.
///
/// The handler runs in interrupt context (see [`crate::for_platform`]); with a level-triggered line it must have made the
/// device let go of the line when it returns.
pub fn register(
    number: u32,
    trigger: Trigger,
    polarity: Polarity,
    handler: impl Fn() + Send + Sync + 'static,
) -> Result<(), PlatformError> {
    let controller =
        CONTROLLER.get().ok_or_else(|| PlatformError("there is no interrupt controller yet".to_string()))?;
    let handler: Handler = Box::new(handler);
    for (slot, vector) in LINES.iter().zip(FIRST_VECTOR..) {
        let mut slot = slot.lock();
        match &mut *slot {
            Some(line) if line.number == number => {
                line.handlers.push(handler);
                return Ok(());
            }
            Some(_) => continue,
            None => {
                controller.route(number, vector, trigger, polarity)?;
                *slot = Some(Box::new(Line { number, handlers: Vec::from([handler]) }));
                drop(slot);
                controller.unmask(number);
                return Ok(());
            }
        }
    }
    Err(PlatformError("all interrupt vectors are taken".to_string()))
}

/// Calls the handlers of a vector.
pub(crate) fn dispatch(vector: u8) {
    let index = usize::from(vector).wrapping_sub(usize::from(FIRST_VECTOR));
    if let Some(slot) = LINES.get(index)
        && let Some(line) = &*slot.lock()
    {
        line.handlers.iter().for_each(|handler| handler());
    }
}
