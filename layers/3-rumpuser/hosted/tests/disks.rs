//! Disks: what is written is there, what is asked to fail fails, and a power cut takes only what had not been flushed.

use rumpuser::{
    clock,
    device::{Disk, DiskError},
};
use rumpuser_hosted::{
    disk::{DiskFaults, FileDisk, MemoryDisk, PowerCut, SECTOR},
    simulate,
};
use std::{io::Write, sync::Arc};

fn sectors(count: usize, value: u8) -> Vec<u8> {
    vec![value; count * SECTOR]
}

fn read(disk: &dyn Disk, sector: u64, count: usize) -> Result<Vec<u8>, DiskError> {
    let mut buffer = sectors(count, 0xee);
    disk.read(sector, &mut buffer).map(|()| buffer)
}

/// What every disk does.
fn exercise(disk: &dyn Disk) {
    assert_eq!(disk.info().sectors, 16);
    disk.write(3, &sectors(2, 7)).unwrap();
    disk.flush().unwrap();
    assert_eq!(read(disk, 2, 4).unwrap(), [sectors(1, 0), sectors(2, 7), sectors(1, 0)].concat());
    assert_eq!(read(disk, 15, 2), Err(DiskError::OutOfRange));
    assert_eq!(read(disk, u64::MAX, 1), Err(DiskError::OutOfRange));
    assert_eq!(disk.write(16, &sectors(1, 1)), Err(DiskError::OutOfRange));
    assert_eq!(disk.write(0, &[0; 100]), Err(DiskError::OutOfRange));
}

#[test]
fn a_file_is_a_disk() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[sectors(16, 0), vec![1; 100]].concat()).unwrap();
    exercise(&FileDisk::open(file.path(), false).unwrap());
    let again = FileDisk::open(file.path(), true).unwrap();
    assert_eq!(read(&again, 4, 1).unwrap(), sectors(1, 7));
    assert_eq!(again.write(0, &sectors(1, 1)), Err(DiskError::ReadOnly));
    assert_eq!(again.flush(), Ok(()));
}

#[test]
fn memory_is_a_disk() {
    let disk = MemoryDisk::new(sectors(16, 0), 0);
    exercise(&*disk);
    disk.discard(3, 1).unwrap();
    assert_eq!(read(&*disk, 3, 2).unwrap(), [sectors(1, 0), sectors(1, 7)].concat());
    assert_eq!(disk.discard(1, u64::MAX), Err(DiskError::OutOfRange));
}

#[test]
fn errors_happen_where_they_are_asked_for() {
    let disk = MemoryDisk::new(sectors(16, 0), 0);
    disk.set_faults(DiskFaults {
        unreadable: vec![4..5, 5..6],
        unwritable: vec![8..9, 12..13],
        ..DiskFaults::default()
    });
    assert_eq!(read(&*disk, 3, 1).err(), None);
    assert_eq!(read(&*disk, 3, 2), Err(DiskError::Io));
    assert_eq!(read(&*disk, 5, 1), Err(DiskError::Io));
    assert_eq!(read(&*disk, 6, 1).err(), None);
    assert_eq!(disk.write(5, &sectors(1, 1)), Ok(()));
    assert_eq!(disk.write(7, &sectors(2, 1)), Err(DiskError::Io));
    disk.set_faults(DiskFaults { errors: 200, ..DiskFaults::default() });
    let failed = (0..1000).filter(|_| read(&*disk, 0, 1).is_err()).count();
    assert!((150..250).contains(&failed), "{failed}");
    disk.set_faults(DiskFaults { flush_fails: true, ..DiskFaults::default() });
    assert_eq!(disk.flush(), Err(DiskError::Io));
}

#[test]
fn calls_take_their_time() {
    simulate(0, || {
        let disk = MemoryDisk::new(sectors(16, 0), 0);
        disk.set_faults(DiskFaults { delay: 5_000_000, ..DiskFaults::default() });
        let begin = clock::monotonic();
        read(&*disk, 0, 1).unwrap();
        disk.flush().unwrap();
        assert!((10_000_000..11_000_000).contains(&(clock::monotonic() - begin)));
    });
}

/// A disk on which sector 0 to 7 were flushed as 1, and 4 to 11 written as 2 after that.
fn written(seed: u64) -> Arc<MemoryDisk> {
    let disk = MemoryDisk::new(sectors(16, 0), seed);
    disk.write(0, &sectors(8, 1)).unwrap();
    disk.flush().unwrap();
    disk.write(4, &sectors(8, 2)).unwrap();
    disk
}

#[test]
fn a_read_only_disk_refuses_changes() {
    let disk = MemoryDisk::new_read_only(sectors(4, 7), 0);
    assert!(disk.info().read_only);
    assert_eq!(disk.write(0, &sectors(1, 1)), Err(DiskError::ReadOnly));
    assert_eq!(disk.discard(0, 1), Err(DiskError::ReadOnly));
    assert_eq!(read(&*disk, 0, 4), Ok(sectors(4, 7)));
}

#[test]
fn a_power_cut_keeps_what_was_flushed_and_tears_the_rest() {
    let lost = [sectors(8, 1), sectors(8, 0)].concat();
    let kept = [sectors(4, 1), sectors(8, 2), sectors(4, 0)].concat();
    assert_eq!(written(0).cut_power(PowerCut { kept: 0, torn: 0 }), lost);
    assert_eq!(written(0).cut_power(PowerCut { kept: 1000, torn: 0 }), kept);
    let mut torn = 0;
    for seed in 0..100 {
        let disk = written(seed);
        let after = disk.cut_power(PowerCut { kept: 0, torn: 1000 });
        for (index, sector) in after.chunks(SECTOR).enumerate() {
            let (old, new) = (&lost[index * SECTOR..][..SECTOR], &kept[index * SECTOR..][..SECTOR]);
            assert!(sector == old || sector == new, "sector {index} is neither old nor new");
        }
        torn += usize::from(after != lost && after != kept);
        assert_eq!(read(&*disk, 0, 1), Err(DiskError::Io));
        assert!(disk.is_off());
    }
    assert!(torn > 90, "{torn}");
}

#[test]
fn the_power_goes_in_the_midst_of_writing() {
    let disk = MemoryDisk::new(sectors(16, 0), 0);
    disk.set_faults(DiskFaults { power_cut_after: Some(3), ..DiskFaults::default() });
    let done = (0..16).take_while(|sector| disk.write(*sector, &sectors(1, 1)).is_ok()).count();
    assert_eq!(done, 3);
    assert_eq!(disk.flush(), Err(DiskError::Io));
    let after = disk.cut_power(PowerCut { kept: 1000, torn: 0 });
    assert_eq!(after, [sectors(3, 1), sectors(13, 0)].concat());
}
