//! Memory against a model of its pages: what any sequence of calls maps, with which rights, and what bytes are there.

use proptest::prelude::*;
use rumpkin_abi::Errno;
use rumpkin_mm::{Mappable, Mm, Request, Source};
use rumpuser::{
    memory::{Access, Frame, PAGE_SIZE, Protection, free_frames},
    user,
};
use rumpuser_hosted as _;
use std::sync::Arc;

/// Where everything happens, and how many pages there are.
const BASE: usize = 0x10_0000_0000;
const PAGES: usize = 24;
/// Pages of the object.
const OBJECT: u64 = 6;

struct Object(Vec<Frame>);

impl Object {
    fn new() -> Arc<Object> {
        let frame = |index: u64| {
            let frame = Frame::allocate().unwrap();
            frame.write(0, &[200 + index as u8; PAGE_SIZE]);
            frame
        };
        Arc::new(Object((0..OBJECT).map(frame).collect()))
    }

    fn byte(&self, page: u64) -> u8 {
        let mut byte = [0];
        self.0[page as usize].read(0, &mut byte);
        byte[0]
    }
}

impl Mappable for Object {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        self.0.get(index as usize).cloned().ok_or(Errno::ENXIO)
    }

    fn frame_at_hand(&self, index: u64) -> Option<Frame> {
        self.0.get(index as usize).cloned()
    }
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Page {
    protection: Protection,
    /// The page of the object that it shows, and whether it shows it to others.
    object: Option<(u64, bool)>,
    /// Its own byte, once it has one.
    own: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Anonymous,
    Private(u64),
    Shared(u64),
}

#[derive(Debug, Clone)]
enum Step {
    Map(usize, usize, u8, Kind),
    Unmap(usize, usize),
    Protect(usize, usize, u8),
    Move { from: usize, old: usize, new: usize, to: usize },
    Grow { from: usize, old: usize, new: usize },
    Store(usize, u8),
    Discard(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let first = || 0..PAGES;
    let count = || 1..7usize;
    let kind = prop_oneof![
        2 => Just(Kind::Anonymous),
        1 => (0..OBJECT).prop_map(Kind::Private),
        1 => (0..OBJECT).prop_map(Kind::Shared),
    ];
    prop_oneof![
        4 => (first(), count(), 0..8u8, kind).prop_map(|(first, count, rights, kind)| Step::Map(first, count, rights, kind)),
        2 => (first(), count()).prop_map(|(first, count)| Step::Unmap(first, count)),
        2 => (first(), count(), 0..8u8).prop_map(|(first, count, rights)| Step::Protect(first, count, rights)),
        2 => (first(), count(), count(), first()).prop_map(|(from, old, new, to)| Step::Move { from, old, new, to }),
        1 => (first(), count(), count()).prop_map(|(from, old, new)| Step::Grow { from, old, new }),
        6 => (first(), 1..100u8).prop_map(|(page, byte)| Step::Store(page, byte)),
        1 => (first(), count()).prop_map(|(first, count)| Step::Discard(first, count)),
    ]
}

fn at(page: usize) -> usize {
    BASE + page * PAGE_SIZE
}

fn byte(address: usize) -> Option<u8> {
    let mut byte = [0];
    user::read(address, &mut byte).ok().map(|()| byte[0])
}

/// The model: pages, with what is behind the last one left free.
struct Model {
    pages: Vec<Option<Page>>,
    object: Arc<Object>,
}

impl Model {
    /// What a load sees.
    fn load(&self, page: usize) -> Option<u8> {
        let page = self.pages[page]?;
        // What may be written or executed may be read, as on x86.
        if page.protection.is_empty() {
            return None;
        }
        match (page.own, page.object) {
            (Some(byte), _) => Some(byte),
            (None, None) => Some(0),
            (None, Some((index, _))) => (index < OBJECT).then(|| self.object.byte(index)),
        }
    }

    /// A range of pages that are one mapping's, which is what mremap(2) takes.
    fn is_one_mapping(&self, first: usize, count: usize) -> bool {
        let one = |pair: &[Option<Page>]| match (pair[0], pair[1]) {
            (Some(one), Some(other)) => {
                let follows = match (one.object, other.object) {
                    (None, None) => true,
                    (Some((index, shared)), Some((next, other))) => next == index + 1 && shared == other,
                    _ => false,
                };
                one.protection == other.protection && follows
            }
            _ => false,
        };
        self.pages[first].is_some() && self.pages[first..first + count].windows(2).all(one)
    }

