//! Tests of areas and the pager, on the hosted hypercalls.

use crate::{areas::*, *};
use rumpkin_abi::Errno;
use rumpuser::{memory::PAGE_SIZE, user};
use rumpuser_hosted as _;
use std::{vec, vec::Vec};

const RW: Protection = Protection::READ.union(Protection::WRITE);
const NONE: Protection = Protection::empty();

struct Pages(Vec<Frame>);

impl Mappable for Pages {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        self.0.get(index as usize).cloned().ok_or(Errno::ENXIO)
    }

    fn frame_at_hand(&self, index: u64) -> Option<Frame> {
        self.0.get(index as usize).cloned()
    }
}

fn pages(count: u8) -> Arc<Pages> {
    let frames = (0..count).map(|index| {
        let frame = Frame::allocate().unwrap();
        frame.write(0, &[b'a' + index; PAGE_SIZE]);
        frame
    });
    Arc::new(Pages(frames.collect()))
}

fn mm() -> Arc<Mm> {
    let mm = Mm::new().unwrap();
    mm.activate();
    mm
}

fn anonymous(mm: &Mm, address: usize, length: usize, protection: Protection) -> Result<usize, Errno> {
    let fixed = address != 0;
    mm.map(Request { address, fixed, replace: true, length, protection, source: Source::Anonymous { shared: false } })
}

fn file(mm: &Mm, object: &Arc<Pages>, offset: u64, length: usize, protection: Protection, shared: bool) -> usize {
    let source = Source::File { object: object.clone(), offset, shared };
    mm.map(Request { address: 0, fixed: false, replace: false, length, protection, source }).unwrap()
}

fn byte(address: usize) -> Option<u8> {
    let mut byte = [0];
    user::read(address, &mut byte).ok().map(|()| byte[0])
}

#[test]
fn anonymous_memory_is_zero_until_written() {
    let mm = mm();
    let at = anonymous(&mm, 0, 3 * PAGE_SIZE, RW).unwrap();
    assert_eq!(byte(at + PAGE_SIZE), Some(0));
    user::write(at + PAGE_SIZE - 1, b"xy").unwrap();
    assert_eq!((byte(at + PAGE_SIZE - 1), byte(at + PAGE_SIZE)), (Some(b'x'), Some(b'y')));
    assert_eq!(byte(at + 3 * PAGE_SIZE), None);
}

#[test]
fn faults_tell_what_is_wrong() {
    let mm = mm();
    let at = anonymous(&mm, 0, PAGE_SIZE, Protection::READ).unwrap();
    assert_eq!(mm.handle_fault(at, Access::Write), Err(FaultError::Protection));
    assert_eq!(mm.handle_fault(at, Access::Execute), Err(FaultError::Protection));
    assert_eq!(mm.handle_fault(at - 1, Access::Read), Err(FaultError::NoMapping));
    assert_eq!(mm.handle_fault(0, Access::Read), Err(FaultError::NoMapping));
    assert_eq!(mm.handle_fault(usize::MAX, Access::Read), Err(FaultError::NoMapping));
    let object = pages(1);
    let at = file(&mm, &object, 0, 2 * PAGE_SIZE, RW, true);
    assert_eq!(mm.handle_fault(at + PAGE_SIZE, Access::Read), Err(FaultError::BeyondEnd));
}

#[test]
fn write_only_memory_can_be_read() {
    let mm = mm();
    let at = anonymous(&mm, 0, PAGE_SIZE, Protection::WRITE).unwrap();
    assert_eq!(byte(at), Some(0));
}

#[test]
fn private_file_pages_are_copied_on_write() {
    let mm = mm();
    let object = pages(3);
    let at = file(&mm, &object, PAGE_SIZE as u64, 2 * PAGE_SIZE, RW, false);
    assert_eq!(byte(at), Some(b'b'));
    user::write(at, b"!").unwrap();
    user::write(at + PAGE_SIZE, b"?").unwrap();
    assert_eq!((byte(at), byte(at + 1), byte(at + PAGE_SIZE)), (Some(b'!'), Some(b'b'), Some(b'?')));
    let mut original = [0];
    object.0[1].read(0, &mut original);
    assert_eq!(original, [b'b']);
    mm.discard(at, PAGE_SIZE).unwrap();
    assert_eq!(byte(at), Some(b'b'));
}

