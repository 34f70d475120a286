//! Address spaces in software: a map from page to mapping, and accessors that look at it and call the pager.

use crate::{memory, thread::handle};
use rumpuser::memory::{Access, Fault, Mapping, PAGE_SIZE, Pager, Protection, USER_END};
use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    ptr::NonNull,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

pub struct Space {
    pager: Arc<dyn Pager>,
    pages: Mutex<BTreeMap<usize, Mapping>>,
}

static SPACES: LazyLock<Mutex<HashMap<usize, Arc<Space>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicUsize = AtomicUsize::new(1);

thread_local! {
    static CURRENT: Cell<Option<NonNull<()>>> = const { Cell::new(None) };
}

pub fn create(pager: Arc<dyn Pager>) -> NonNull<()> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    SPACES.lock().unwrap().insert(number, Arc::new(Space { pager, pages: Mutex::default() }));
    handle(number)
}

pub fn destroy(space: NonNull<()>) {
    let space = SPACES.lock().unwrap().remove(&space.addr().get());
    drop(space);
}

pub fn activate(space: Option<NonNull<()>>) {
    CURRENT.set(space);
}

pub fn get(space: NonNull<()>) -> Arc<Space> {
    SPACES.lock().unwrap().get(&space.addr().get()).expect("an address space that exists").clone()
}

impl Space {
    pub fn map(&self, address: usize, mapping: Mapping) {
        let old = self.pages.lock().unwrap().insert(address, mapping);
        drop(old);
    }

    pub fn query(&self, address: usize) -> Option<Mapping> {
        self.pages.lock().unwrap().get(&address).cloned()
    }

    pub fn unmap(&self, address: usize, length: usize) {
        let removed = self.take(address, length);
        drop(removed);
    }

    pub fn protect(&self, address: usize, length: usize, protection: Protection) {
        for (_, mapping) in self.pages.lock().unwrap().range_mut(address..address.saturating_add(length)) {
            mapping.protection = protection;
        }
    }

    pub fn move_range(&self, from: usize, to: usize, length: usize) {
        let moved = self.take(from, length);
        self.pages.lock().unwrap().extend(moved.into_iter().map(|(address, mapping)| (address - from + to, mapping)));
    }

    fn take(&self, address: usize, length: usize) -> BTreeMap<usize, Mapping> {
        let mut pages = self.pages.lock().unwrap();
        let mut taken = pages.split_off(&address);
        pages.append(&mut taken.split_off(&address.saturating_add(length)));
        taken
    }

    /// Makes one access within a page, with the pager's help; `f` sees the frame's bytes.
    fn access(&self, address: usize, access: Access, mut f: impl FnMut(&mut [u8])) -> Result<(), Fault> {
        loop {
            if let Some(mapping) = self.query(address / PAGE_SIZE * PAGE_SIZE)
                && mapping.protection.contains(access.needs())
                && !(access == Access::Write && mapping.copy_on_write)
            {
                memory::with_page(mapping.frame.number(), |page| f(page));
                return Ok(());
            }
            self.pager.page_fault(address, access)?;
        }
    }
}

/// Splits a range of the calling thread's space at page borders; `f` gets the bytes of each piece and the number of bytes
/// before it.
fn each_page(address: usize, length: usize, access: Access, mut f: impl FnMut(&mut [u8], usize)) -> Result<(), Fault> {
    let mut done = 0;
    while done < length {
        let at = address.checked_add(done).filter(|&at| at < USER_END).ok_or(Fault { address })?;
        let space = CURRENT.get().ok_or(Fault { address: at })?;
        let offset = at % PAGE_SIZE;
        let count = (PAGE_SIZE - offset).min(length - done);
        get(space).access(at, access, |page| f(&mut page[offset..offset + count], done))?;
        done += count;
    }
    Ok(())
}

pub fn read(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
    each_page(address, buffer.len(), Access::Read, |page, done| buffer[done..done + page.len()].copy_from_slice(page))
}

pub fn write(address: usize, length: usize, f: impl FnMut(&mut [u8], usize)) -> Result<(), Fault> {
    each_page(address, length, Access::Write, f)
}

pub fn aligned(address: usize) -> Result<(), Fault> {
    if address.is_multiple_of(4) { Ok(()) } else { Err(Fault { address }) }
}
