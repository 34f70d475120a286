//! Slabs: pages of objects of one size each. A page whose last object goes is given back, but for one of each size.
//!
//! ```text
//!   page   | header |  | object | object | … | object |   the objects end where the page does: each is aligned as its size
//!             free ────────▶ free ──▶ …                   allows, and its page is found by masking its address
//!   class  first ⇄ page ⇄ page ⇄ last                     pages with free objects; one that has no other stands last
//! ```

use crate::x86::layout::PAGE_SIZE;
use core::{alloc::Layout, ptr};

/// Where pages come from.
pub(crate) trait Pages {
    /// A page that is nobody's, aligned to its size, with arbitrary content; null if there is none.
    fn take(&mut self) -> *mut u8;

    /// Takes a page back.
    ///
    /// # Safety
    /// It came from `take`, and nobody uses it any more.
    unsafe fn give(&mut self, page: *mut u8);
}

/// Sizes are multiples of it, and what is aligned to no more needs no thought.
const UNIT: usize = 16;
/// How many objects a page is divided into; what is left of it is small for each.
const OBJECTS: [usize; 21] = [254, 127, 84, 63, 50, 42, 36, 31, 25, 21, 18, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2];
/// Number of classes.
pub(crate) const CLASSES: usize = OBJECTS.len();
/// Bytes of an object of each class.
const SIZES: [usize; CLASSES] = {
    let mut sizes = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        sizes[class] = (PAGE_SIZE - size_of::<Page>()) / OBJECTS[class] / UNIT * UNIT;
        class += 1;
    }
    sizes
};
/// Bytes of the largest object. What is larger takes a page or more.
pub(crate) const LARGEST: usize = SIZES[CLASSES - 1];
/// The class for each number of units.
const CLASS: [u8; LARGEST / UNIT + 1] = {
    let mut table = [0; LARGEST / UNIT + 1];
    let (mut units, mut class) = (0, 0);
    while units < table.len() {
        if units * UNIT > SIZES[class] {
            class += 1;
        }
        table[units] = class as u8;
        units += 1;
    }
    table
};

/// Which class an allocation takes an object of; `None` for those that are too large.
pub(crate) fn class(layout: Layout) -> Option<usize> {
    let class = usize::from(*CLASS.get(layout.size().div_ceil(UNIT))?);
    if layout.align() <= UNIT {
        return Some(class);
    }
    // Objects are aligned to what divides their size.
    (class..CLASSES).find(|&class| SIZES[class].is_multiple_of(layout.align()))
}

/// Most pages that allocations of `bytes` bytes in all can take, whatever is in use: none is larger than a page or aligned to
/// more than [`UNIT`], and each counts as a unit at least.
///
/// The first object of each class may need a page; the first of `n` classes have more than 8 (n - 1)² bytes. From then on a page
/// is needed for more than half a page of bytes: that of the largest class, with two, is least used if one is just too large
/// for it.
pub(crate) fn pages_for(bytes: usize) -> usize {
    bytes / (LARGEST + 1) + (bytes / 8).isqrt().saturating_add(1).min(CLASSES)
}

/// What a free object holds.
struct Object {
    next: *mut Object,
}

/// The header of a page.
struct Page {
    free: *mut Object,
    used: usize,
    next: *mut Page,
    previous: *mut Page,
}

impl Page {
    /// The page that an object is in.
    fn of(object: *mut u8) -> *mut Page {
        object.map_addr(|address| address & !(PAGE_SIZE - 1)).cast()
    }
}

/// The pages with free objects of one size.
struct Class {
    first: *mut Page,
    last: *mut Page,
}

impl Class {
    /// # Safety
    /// The page is a slab of this class, alive and in no list, and the lists are sound.
    unsafe fn link(&mut self, page: *mut Page, previous: *mut Page) {
        // SAFETY: the caller's promise; links in a list point to live pages.
        unsafe {
            let next = previous.as_ref().map_or(self.first, |previous| previous.next);
            (*page).previous = previous;
            (*page).next = next;
            *previous.as_mut().map_or(&mut self.first, |previous| &mut previous.next) = page;
            *next.as_mut().map_or(&mut self.last, |next| &mut next.previous) = page;
        }
    }

    /// # Safety
    /// The page is in this list, and the lists are sound.
    unsafe fn unlink(&mut self, page: *mut Page) {
        // SAFETY: the caller's promise; links in a list point to live pages.
        unsafe {
            let Page { previous, next, .. } = *page;
            *previous.as_mut().map_or(&mut self.first, |previous| &mut previous.next) = next;
            *next.as_mut().map_or(&mut self.last, |next| &mut next.previous) = previous;
        }
    }

    /// The page without an object in use, if there is one.
    fn empty(&self) -> Option<*mut Page> {
        // SAFETY: what is in the list is alive.
        unsafe { self.last.as_ref() }.is_some_and(|page| page.used == 0).then_some(self.last)
    }
}