#[test]
fn shared_stores_reach_the_object() {
    let mm = mm();
    let object = pages(2);
    let one = file(&mm, &object, 0, 2 * PAGE_SIZE, RW, true);
    let other = file(&mm, &object, 0, 2 * PAGE_SIZE, Protection::READ, true);
    assert_eq!(byte(other), Some(b'a'));
    user::write(one, b"!").unwrap();
    assert_eq!(byte(other), Some(b'!'));
    assert_eq!(mm.shared_frame(one).unwrap(), mm.shared_frame(other + 8).unwrap());
    assert!(mm.shared_frame(one).unwrap().is_some());
}

#[test]
fn shared_anonymous_memory_survives_discard() {
    let mm = mm();
    let source = Source::Anonymous { shared: true };
    let request = Request { address: 0, fixed: false, replace: false, length: 100, protection: RW, source };
    let at = mm.map(request).unwrap();
    user::write(at, b"!").unwrap();
    mm.discard(at, PAGE_SIZE).unwrap();
    assert_eq!(byte(at), Some(b'!'));
    let again = mm.remap(at, 0, PAGE_SIZE, true, None).unwrap();
    assert_eq!(byte(again), Some(b'!'));
}

#[test]
fn discarded_private_memory_is_zero_again() {
    let mm = mm();
    let at = anonymous(&mm, 0, 2 * PAGE_SIZE, RW).unwrap();
    user::write(at, b"!").unwrap();
    mm.discard(at, PAGE_SIZE).unwrap();
    assert_eq!(byte(at), Some(0));
    assert_eq!(mm.discard(at, 3 * PAGE_SIZE), Err(Errno::ENOMEM));
}

#[test]
fn protection_changes_split_and_merge() {
    let mm = mm();
    let at = anonymous(&mm, 0, 4 * PAGE_SIZE, RW).unwrap();
    user::write(at + PAGE_SIZE, b"!").unwrap();
    mm.protect(at + PAGE_SIZE, PAGE_SIZE, Protection::READ).unwrap();
    assert_eq!(mm.regions().unwrap().len(), 3);
    assert!(user::write(at + PAGE_SIZE, b"?").is_err());
    mm.protect(at + PAGE_SIZE, PAGE_SIZE, NONE).unwrap();
    assert_eq!(byte(at + PAGE_SIZE), None);
    mm.protect(at + PAGE_SIZE, PAGE_SIZE, RW).unwrap();
    assert_eq!((mm.regions().unwrap().len(), byte(at + PAGE_SIZE)), (1, Some(b'!')));
    assert_eq!(mm.protect(at, 5 * PAGE_SIZE, Protection::READ), Err(Errno::ENOMEM));
    assert_eq!(mm.regions().unwrap()[0].protection, Protection::READ);
}

#[test]
fn terms_limit_protection() {
    let mm = mm();
    let source = Source::File { object: pages(1), offset: 0, shared: true };
    let request = Request { address: 0, fixed: false, replace: false, length: 1, protection: Protection::READ, source };
    let at = mm.map_on(request, Terms { maximum: Protection::READ, no_reserve: false }).unwrap();
    assert_eq!(mm.protect(at, PAGE_SIZE, RW), Err(Errno::EACCES));
}

#[test]
fn unmapping_cuts_a_hole() {
    let mm = mm();
    let at = anonymous(&mm, 0, 3 * PAGE_SIZE, RW).unwrap();
    mm.unmap(at + PAGE_SIZE, 1).unwrap();
    assert_eq!((byte(at), byte(at + PAGE_SIZE), byte(at + 2 * PAGE_SIZE)), (Some(0), None, Some(0)));
    assert_eq!(mm.unmap(at + 1, PAGE_SIZE), Err(Errno::EINVAL));
    assert_eq!(mm.unmap(at, 0), Err(Errno::EINVAL));
    assert_eq!(mm.unmap(at, usize::MAX), Err(Errno::EINVAL));
    // The hole is the tightest gap.
    assert_eq!(anonymous(&mm, 0, PAGE_SIZE, RW).unwrap(), at + PAGE_SIZE);
}

