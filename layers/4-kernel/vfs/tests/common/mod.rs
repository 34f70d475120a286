//! A program without code: makes system calls on a kernel that has only the file system, on the hosted hypercalls.
//!
//! `plain.erofs` and `inline.erofs` hold the same tree, made by mkfs.erofs 1.5 with and without `-E noinline_data`.

#![allow(dead_code)]

use rumpkin_abi::{Errno, Stat, linux::general, system_call_number};
use rumpkin_mm::{Mm, Request, Source};
use rumpkin_spine::{
    Kernel,
    config::Config,
    process::{Process, Program, Thread},
};
use rumpuser::{boot::BootData, device::Devices, memory::Protection, user};
use rumpuser_hosted::{
    Terminal,
    disk::{MemoryDisk, SECTOR},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use zerocopy::{FromBytes, IntoBytes};

#[repr(align(4096))]
struct Aligned<T: ?Sized>(T);
static IMAGE: &Aligned<[u8]> = &Aligned(*include_bytes!("../plain.erofs"));

pub const CWD: usize = general::AT_FDCWD as usize;
const MEMORY: usize = 4 << 20;

/// Bytes of the first disk.
pub const DISK: usize = 64 * SECTOR;

/// A program with one thread, which is the test's.
pub struct Guest {
    pub process: Arc<Process>,
    pub thread: Arc<Thread>,
    pub terminal: Arc<Terminal>,
    /// `/dev/vda`.
    pub disk: Arc<MemoryDisk>,
    memory: usize,
    used: AtomicUsize,
}

impl Guest {
    /// On a kernel that has the file system alone.
    pub fn new() -> Guest {
        Guest::with(&[])
    }

    /// On a kernel that has these components besides.
    pub fn with(components: &[fn(&mut Kernel)]) -> Guest {
        Guest::on(MemoryDisk::new(vec![0; DISK], 0), components)
    }

    /// The same, with this disk.
    pub fn on(disk: Arc<MemoryDisk>, components: &[fn(&mut Kernel)]) -> Guest {
        rumpuser_hosted::set_boot_data(BootData { root_file_system: Some(&IMAGE.0), ..BootData::default() });
        let terminal = Arc::new(Terminal::default());
        let read_only = MemoryDisk::new_read_only(vec![0; 8 * SECTOR], 0);
        let devices = Devices { links: Vec::new(), disks: vec![disk.clone(), read_only], console: terminal.clone() };
        let mut kernel = Kernel::new(Config::default(), devices);
        rumpkin_vfs::register(&mut kernel);
        rumpkin_erofs::register(&mut kernel);
        rumpkin_tmpfs::register(&mut kernel);
        rumpkin_proc::register(&mut kernel);
        rumpkin_dev::register(&mut kernel);
        components.iter().for_each(|register| register(&mut kernel));
        kernel.add_generated_file("/etc/resolv.conf", |_| Ok(b"nameserver 10.0.2.3\n".to_vec()));
        kernel.add_stand_in_file("/etc/hosts", |_| Ok(b"generated\n".to_vec()));
        kernel.add_stand_in_file("/etc/hostname", |kernel| Ok(kernel.config.hostname.clone().into_bytes()));
        kernel.add_generated_file("/made/up/file", |_| Ok(b"made up\n".to_vec()));
        kernel.add_generated_file("/run/secrets/deep/key", |_| Ok(vec![7; 5000]));
        let kernel = Arc::new(kernel);
        kernel.start();
        let mut program = Program { path: b"/bin/tool".to_vec(), ..Program::default() };
        program.arguments.push([b"tool"]).unwrap();
        program.arguments.push([b"-x"]).unwrap();
        program.environment.push([b"K=V"]).unwrap();
        let process = Process::new(&kernel, Mm::new().unwrap(), program).unwrap();
        let thread = Thread::new(process.id, process.clone()).unwrap();
        thread.attach();
        process.add_thread(thread.clone()).unwrap();
        process.memory.activate();
        let protection = Protection::READ | Protection::WRITE;
        let source = Source::Anonymous { shared: false };
        let request = Request { address: 0, fixed: false, replace: false, length: MEMORY, protection, source };
        let memory = process.memory.map(request).unwrap();
        let console = rumpkin_vfs::open_console(&kernel).unwrap();
        for _ in 0..3 {
            process.descriptors.insert(console.clone(), false, 0).unwrap();
        }
        Guest { process, thread, terminal, disk, memory, used: AtomicUsize::new(0) }
    }

    pub fn call(&self, name: &str, arguments: &[usize]) -> Result<usize, Errno> {
        rumpkin_program::call_as(&self.thread, system_call_number(name), arguments)
    }

    /// Room in the program's memory.
    pub fn room(&self, length: usize) -> usize {
        let at = self.used.fetch_add(length.next_multiple_of(16), Ordering::Relaxed);
        assert!(at + length <= MEMORY);
        self.memory + at
    }

    pub fn bytes(&self, bytes: &[u8]) -> usize {
        let at = self.room(bytes.len());
        user::write(at, bytes).unwrap();
        at
    }

    pub fn text(&self, text: &str) -> usize {
        self.bytes(&[text.as_bytes(), b"\0"].concat())
    }

    pub fn peek(&self, address: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        user::read(address, &mut bytes).unwrap();
        bytes
    }

    pub fn value<T: FromBytes + IntoBytes>(&self, address: usize) -> T {
        T::read_from_bytes(&self.peek(address, size_of::<T>())).unwrap()
    }

    pub fn open(&self, path: &str, flags: u32) -> Result<usize, Errno> {
        self.call("openat", &[CWD, self.text(path), flags as usize, 0o644])
    }

    pub fn read(&self, descriptor: usize, length: usize) -> Result<Vec<u8>, Errno> {
        let at = self.room(length);
        let done = self.call("read", &[descriptor, at, length])?;
        Ok(self.peek(at, done))
    }

    pub fn write(&self, descriptor: usize, bytes: &[u8]) -> Result<usize, Errno> {
        self.call("write", &[descriptor, self.bytes(bytes), bytes.len()])
    }

    pub fn content(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let file = self.open(path, general::O_RDONLY)?;
        let mut content = Vec::new();
        loop {
            let more = self.read(file, 8192)?;
            if more.is_empty() {
                self.call("close", &[file])?;
                return Ok(content);
            }
            content.extend(more);
        }
    }

    pub fn create(&self, path: &str, content: &[u8]) -> usize {
        let file = self.open(path, general::O_RDWR | general::O_CREAT | general::O_TRUNC).unwrap();
        assert_eq!(self.write(file, content), Ok(content.len()));
        file
    }

    pub fn stat(&self, path: &str) -> Result<Stat, Errno> {
        let at = self.room(size_of::<Stat>());
        self.call("stat", &[self.text(path), at])?;
        Ok(self.value(at))
    }

    pub fn lstat(&self, path: &str) -> Result<Stat, Errno> {
        let at = self.room(size_of::<Stat>());
        self.call("lstat", &[self.text(path), at])?;
        Ok(self.value(at))
    }

    pub fn readlink(&self, path: &str) -> Result<String, Errno> {
        let at = self.room(4096);
        let length = self.call("readlink", &[self.text(path), at, 4096])?;
        Ok(String::from_utf8(self.peek(at, length)).unwrap())
    }

    pub fn cwd(&self) -> Result<String, Errno> {
        let at = self.room(4096);
        let length = self.call("getcwd", &[at, 4096])?;
        Ok(String::from_utf8(self.peek(at, length - 1)).unwrap())
    }

    /// One call about one path.
    pub fn path(&self, name: &str, path: &str) -> Result<usize, Errno> {
        self.call(name, &[self.text(path), 0o755, 0])
    }

    pub fn two(&self, name: &str, one: &str, other: &str) -> Result<usize, Errno> {
        self.call(name, &[self.text(one), self.text(other)])
    }

    /// The names in a directory, read in small pieces, in order of appearance.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        let directory = self.open(path, general::O_RDONLY | general::O_DIRECTORY)?;
        let mut names = Vec::new();
        let at = self.room(200);
        loop {
            let length = self.call("getdents64", &[directory, at, 200])?;
            if length == 0 {
                self.call("close", &[directory])?;
                return Ok(names);
            }
            let bytes = self.peek(at, length);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let size = u16::from_le_bytes([rest[16], rest[17]]) as usize;
                let name = rest[19..size].split(|&byte| byte == 0).next().unwrap();
                names.push(String::from_utf8(name.to_vec()).unwrap());
                rest = &rest[size..];
            }
        }
    }
}
