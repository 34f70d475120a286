//! What the toolstack asks of the domain as a whole: `control/shutdown` in the store (Xen, docs/misc/xenstore-paths.pandoc).

use crate::store::{Result, Store, StoreError};
use alloc::{string::String, sync::Arc};
use core::sync::atomic::{AtomicBool, Ordering};
use rumpkin_core::for_platform::stop;

const REQUEST: &str = "control/shutdown";
/// What we say we can do.
const FEATURES: [&str; 2] = ["control/feature-poweroff", "control/feature-reboot"];

static REBOOT: AtomicBool = AtomicBool::new(false);

/// Has requests stop the kernel, from now on and for good. Blocks.
pub fn listen(store: &'static Store) -> Result<()> {
    let announced = AtomicBool::new(false);
    let obey = move || {
        // Not before the watch is in force, and while the machine goes on starting.
        if !announced.swap(true, Ordering::Relaxed) {
            announce(store);
        }
        obey(store);
    };
    let watch = store.watch(REQUEST, Arc::new(obey))?;
    core::mem::forget(watch);
    Ok(())
}

fn announce(store: &Store) {
    for feature in FEATURES {
        if let Err(error) = store.write(feature, "1") {
            log::debug!("xenstore: {feature}: {error}");
        }
    }
}

/// Whether the domain is to start again once it has stopped.
pub fn reboot_wanted() -> bool {
    REBOOT.load(Ordering::Relaxed)
}

fn is_known(request: &str) -> bool {
    matches!(request, "poweroff" | "halt" | "reboot")
}

/// Looks what is asked for.
fn obey(store: &Store) {
    match store.read(REQUEST) {
        Ok(request) if request.is_empty() => {}
        Ok(request) if is_known(&request) => accept(store),
        // It stays there, which tells the toolstack.
        Ok(request) => refuse(&request),
        Err(StoreError::NotFound) => {}
        Err(error) => log::warn!("xenstore: {REQUEST}: {error}"),
    }
}

/// Acknowledges the request by clearing the node, and obeys.
fn accept(store: &Store) {
    let request = store.transaction(|transaction| {
        let request = transaction.read(REQUEST)?;
        transaction.write(REQUEST, "")?;
        Ok(request)
    });
    match request {
        Ok(request) => {
            REBOOT.store(request == "reboot", Ordering::Relaxed);
            stop::request();
        }
        Err(error) => log::warn!("xenstore: {REQUEST}: {error}"),
    }
}

fn refuse(request: &str) {
    let request: String = request.chars().filter(|letter| !letter.is_control()).take(32).collect();
    log::warn!("the toolstack asks for \"{request}\", which is not supported");
}
