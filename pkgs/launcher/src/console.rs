//! The guest's console: what it shows goes to standard output, into a memory of the latest, and to whoever is attached.
use crate::journal;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// So many of the latest bytes are kept for `rumpkin logs`.
const MEMORY: usize = 256 << 10;
/// A line longer than this is taken apart, as the journal would (journald.conf(5), "LineMax=").
const LONGEST_LINE: usize = 32 << 10;
/// So many pieces may wait for somebody who is attached; who is slower misses the rest.
const BACKLOG: usize = 1024;

/// A piece of what the guest has shown.
pub type Piece = Arc<[u8]>;

/// The console of one guest, shared by all who use it.
pub struct Console {
    /// Each line is to begin with its level, for the journal.
    levels: bool,
    output: Mutex<Output>,
    /// Where what is typed goes, once there is a guest.
    input: Mutex<Option<ChildStdin>>,
}

struct Output {
    /// Where it is shown.
    shown: Box<dyn Write + Send>,
    latest: VecDeque<u8>,
    attached: Vec<SyncSender<Piece>>,
    /// The line that has not ended yet, where lines matter.
    line: Vec<u8>,
    /// What a line has to contain, and who is told that one does.
    awaited: Option<(String, Box<dyn FnOnce() + Send>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Console {
    /// A console that is shown on `shown`, line by line with `levels`.
    pub fn new(levels: bool, shown: impl Write + Send + 'static) -> Console {
        let output =
            Output { shown: Box::new(shown), latest: VecDeque::new(), attached: vec![], line: vec![], awaited: None };
        Console { levels, output: Mutex::new(output), input: Mutex::new(None) }
    }

    /// Calls `then` when a line has ended that contains `text`.
    pub fn when_line(&self, text: String, then: impl FnOnce() + Send + 'static) {
        lock(&self.output).awaited = Some((text, Box::new(then)));
    }

    /// Takes over what `source` gives, to its end.
    pub fn pass_on(&self, mut source: impl Read) {
        let mut piece = [0; 4096];
        loop {
            match source.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => self.write(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.finish();
    }

    /// Takes what the guest shows.
    pub fn write(&self, bytes: &[u8]) {
        let mut output = lock(&self.output);
        let excess = (output.latest.len() + bytes.len()).saturating_sub(MEMORY).min(output.latest.len());
        output.latest.drain(..excess);
        output.latest.extend(bytes);
        if !output.attached.is_empty() {
            let piece: Piece = bytes.into();
            output.attached.retain(|listener| listener.try_send(Arc::clone(&piece)).is_ok());
        }
        if !self.levels {
            output.show(bytes);
        }
        if self.levels || output.awaited.is_some() {
            for &byte in bytes {
                output.line.push(byte);
                if byte == b'\n' || output.line.len() >= LONGEST_LINE {
                    self.end_line(&mut output);
                }
            }
        }
    }

    /// Shows what is left of a line that has not ended.
    pub fn finish(&self) {
        let mut output = lock(&self.output);
        if !output.line.is_empty() {
            self.end_line(&mut output);
        }
    }

    fn end_line(&self, output: &mut Output) {
        let line = std::mem::take(&mut output.line);
        let text = line.trim_ascii_end();
        if self.levels && !text.is_empty() {
            output.show(&journal::with_level(text));
        }
        let found = output.awaited.take_if(|(wanted, _)| contains(text, wanted.as_bytes()));
        if let Some((_, then)) = found {
            then();
        }
    }

    /// The latest that the guest has shown, and what it shows from then on.
    pub fn attach(&self) -> (Vec<u8>, Receiver<Piece>) {
        let (sender, receiver) = mpsc::sync_channel(BACKLOG);
        let mut output = lock(&self.output);
        output.attached.push(sender);
        (output.latest.iter().copied().collect(), receiver)
    }

    /// Connects what is typed with the guest.
    pub fn connect_input(&self, input: Option<ChildStdin>) {
        *lock(&self.input) = input;
    }

    /// Whether the guest can be typed to.
    pub fn has_input(&self) -> bool {
        lock(&self.input).is_some()
    }

    /// Hands `bytes` to the guest; blocks while it takes none.
    pub fn type_in(&self, bytes: &[u8]) {
        if let Some(input) = lock(&self.input).as_mut() {
            // Fails when the guest has just ended.
            let _ = input.write_all(bytes).and_then(|()| input.flush());
        }
    }

    /// Hands standard input to the guest from now on.
    pub fn type_from_standard_input(self: &Arc<Self>) {
        let console = Arc::clone(self);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = io::stdin().read(&mut piece) {
                console.type_in(piece.get(..count).unwrap_or_default());
            }
        });
    }
}

impl Output {
    fn show(&mut self, bytes: &[u8]) {
        // Whether anybody reads it does not concern the guest.
        let _ = self.shown.write_all(bytes).and_then(|()| self.shown.flush());
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_kept_and_the_rest_forgotten() {
        let console = Console::new(true, io::sink());
        for _ in 0..MEMORY / 1000 + 10 {
            console.write(&[b'x'; 1000]);
        }
        console.write(b"end\n");
        let (latest, _) = console.attach();
        assert_eq!(latest.len(), MEMORY);
        assert!(latest.ends_with(b"xend\n"));
    }

    #[test]
    fn who_is_attached_sees_what_follows_until_he_falls_behind() {
        let console = Console::new(true, io::sink());
        console.write(b"before");
        let (latest, pieces) = console.attach();
        assert_eq!(latest, b"before");
        for _ in 0..BACKLOG + 5 {
            console.write(b"a");
        }
        assert_eq!(pieces.iter().count(), BACKLOG);
    }

    #[test]
    fn lines_are_awaited_whole_wherever_they_are_cut() {
        let console = Console::new(true, io::sink());
        let (sender, found) = mpsc::channel();
        console.when_line("listening on".into(), move || sender.send(()).unwrap());
        console.write(b"not yet: listen");
        console.write(b"\ning on\nnow liste");
        assert!(found.try_recv().is_err());
        console.write(b"ning on port 80\r\n");
        found.try_recv().unwrap();
    }
}