/// Small pieces of memory.
pub(crate) struct Slabs<P> {
    classes: [Class; CLASSES],
    pages: P,
}

// SAFETY: the pages belong to the slabs alone.
unsafe impl<P: Send> Send for Slabs<P> {}

impl<P: Pages> Slabs<P> {
    /// Without a page.
    pub(crate) const fn new(pages: P) -> Self {
        Slabs { classes: [const { Class { first: ptr::null_mut(), last: ptr::null_mut() } }; CLASSES], pages }
    }

    /// An object of a class, or null.
    pub(crate) fn allocate(&mut self, class: usize) -> *mut u8 {
        let mut page = self.classes[class].first;
        if page.is_null() {
            page = self.grow(class);
            if page.is_null() {
                return ptr::null_mut();
            }
        }
        // SAFETY: a page in the list is alive and has a free object, which holds what `grow` or `free` wrote.
        unsafe {
            let object = (*page).free;
            (*page).free = (*object).next;
            (*page).used += 1;
            if (*page).free.is_null() {
                self.classes[class].unlink(page);
            }
            object.cast()
        }
    }

    /// Takes an object back.
    ///
    /// # Safety
    /// It came from `allocate` for that class, and nobody uses it any more.
    pub(crate) unsafe fn free(&mut self, class: usize, object: *mut u8) {
        let page = Page::of(object);
        let object = object.cast::<Object>();
        // SAFETY: the caller's promise: the object is ours, its page alive; a page is in no list exactly if it is full.
        unsafe {
            let next = (*page).free;
            (*object).next = next;
            (*page).free = object;
            (*page).used -= 1;
            if next.is_null() {
                self.classes[class].link(page, ptr::null_mut());
            }
            if (*page).used == 0 {
                self.retire(class, page);
            }
        }
    }

    /// A new page for a class, in its list; null if there is none.
    #[cold]
    fn grow(&mut self, class: usize) -> *mut Page {
        let mut memory = self.pages.take();
        if memory.is_null() && self.give_back() {
            memory = self.pages.take();
        }
        if memory.is_null() {
            return ptr::null_mut();
        }
        let page = memory.cast::<Page>();
        let mut free = ptr::null_mut();
        for number in 1..=OBJECTS[class] {
            // SAFETY: inside the new page, above its header; objects are aligned to a unit.
            unsafe {
                let object = memory.add(PAGE_SIZE - number * SIZES[class]).cast::<Object>();
                object.write(Object { next: free });
                free = object;
            }
        }
        // SAFETY: the page is new, and its header large enough.
        unsafe {
            page.write(Page { free, used: 0, next: ptr::null_mut(), previous: ptr::null_mut() });
            self.classes[class].link(page, ptr::null_mut());
        }
        page
    }

    /// Puts a page without an object in use last, or gives it back if there is another.
    ///
    /// # Safety
    /// It is in the class's list.
    unsafe fn retire(&mut self, class: usize, page: *mut Page) {
        let list = &mut self.classes[class];
        if list.last == page {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            list.unlink(page);
            match list.empty() {
                Some(_) => self.pages.give(page.cast()),
                None => list.link(page, list.last),
            }
        }
    }

    /// How many pages hold no object in use.
    pub(crate) fn empty_pages(&self) -> usize {
        self.classes.iter().filter(|class| class.empty().is_some()).count()
    }