    fn grown(&self, last: Page, by: usize) -> Option<Page> {
        let object = last.object.map(|(index, shared)| (index + by as u64, shared));
        Some(Page { object, own: None, ..last })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn memory_is_what_the_calls_made_it(steps in prop::collection::vec(step(), 1..60)) {
        let before = free_frames();
        let object = Object::new();
        let mm = Mm::new().unwrap();
        mm.activate();
        let mut model = Model { pages: vec![None; PAGES + 16], object: object.clone() };
        for step in &steps {
            perform(&mm, &mut model, step)?;
            for page in 0..model.pages.len() {
                prop_assert_eq!(byte(at(page)), model.load(page), "page {} after {:?}", page, step);
            }
            check_regions(&mm, &model)?;
        }
        rumpuser::memory::deactivate();
        drop((mm, model, object));
        // Other tests of this process do not run beside it: it is the only one of its file.
        prop_assert_eq!(free_frames(), before, "frames are lost");
    }
}

/// The regions of `/proc/self/maps` cover the pages that are mapped, with their rights, in order.
fn check_regions(mm: &Mm, model: &Model) -> Result<(), TestCaseError> {
    let mut covered = vec![None; model.pages.len()];
    let mut end = 0;
    for region in mm.regions().unwrap() {
        prop_assert!(region.start >= end && region.end > region.start);
        end = region.end;
        covered[(region.start - BASE) / PAGE_SIZE..(region.end - BASE) / PAGE_SIZE].fill(Some(region.protection));
    }
    let expected: Vec<_> = model.pages.iter().map(|page| page.map(|page| page.protection)).collect();
    prop_assert_eq!(covered, expected);
    Ok(())
}

fn perform(mm: &Mm, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let rights = Protection::from_bits_truncate;
    match *step {
        Step::Map(first, count, protection, kind) => {
            let source = match kind {
                Kind::Anonymous => Source::Anonymous { shared: false },
                Kind::Private(page) | Kind::Shared(page) => Source::File {
                    object: model.object.clone(),
                    offset: page * PAGE_SIZE as u64,
                    shared: matches!(kind, Kind::Shared(_)),
                },
            };
            let length = count * PAGE_SIZE;
            let protection = rights(protection);
            let request = Request { address: at(first), fixed: true, replace: true, length, protection, source };
            prop_assert_eq!(mm.map(request), Ok(at(first)));
            for (index, page) in model.pages[first..first + count].iter_mut().enumerate() {
                let object = match kind {
                    Kind::Anonymous => None,
                    Kind::Private(page) => Some((page + index as u64, false)),
                    Kind::Shared(page) => Some((page + index as u64, true)),
                };
                *page = Some(Page { protection, object, own: None });
            }
        }
        Step::Unmap(first, count) => {
            prop_assert_eq!(mm.unmap(at(first), count * PAGE_SIZE), Ok(()));
            model.pages[first..first + count].fill(None);
        }
        Step::Protect(first, count, protection) => {
            let mapped = model.pages[first..first + count].iter().take_while(|page| page.is_some()).count();
            let expected = if mapped == count { Ok(()) } else { Err(Errno::ENOMEM) };
            prop_assert_eq!(mm.protect(at(first), count * PAGE_SIZE, rights(protection)), expected);
            for page in model.pages[first..first + mapped].iter_mut().flatten() {
                page.protection = rights(protection);
            }
        }
        Step::Move { from, old, new, to } => {
            if !model.is_one_mapping(from, old) {
                return Ok(());
            }
            let overlap = from < to + new && to < from + old;
            let moved = mm.remap(at(from), old * PAGE_SIZE, new * PAGE_SIZE, true, Some(at(to)));
            if overlap {
                prop_assert_eq!(moved, Err(Errno::EINVAL));
                return Ok(());
            }
            prop_assert_eq!(moved, Ok(at(to)));
            let mut pages = model.pages[from..from + old.min(new)].to_vec();
            let last = pages.last().copied().flatten().unwrap();
            pages.extend((1..).map(|by| model.grown(last, by)).take(new.saturating_sub(old)));
            model.pages[from..from + old].fill(None);
            model.pages[to..to + new].copy_from_slice(&pages);
        }
        Step::Grow { from, old, new } => {
            if !model.is_one_mapping(from, old) {
                return Ok(());
            }
            // The mapping itself may go on behind the range that is named; then it cannot grow.
            let ends = from + old;
            let room = ends + new.saturating_sub(old);
            let free = model.pages[ends..room.max(ends)].iter().all(Option::is_none);
            let resized = mm.remap(at(from), old * PAGE_SIZE, new * PAGE_SIZE, false, None);
            if new > old && !free {
                prop_assert_eq!(resized, Err(Errno::ENOMEM));
                return Ok(());
            }
            prop_assert_eq!(resized, Ok(at(from)));
            if new < old {
                model.pages[from + new..ends].fill(None);
            } else {
                let last = model.pages[ends - 1].unwrap();
                for by in 1..=new - old {
                    model.pages[ends - 1 + by] = model.grown(last, by);
                }
            }
        }
        Step::Store(page, byte) => {
            let stored = user::write(at(page), &[byte]).is_ok();
            let there = |page: &Page| page.object.is_none_or(|(index, _)| index < OBJECT);
            let target = model.pages[page].filter(|page| page.protection.contains(Protection::WRITE) && there(page));
            prop_assert_eq!(stored, target.is_some(), "store to page {}", page);
            match target {
                Some(Page { object: Some((index, true)), .. }) => {
                    prop_assert_eq!(model.object.byte(index), byte, "a store to a shared page is seen in the object");
                }
                Some(target) => model.pages[page] = Some(Page { own: Some(byte), ..target }),
                None => prop_assert!(mm.handle_fault(at(page), Access::Write).is_err()),
            }
        }
        Step::Discard(first, count) => {
            let whole = model.pages[first..first + count].iter().all(Option::is_some);
            let result = mm.discard(at(first), count * PAGE_SIZE);
            prop_assert_eq!(result.is_ok(), whole);
            for page in model.pages[first..first + count].iter_mut().flatten() {
                page.own = None;
            }
        }
    }
    Ok(())
}
