//! The console as a terminal (termios(3)): lines as they are typed, with echo, or bytes in raw mode.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use rumpkin_abi::{
    Errno, Stat,
    linux::{general, ioctl},
};
use rumpkin_collections::{OutOfMemory, TryDeque, TryVec, try_with_capacity};
use rumpkin_spine::{
    file::{Caller, File},
    io::{Sink, Source, read_value, write_value},
    wait::{Events, WaitQueue},
};
use rumpkin_vfs::{
    console,
    devices::{Driver, device_stat},
};
use rumpuser::{
    device::{self, Console},
    sync::Mutex,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most bytes of input that wait to be read (`N_TTY_BUF_SIZE`).
const MAX_INPUT: usize = 4096;

/// `struct termios` as the kernel has it.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Settings {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    line: u8,
    characters: [u8; 19],
}

/// `struct winsize`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct WindowSize {
    rows: u16,
    columns: u16,
    width: u16,
    height: u16,
}

impl Default for Settings {
    /// Linux's `tty_std_termios`.
    fn default() -> Self {
        Settings {
            input: general::ICRNL | general::IXON,
            output: general::OPOST | general::ONLCR,
            control: general::B38400 | general::CS8 | general::CREAD | general::HUPCL,
            local: general::ISIG
                | general::ICANON
                | general::ECHO
                | general::ECHOE
                | general::ECHOK
                | general::ECHOCTL
                | general::ECHOKE
                | general::IEXTEN,
            line: 0,
            // ^C ^\ DEL ^U ^D, time 0, least 1, …
            characters: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
        }
    }
}

struct Input {
    settings: Settings,
    window: WindowSize,
    /// The line that is being typed.
    line: Vec<u8>,
    /// Complete lines, or all bytes in raw mode.
    ready: VecDeque<u8>,
    /// Ends of lines in `ready`, as counts of bytes; an empty line is an end of file.
    lines: VecDeque<usize>,
}

/// The console.
pub struct ConsoleFile {
    console: Arc<dyn Console>,
    input: Mutex<Input>,
    queue: WaitQueue,
}

impl ConsoleFile {
    /// The console of this device.
    #[expect(clippy::disallowed_methods, reason = "once, at boot")]
    pub fn new(console: Arc<dyn Console>) -> Arc<ConsoleFile> {
        let window = WindowSize { rows: 25, columns: 80, width: 0, height: 0 };
        let input = Input {
            settings: Settings::default(),
            window,
            line: Vec::new(),
            ready: VecDeque::new(),
            lines: VecDeque::new(),
        };
        let file = Arc::new(ConsoleFile { console, input: Mutex::new(input), queue: WaitQueue::new() });
        let weak = Arc::downgrade(&file);
        let typed = move || {
            if let Some(file) = weak.upgrade() {
                file.queue.notify(Events::READ | Events::READ_NORMAL);
            }
        };
        match device::notify_on_thread(Arc::new(typed)) {
            Ok(notify) => file.console.set_notify(notify),
            Err(OutOfMemory) => {
                log::error!("no memory to be notified by the console: whoever waits for input waits on")
            }
        }
        file
    }

    /// Takes what has been typed, up to the room that there is.
    fn fetch(&self, input: &mut Input) {
        let mut chunk = [0; 64];
        // Without memory for it, it stays where it is.
        while input.ready.len().saturating_add(input.line.len()) < MAX_INPUT && input.make_room(chunk.len()).is_ok() {
            let count = self.console.read(&mut chunk);
            if count == 0 {
                break;
            }
            for &byte in chunk.iter().take(count) {
                self.typed(input, byte);
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "`fetch` has made room")]
    fn typed(&self, input: &mut Input, byte: u8) {
        let settings = input.settings;
        let local = |flag: u32| settings.local & flag != 0;
        let special = |index: u32| settings.characters.get(index as usize).copied().filter(|&byte| byte != 0);
        let byte = if byte == b'\r' && settings.input & general::ICRNL != 0 { b'\n' } else { byte };
        let echo = |data: &[u8]| {
            if local(general::ECHO) {
                self.console.write(data);
            }
        };
        if !local(general::ICANON) {
            input.ready.push_back(byte);
            echo(&[byte]);
            return;
        }
        let code = Some(byte);
        if code == special(general::VERASE) {
            if input.line.pop().is_some() {
                echo(b"\x08 \x08");
            }
        } else if code == special(general::VKILL) {
            for _ in 0..input.line.len() {
                echo(b"\x08 \x08");
            }
            input.line.clear();
        } else if code == special(general::VEOF) {
            input.complete();
        } else if byte == b'\n' || code == special(general::VEOL) {
            echo(b"\r\n");
            input.line.push(byte);
            input.complete();
        } else {
            input.line.push(byte);
            echo(&[byte]);
        }
    }

    fn set(&self, argument: usize, flush: bool) -> Result<usize, Errno> {
        let settings: Settings = read_value(argument)?;
        let mut input = self.input.lock();
        if flush {
            input.ready.clear();
            input.lines.clear();
            input.line.clear();
        }
        // What has been typed so far counts as read when lines no longer matter.
        if settings.local & general::ICANON == 0 {
            let line = core::mem::take(&mut input.line);
            input.append(line);
            input.lines.clear();
        } else if input.settings.local & general::ICANON == 0 && !input.ready.is_empty() {
            let count = input.ready.len();
            input.lines.try_push_back(count)?;
        }
        input.settings = settings;
        Ok(0)
    }
}

impl Input {
    #[expect(clippy::disallowed_methods, reason = "`make_room` has made room")]
    fn complete(&mut self) {
        let line = core::mem::take(&mut self.line);
        self.lines.push_back(line.len());
        self.append(line);
    }

