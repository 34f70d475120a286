//! The grant table.

use crate::devices::{
    error::Error,
    grant::{Access, Memory},
    machine::Machine,
    tests::back_end::{BACK, Simulated},
};
use alloc::vec::Vec;

#[test]
fn pages_are_granted_and_references_used_again() {
    let machine = Simulated::new();
    let mut seen = Vec::new();
    for _ in 0..1000 {
        let memory = Memory::new(machine, BACK, 3, Access::Write).unwrap();
        let references: Vec<u32> = (0..3).map(|page| memory.reference(page)).collect();
        assert!(references.iter().all(|reference| *reference >= 8 && machine.granted(*reference, true).is_some()));
        seen.extend(references);
        assert_eq!(machine.grants_in_force(), 3);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3, "the same three again and again");
    assert_eq!(machine.grants_in_force(), 0);
}

#[test]
fn what_is_for_reading_cannot_be_written() {
    let machine = Simulated::new();
    let memory = Memory::new(machine, BACK, 1, Access::Read).unwrap();
    assert!(machine.granted(memory.reference(0), false).is_some());
    assert!(machine.granted(memory.reference(0), true).is_none());
}

#[test]
fn pages_in_use_are_kept_aside_until_they_are_let_go() {
    let machine = Simulated::new();
    let memory = Memory::new(machine, BACK, 4, Access::Write).unwrap();
    let reference = memory.reference(2);
    machine.map(reference, true);
    drop(memory);
    assert_eq!(machine.grants().quarantined(), 4);
    assert_eq!(machine.grants_in_force(), 1, "the others have ended");
    let other = Memory::new(machine, BACK, 4, Access::Write).unwrap();
    assert!((0..4).all(|page| other.reference(page) != reference));
    drop(other);
    assert_eq!(machine.grants().quarantined(), 4);
    machine.map(reference, false);
    let free = machine.grants().free();
    drop(Memory::new(machine, BACK, 1, Access::Write).unwrap());
    assert_eq!(machine.grants().quarantined(), 0);
    assert_eq!(machine.grants().free(), free + 4);
}

#[test]
fn the_table_grows_and_ends() {
    let machine = Simulated::with(2, 1 << 20);
    let first = Memory::new(machine, BACK, 1000, Access::Write).unwrap();
    assert_eq!(Memory::new(machine, BACK, 100, Access::Write).err(), Some(Error::NoGrants));
    assert_eq!(machine.grants_in_force(), 1000, "what was begun is undone");
    drop(first);
    assert!(Memory::new(machine, BACK, 1016, Access::Write).is_ok());
}

#[test]
fn without_memory_there_is_an_error() {
    let machine = Simulated::with(2, 10);
    assert_eq!(Memory::new(machine, BACK, 11, Access::Write).err(), Some(Error::Memory));
}

#[test]
fn nothing_lies_outside() {
    let machine = Simulated::new();
    let mut memory = Memory::new(machine, BACK, 1, Access::Read).unwrap();
    memory.store(4092, 7_u32);
    assert_eq!(memory.load::<u32>(4092), Some(7));
    for offset in [4093, 4096, usize::MAX] {
        memory.store(offset, 7_u32);
        assert_eq!(memory.load::<u32>(offset), None);
    }
    memory.write(4090, &[1; 7]);
    let mut bytes = [9; 6];
    memory.read(4090, &mut bytes);
    assert_eq!(bytes, [0, 0, 7, 0, 0, 0]);
    memory.fill(4000, 97, &mut |_| panic!("outside"));
    memory.fill(usize::MAX, 97, &mut |_| panic!("outside"));
    memory.inspect(0, 4000, 97, |_| panic!("outside")).unwrap();
    assert!(memory.inspect(1, 0, 1, |_| panic!("outside")).is_err());
    assert_eq!(memory.reference(1), 0);
}

#[test]
fn a_page_is_out_of_reach_while_it_is_looked_at() {
    let machine = Simulated::new();
    let mut memory = Memory::new(machine, BACK, 2, Access::Write).unwrap();
    let reference = memory.reference(1);
    memory
        .inspect(1, 8, 16, |bytes| {
            assert_eq!(bytes.len(), 16);
            assert!(machine.granted(reference, false).is_none());
        })
        .unwrap();
    assert!(machine.granted(reference, true).is_some());
    machine.map(reference, true);
    assert!(matches!(memory.inspect(1, 8, 16, |_| panic!("looked")), Err(Error::Broken(_))));
    machine.map(reference, false);
}

#[test]
fn what_can_be_written_by_others_is_never_lent() {
    let machine = Simulated::new();
    let mut memory = Memory::new(machine, BACK, 1, Access::Write).unwrap();
    memory.fill(0, 8, &mut |_| panic!("lent"));
}