#[test]
fn places_are_checked() {
    let mm = mm();
    let map = |address, fixed, replace, length| {
        let source = Source::Anonymous { shared: false };
        mm.map(Request { address, fixed, replace, length, protection: RW, source })
    };
    assert_eq!(map(0, false, false, 0), Err(Errno::EINVAL));
    assert_eq!(map(0, true, true, 1), Err(Errno::EPERM));
    assert_eq!(map(0x12345, true, true, 1), Err(Errno::EINVAL));
    assert_eq!(map(memory::USER_END, true, true, 1), Err(Errno::ENOMEM));
    assert_eq!(map(0x100000, true, false, 1), Ok(0x100000));
    assert_eq!(map(0x100000, true, false, 1), Err(Errno::EEXIST));
    assert_eq!(map(0x200000, false, false, 1), Ok(0x200000));
    assert_ne!(map(0x200000, false, false, 1), Ok(0x200000));
    assert_eq!(map(0, false, false, usize::MAX), Err(Errno::ENOMEM));
    assert_eq!(map(0, false, false, 1 << 40), Err(Errno::ENOMEM));
}

#[test]
fn huge_reservations_cost_nothing() {
    let mm = mm();
    let before = memory::free_frames();
    let at = anonymous(&mm, 0, 1 << 44, NONE).unwrap();
    anonymous(&mm, 0, 1 << 46, NONE).unwrap();
    mm.protect(at, PAGE_SIZE, RW).unwrap();
    mm.unmap(at, 1 << 44).unwrap();
    assert!(memory::free_frames() + 4096 > before);
}

#[test]
fn remap_grows_shrinks_and_moves() {
    let mm = mm();
    let at = anonymous(&mm, 0x10_0000_0000, 2 * PAGE_SIZE, RW).unwrap();
    user::write(at + PAGE_SIZE, b"!").unwrap();
    assert_eq!(mm.remap(at, 2 * PAGE_SIZE, 3 * PAGE_SIZE, false, None), Ok(at));
    anonymous(&mm, at + 3 * PAGE_SIZE, PAGE_SIZE, NONE).unwrap();
    assert_eq!(mm.remap(at, 3 * PAGE_SIZE, 4 * PAGE_SIZE, false, None), Err(Errno::ENOMEM));
    let moved = mm.remap(at, 3 * PAGE_SIZE, 4 * PAGE_SIZE, true, None).unwrap();
    assert_ne!(moved, at);
    assert_eq!((byte(at), byte(moved + PAGE_SIZE)), (None, Some(b'!')));
    user::write(moved + 3 * PAGE_SIZE, b"end").unwrap();
    assert_eq!(mm.remap(moved, 4 * PAGE_SIZE, PAGE_SIZE, false, None), Ok(moved));
    assert_eq!(byte(moved + PAGE_SIZE), None);
    assert_eq!(mm.remap(moved, PAGE_SIZE, PAGE_SIZE, true, Some(0x20_0000_0000)), Ok(0x20_0000_0000));
    assert_eq!(mm.remap(at, PAGE_SIZE, 0, true, None), Err(Errno::EINVAL));
    for more_than_there_is in [usize::MAX, usize::MAX - PAGE_SIZE, 1 << 63, 1 << 47] {
        assert_eq!(mm.remap(moved, PAGE_SIZE, more_than_there_is, true, None), Err(Errno::EINVAL));
        assert_eq!(mm.remap(moved, more_than_there_is, PAGE_SIZE, true, None), Err(Errno::EINVAL));
    }
    assert_eq!(mm.remap(0x30_0000_0000, PAGE_SIZE, PAGE_SIZE, true, None), Err(Errno::EFAULT));
    assert_eq!(mm.remap(0x20_0000_0000, 0, PAGE_SIZE, true, None), Err(Errno::EINVAL));
}

#[test]
fn the_break_grows_and_shrinks() {
    let mm = mm();
    assert_eq!(mm.set_break(0x1000_0000), 0);
    mm.set_break_start(0x40_0123);
    let start = mm.set_break(0);
    assert!(start >= 0x40_1000 && start.is_multiple_of(PAGE_SIZE));
    assert_eq!(mm.set_break(start + 5000), start + 5000);
    user::write(start + 4990, b"!").unwrap();
    assert_eq!(mm.regions().unwrap()[0].name, b"[heap]");
    assert_eq!(mm.set_break(start + 10), start + 10);
    assert_eq!((byte(start + 4090), byte(start + 4990)), (Some(0), None));
    assert_eq!(mm.set_break(start + (1 << 40)), start + 10);
    anonymous(&mm, start + 4 * PAGE_SIZE, PAGE_SIZE, NONE).unwrap();
    assert_eq!(mm.set_break(start + 4 * PAGE_SIZE), start + 10);
    assert_eq!(mm.set_break(start + 3 * PAGE_SIZE), start + 3 * PAGE_SIZE);
}

