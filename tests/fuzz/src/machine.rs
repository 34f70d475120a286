//! The machine that an input runs on: a simulation with boot data of the input's own, and a console that says little.

use rumpuser::{
    boot::BootData,
    clock,
    device::{Console, Devices},
    memory::PAGE_SIZE,
    power, thread,
};
use rumpuser_hosted::{Machine, UserCode};
use std::{
    any::Any,
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{Arc, Once},
};

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// What an input gives a machine to boot with.
#[derive(Default)]
pub struct Boot<'a> {
    /// The root file system.
    pub root: Option<&'a [u8]>,
    /// The configuration in the image.
    pub baked: Option<&'a [u8]>,
    /// The configuration given at launch.
    pub launch: Option<&'a [u8]>,
    /// What stands in for user code.
    pub user_code: Option<UserCode>,
}

impl Boot<'_> {
    /// Runs `body` as a simulation. Nothing of what the kernel was handed may come out of it.
    pub fn simulate(self, seed: u64, body: impl FnOnce(&'static BootData)) {
        hear_log();
        let root = self.root.map(|bytes| (at_page_border(bytes), bytes.len()));
        let data = BootData {
            root_file_system: root.as_ref().map(|((room, start), length)| lend(&room[*start..*start + *length])),
            baked_configuration: self.baked.map(lend),
            launch_configuration: self.launch.map(lend),
            ..BootData::default()
        };
        // SAFETY: as in `lend`.
        let data: &'static BootData = unsafe { &*ptr::from_ref(&data) };
        let machine = Machine { boot_data: Some(data), user_code: self.user_code, ..Machine::default() };
        let result = catch_unwind(AssertUnwindSafe(|| machine.simulate(seed, || body(data))));
        // The only thing of a run that outlives it.
        power::on_stop(|| ());
        if let Err(failure) = result {
            // A run in which everybody waits fails without a word.
            eprintln!("the run failed: {}", text(&*failure));
            resume_unwind(failure);
        }
    }
}

fn text(failure: &(dyn Any + Send)) -> &str {
    let string = failure.downcast_ref::<String>().map(String::as_str);
    string.or(failure.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}

/// Bytes that a machine has from its boot to its end, which is all that it needs to know.
fn lend<T>(bytes: &[T]) -> &'static [T] {
    // SAFETY: the kernel that is given them lives in a simulation, and `Boot::simulate` keeps them until that is over and its
    // threads have ended; leaking them instead would fill the memory in minutes.
    unsafe { &*ptr::from_ref(bytes) }
}

/// A copy with room before it, so that it can begin at a page's border; and where that is.
fn at_page_border(bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut room = vec![0; bytes.len() + PAGE_SIZE];
    let start = room.as_ptr().align_offset(PAGE_SIZE);
    room[start..start + bytes.len()].copy_from_slice(bytes);
    (room, start)
}

/// Sleeps for nanoseconds of the machine's time.
pub fn sleep(nanoseconds: u64) {
    let deadline = clock::monotonic() + nanoseconds;
    while clock::monotonic() < deadline {
        thread::park(Some(deadline));
    }
}

/// Has messages made, and thrown away: how they are made is code, too.
fn hear_log() {
    struct Nobody;

    impl log::Log for Nobody {
        fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            let mut line = String::new();
            // Writing to a string does not fail, unless what is written does.
            write!(line, "{}", record.args()).unwrap();
            if std::env::var_os("RUMPKIN_VERBOSE").is_some() {
                eprintln!("{:5} {line}", record.level());
            }
        }

        fn flush(&self) {}
    }

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails only if somebody else hears it already.
        let _ = log::set_logger(&Nobody);
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// Devices of a machine with this console and nothing else.
pub fn devices(console: Arc<dyn Console>) -> Devices {
    Devices { links: Vec::new(), disks: Vec::new(), console }
}