    #[expect(clippy::disallowed_methods, reason = "`make_room` counts what is in the line")]
    fn append(&mut self, line: Vec<u8>) {
        self.ready.extend(line);
    }

    /// Asks for what so many bytes take, whatever they are: they end lines, or go on with one that will end.
    fn make_room(&mut self, count: usize) -> Result<(), OutOfMemory> {
        self.line.try_reserve_more(count)?;
        self.lines.try_reserve_more(count)?;
        self.ready.try_reserve_more(self.line.len().saturating_add(count))
    }

    fn raw(&self) -> bool {
        self.settings.local & general::ICANON == 0
    }

    fn readable(&self) -> bool {
        if self.raw() { !self.ready.is_empty() } else { !self.lines.is_empty() }
    }

    /// Takes at most `most` bytes, of one line. `EAGAIN` if there is none yet.
    fn take(&mut self, most: usize) -> Result<Vec<u8>, Errno> {
        if !self.readable() {
            return Err(Errno::EAGAIN);
        }
        let whole = if self.raw() { self.ready.len() } else { self.lines.front().copied().unwrap_or(0) };
        let count = whole.min(most).min(self.ready.len());
        let mut taken = try_with_capacity(count)?;
        for byte in self.ready.drain(..count) {
            taken.try_push(byte)?;
        }
        match self.lines.front_mut() {
            Some(left) if count < whole => *left = whole.saturating_sub(count),
            Some(_) => drop(self.lines.pop_front()),
            None => {}
        }
        Ok(taken)
    }
}

impl Driver for ConsoleFile {
    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        Ok(self)
    }
}

impl File for ConsoleFile {
    fn read(&self, _position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let line = {
            let mut input = self.input.lock();
            self.fetch(&mut input);
            input.take(destination.room().min(MAX_INPUT))?
        };
        if line.is_empty() { Ok(0) } else { destination.put(&line) }
    }

    fn write(&self, _position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        console::write(&*self.console, source)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { device: 6, inode: 1, ..device_stat(general::S_IFCHR, console::NUMBER) })
    }

    fn poll(&self) -> Events {
        let mut input = self.input.lock();
        self.fetch(&mut input);
        let mut events = Events::WRITE | Events::WRITE_NORMAL;
        events.set(Events::READ | Events::READ_NORMAL, input.readable());
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn ioctl(&self, caller: &dyn Caller, command: u32, argument: usize) -> Result<usize, Errno> {
        match command {
            ioctl::TCGETS => {
                let settings = self.input.lock().settings;
                write_value(argument, &settings)?;
            }
            ioctl::TCSETS | ioctl::TCSETSW => return self.set(argument, false),
            ioctl::TCSETSF => return self.set(argument, true),
            ioctl::TIOCGWINSZ => {
                let window = self.input.lock().window;
                write_value(argument, &window)?;
            }
            ioctl::TIOCSWINSZ => {
                let window = read_value(argument)?;
                self.input.lock().window = window;
            }
            ioctl::TIOCGPGRP => write_value(argument, &caller.process_id())?,
            ioctl::TIOCSCTTY | ioctl::TIOCSPGRP | ioctl::TCSBRK => {}
            ioctl::FIONREAD => {
                let count = self.input.lock().ready.len();
                write_value(argument, &(count as i32))?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