    /// Gives up all pages without an object in use. True if there were any.
    pub(crate) fn give_back(&mut self) -> bool {
        let mut any = false;
        for class in &mut self.classes {
            if let Some(page) = class.empty() {
                // SAFETY: the page is in the list, and nobody has anything of it.
                unsafe {
                    class.unlink(page);
                    self.pages.give(page.cast());
                }
                any = true;
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{
        alloc::{alloc, dealloc},
        vec::Vec,
    };
    use proptest::prelude::*;

    /// So many pages and no more.
    struct Few {
        left: usize,
    }

    const PAGE: Layout = match Layout::from_size_align(PAGE_SIZE, PAGE_SIZE) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    };

    impl Pages for Few {
        fn take(&mut self) -> *mut u8 {
            if self.left == 0 {
                return ptr::null_mut();
            }
            self.left -= 1;
            // SAFETY: the size is not 0.
            unsafe { alloc(PAGE) }
        }

        unsafe fn give(&mut self, page: *mut u8) {
            self.left += 1;
            // SAFETY: from `take`.
            unsafe { dealloc(page, PAGE) }
        }
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn class_is_the_smallest_that_holds_the_size() {
        assert!(SIZES.is_sorted_by(|a, b| a < b));
        for size in 1..=2 * LARGEST {
            match class(layout(size, 8)) {
                Some(class) => assert!(SIZES[class] >= size && (class == 0 || SIZES[class - 1] < size)),
                None => assert!(size > LARGEST),
            }
        }
    }

    #[test]
    fn a_page_is_used_up_but_for_little() {
        for (objects, size) in OBJECTS.iter().zip(SIZES) {
            let rest = PAGE_SIZE - size_of::<Page>() - objects * size;
            assert!(rest < size.min(300), "{objects} of {size} leave {rest}");
        }
    }

    #[test]
    fn one_empty_page_of_a_size_is_kept_until_it_is_given_back() {
        let mut slabs = Slabs::new(Few { left: 3 });
        let objects: Vec<_> = (0..6).map(|_| slabs.allocate(CLASSES - 1)).collect();
        assert!(objects.iter().all(|object| !object.is_null()));
        assert!(slabs.allocate(CLASSES - 1).is_null() && slabs.allocate(0).is_null());
        // SAFETY: each came from `allocate`, once.
        objects.iter().for_each(|&object| unsafe { slabs.free(CLASSES - 1, object) });
        assert_eq!((slabs.pages.left, slabs.empty_pages()), (2, 1));
        let other: Vec<_> = (0..2 * OBJECTS[0] + 1).map(|_| slabs.allocate(0)).collect();
        assert!(other.iter().all(|object| !object.is_null()), "the empty page of another size is taken");
        // SAFETY: as above.
        other.iter().for_each(|&object| unsafe { slabs.free(0, object) });
        assert!(slabs.give_back() && !slabs.give_back());
        assert_eq!((slabs.pages.left, slabs.empty_pages()), (3, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Allocate { size: usize, align: usize },
        Free(prop::sample::Index),
        GiveBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let sizes = prop_oneof![3 => 1..200_usize, 1 => 1..=LARGEST];
        prop::collection::vec(
            prop_oneof![
                8 => (sizes, 0..8_u32).prop_map(|(size, shift)| Step::Allocate { size, align: 1 << shift }),
                7 => any::<prop::sample::Index>().prop_map(Step::Free),
                1 => Just(Step::GiveBack),
            ],
            1..300,
        )
    }

    proptest! {
        /// Nobody gets what another has, all that was written stays, and when everything is back so are the pages.
        #[test]
        fn objects_belong_to_one(steps in steps()) {
            const PAGES: usize = 30;
            let mut slabs = Slabs::new(Few { left: PAGES });
            let mut held: Vec<(*mut u8, usize, Layout, u8)> = Vec::new();
            let release = |slabs: &mut Slabs<Few>, (object, class, layout, mark): (*mut u8, usize, Layout, u8)| {
                // SAFETY: the object is ours.
                let content = unsafe { core::slice::from_raw_parts(object, layout.size()) };
                prop_assert!(content.iter().all(|byte| *byte == mark));
                // SAFETY: from `allocate`, once.
                unsafe { slabs.free(class, object) };
                Ok(())
            };
            for (mark, step) in (0..=u8::MAX).cycle().zip(steps) {
                match step {
                    Step::Allocate { size, align } => {
                        let layout = layout(size, align);
                        let Some(class) = class(layout) else { continue };
                        let object = slabs.allocate(class);
                        if object.is_null() {
                            prop_assert!(slabs.pages.left == 0 && slabs.empty_pages() == 0);
                            continue;
                        }
                        prop_assert!(object.addr().is_multiple_of(align) && SIZES[class] >= size);
                        // SAFETY: the object is ours and large enough.
                        unsafe { object.write_bytes(mark, size) };
                        held.push((object, class, layout, mark));
                    }
                    Step::Free(which) if !held.is_empty() => {
                        let object = held.swap_remove(which.index(held.len()));
                        release(&mut slabs, object)?;
                    }
                    Step::Free(_) => (),
                    Step::GiveBack => { slabs.give_back(); }
                }
            }
            held.drain(..).try_for_each(|object| release(&mut slabs, object))?;
            slabs.give_back();
            prop_assert_eq!(slabs.pages.left, PAGES);
        }

        /// What `pages_for` says is enough, if nothing but new pages can be had.
        #[test]
        fn promised_pages_suffice(sizes in prop_oneof![
            prop::collection::vec(1..400_usize, 1..300),
            prop::collection::vec(1..=PAGE_SIZE, 1..300),
            prop::collection::vec(prop::sample::select(SIZES.iter().map(|size| size + 1).collect::<Vec<_>>()), 1..300),
            prop::sample::subsequence(SIZES.iter().map(|size| size - 15).collect::<Vec<_>>(), 1..=CLASSES),
        ]) {
            let bytes = sizes.iter().map(|&size| size.max(UNIT)).sum();
            let mut slabs = Slabs::new(Few { left: pages_for(bytes) });
            for size in sizes {
                match class(layout(size, UNIT)) {
                    Some(class) => prop_assert!(!slabs.allocate(class).is_null()),
                    None => {
                        prop_assert!(slabs.pages.left > 0);
                        slabs.pages.left -= 1;
                    }
                }
            }
        }
    }
}