#[test]
fn neighbours_of_a_kind_are_one_area() {
    let mm = mm();
    for index in (0..64).rev() {
        anonymous(&mm, 0x1000_0000 + index * PAGE_SIZE, PAGE_SIZE, RW).unwrap();
    }
    assert_eq!(mm.regions().unwrap().len(), 1);
    let first = anonymous(&mm, 0, PAGE_SIZE, RW).unwrap();
    assert_eq!(anonymous(&mm, 0, PAGE_SIZE, RW).unwrap(), first - PAGE_SIZE);
    assert_eq!(mm.regions().unwrap().len(), 2);
}

#[test]
fn parts_of_a_file_mapping_keep_their_offset() {
    let mm = mm();
    let at = file(&mm, &pages(4), 0, 4 * PAGE_SIZE, RW, false);
    mm.protect(at + 2 * PAGE_SIZE, PAGE_SIZE, Protection::READ).unwrap();
    mm.unmap(at, PAGE_SIZE).unwrap();
    let offsets: Vec<u64> = mm.regions().unwrap().iter().map(|region| region.offset).collect();
    assert_eq!(offsets, vec![4096, 8192, 12288]);
    assert_eq!((byte(at + 2 * PAGE_SIZE), byte(at + 3 * PAGE_SIZE)), (Some(b'c'), Some(b'd')));
}

#[test]
fn presence_tells_what_was_touched() {
    let mm = mm();
    let at = anonymous(&mm, 0, 3 * PAGE_SIZE, RW).unwrap();
    user::write(at + PAGE_SIZE, b"!").unwrap();
    let mut present = [9; 3];
    mm.presence(at, &mut present);
    assert_eq!(present, [0, 1, 0]);
    mm.prefault(at, 3 * PAGE_SIZE).unwrap();
    mm.presence(at, &mut present);
    assert_eq!(present, [1, 1, 1]);
}

proptest::proptest! {
    /// Any sequence of inserts, removals and protections keeps the areas and the gaps in step with a page-by-page model.
    #[test]
    fn areas_agree_with_a_model(steps in proptest::collection::vec((0u8..3, 0usize..40, 1usize..12, 0u8..3), 1..60)) {
        const BASE: usize = 0x7000_0000_0000;
        let mut areas = Areas::new(0, 65536).unwrap();
        let mut model = [None; 52];
        for (operation, first, count, kind) in steps {
            let (start, end) = (BASE + first * PAGE_SIZE, BASE + (first + count) * PAGE_SIZE);
            let protection = Protection::from_bits_truncate(kind);
            match operation {
                0 => {
                    areas.remove(start, end, |_, _| ());
                    let maximum = Protection::all();
                    areas.insert(start, Area { end, protection, maximum, backing: Backing::Anonymous });
                    model[first..first + count].fill(Some(protection));
                }
                1 => {
                    areas.remove(start, end, |_, _| ());
                    model[first..first + count].fill(None);
                }
                _ => {
                    areas.protect(start, end, protection);
                    model[first..first + count].iter_mut().flatten().for_each(|page| *page = protection);
                }
            }
            let mut last: Option<(usize, Protection)> = None;
            for (start, area) in areas.iter() {
                if let Some((end, protection)) = last {
                    proptest::prop_assert!(end < start || end == start && protection != area.protection);
                }
                last = Some((area.end, area.protection));
            }
            for (index, page) in model.iter().enumerate() {
                let found = areas.find(BASE + index * PAGE_SIZE).map(|(_, area)| area.protection);
                proptest::prop_assert_eq!(found, *page);
            }
            let room = areas.find_room(3 * PAGE_SIZE).unwrap();
            proptest::prop_assert!(areas.is_free(room, room + 3 * PAGE_SIZE));
            proptest::prop_assert_eq!(areas.covers(start, end), model[first..first + count].iter().all(Option::is_some));
        }
    }
}
