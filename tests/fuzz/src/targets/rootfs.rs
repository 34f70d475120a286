//! An EROFS image, whatever it is: mounted as the root, walked to a depth, each file read, mapped and asked for its attributes. An image
//! that lies gives errors; two ways of reading give the same bytes.

use crate::machine::{Boot, devices};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_program::{Program, ProgramThread};
use rumpkin_spine::{Kernel, config::Config};
use rumpuser::{memory::PAGE_SIZE, user};
use std::{collections::VecDeque, sync::Arc};

/// The most names that are looked at.
const MAX_NAMES: usize = 600;
/// Bytes of a file that are read.
const MAX_READ: usize = 1 << 17;
/// The most entries that are looked at of one directory.
const MAX_ENTRIES: usize = 200;
/// Bytes of the program's memory for answers.
const ROOM: usize = 4096;

pub fn run(data: &[u8]) {
    Boot { root: Some(data), ..Boot::default() }.simulate(0, |_| {
        let mut kernel = Kernel::new(Config::default(), devices(Arc::new(rumpuser_hosted::Terminal::default())));
        rumpkin_vfs::register(&mut kernel);
        rumpkin_erofs::register(&mut kernel);
        rumpkin_tmpfs::register(&mut kernel);
        rumpkin_proc::register(&mut kernel);
        rumpkin_dev::register(&mut kernel);
        rumpkin_signal::register(&mut kernel);
        rumpkin_process::register(&mut kernel);
        rumpkin_mmap::register(&mut kernel);
        kernel.add_stand_in_file("/etc/hosts", |_| Ok(b"made up\n".to_vec()));
        kernel.add_generated_file("/etc/made/up", |_| Ok(b"made up\n".to_vec()));
        let kernel = Arc::new(kernel);
        kernel.start();
        let program = Program::new(&kernel, "program").unwrap();
        let thread = program.thread().unwrap();
        Explorer::new(&thread).explore();
    });
}

struct Explorer<'a> {
    thread: &'a ProgramThread,
    room: usize,
}

impl<'a> Explorer<'a> {
    fn new(thread: &'a ProgramThread) -> Self {
        let protection = (general::PROT_READ | general::PROT_WRITE) as usize;
        let flags = (general::MAP_PRIVATE | general::MAP_ANONYMOUS) as usize;
        let room = thread.call(general::__NR_mmap, &[0, ROOM, protection, flags, usize::MAX, 0]).unwrap();
        Explorer { thread, room }
    }

    fn explore(&self) {
        let mut left = VecDeque::from([Vec::new()]);
        for _ in 0..MAX_NAMES {
            let Some(path) = left.pop_front() else { break };
            // What is not the image's own has tests of its own.
            if [&b"/proc"[..], b"/dev"].contains(&&path[..]) {
                continue;
            }
            self.look(&path);
            for name in self.names(&path).unwrap_or_default() {
                left.push_back([&path[..], b"/", &name].concat());
            }
        }
        assert_eq!(self.content(b"/etc/made/up").unwrap_or(b"made up\n".to_vec()), b"made up\n");
    }

    fn text(&self, path: &[u8]) -> Result<usize, Errno> {
        self.thread.argument(&[path, b"\0"].concat())
    }

    fn open(&self, path: &[u8], flags: u32) -> Result<usize, Errno> {
        self.thread.open(if path.is_empty() { b"/" } else { path }, flags)
    }

    /// Everything that can be asked about a path.
    fn look(&self, path: &[u8]) {
        for (call, after) in [
            (general::__NR_lstat, [self.room, 0]),
            (general::__NR_stat, [self.room, 0]),
            (general::__NR_readlink, [self.room, ROOM]),
            (general::__NR_access, [7, 0]),
            (general::__NR_statfs, [self.room, 0]),
            (general::__NR_chdir, [0, 0]),
        ] {
            let _ = self.text(path).and_then(|text| self.thread.call(call, &[text, after[0], after[1]]));
        }
        let _ = self.thread.call(general::__NR_getcwd, &[self.room, ROOM]);
        let _ = self.open(&[path, b"/.."].concat(), general::O_PATH).map(|file| self.thread.close(file));
        if let Ok(content) = self.content(path) {
            self.compare(path, &content);
        }
    }

    /// The beginning of a file, read through the call.
    fn content(&self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let file = self.open(path, general::O_RDONLY | general::O_NONBLOCK)?;
        let mut content = Vec::new();
        let result = loop {
            match self.thread.read(file, 5000) {
                Ok(more) if more.is_empty() => break Ok(content),
                Ok(more) => content.extend(more),
                Err(error) => break Err(error),
            }
            if content.len() > MAX_READ {
                break Ok(content);
            }
        };
        self.thread.close(file)?;
        result
    }

    /// The first pages of the file as they are mapped.
    fn compare(&self, path: &[u8], content: &[u8]) {
        let Ok(file) = self.open(path, general::O_RDONLY) else { return };
        let length = 4 * PAGE_SIZE;
        let (protection, flags) = (general::PROT_READ as usize, general::MAP_PRIVATE as usize);
        if let Ok(at) = self.thread.call(general::__NR_mmap, &[0, length, protection, flags, file, 0]) {
            for (index, page) in content.chunks(PAGE_SIZE).take(4).enumerate() {
                let mut mapped = vec![0; page.len()];
                if user::read(at + index * PAGE_SIZE, &mut mapped).is_ok() {
                    assert!(mapped == page, "page {index} of {} is not what is read", path.escape_ascii());
                }
            }
            self.thread.call(general::__NR_munmap, &[at, length]).unwrap();
        }
        self.thread.close(file).unwrap();
    }

    /// The names in a directory but for dots.
    fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
        let directory = self.open(path, general::O_RDONLY | general::O_DIRECTORY | general::O_NOFOLLOW)?;
        let mut names = Vec::new();
        while names.len() < MAX_ENTRIES {
            let Ok(length) = self.thread.call(general::__NR_getdents64, &[directory, self.room, ROOM]) else { break };
            let mut entries = vec![0; length];
            user::read(self.room, &mut entries).unwrap();
            let mut rest = &entries[..];
            if rest.is_empty() {
                break;
            }
            while !rest.is_empty() {
                let size = usize::from(u16::from_le_bytes([rest[16], rest[17]]));
                let name = rest[19..size].split(|&byte| byte == 0).next().unwrap_or_default();
                if name != b"." && name != b".." {
                    assert!(
                        !name.is_empty() && !name.contains(&b'/'),
                        "{} has the entry {name:?}",
                        path.escape_ascii()
                    );
                    names.push(name.to_vec());
                }
                rest = &rest[size..];
            }
        }
        self.thread.close(directory)?;
        Ok(names)
    }
}
