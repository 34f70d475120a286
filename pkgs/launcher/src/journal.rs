//! The levels of console lines, in the form that the journal reads (sd-daemon(3), `<N>`).
use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// What a program shows without saying how important it is.
const INFORMATION: u8 = b'6';

/// Whether standard output leads straight to the journal (systemd.exec(5), "$JOURNAL_STREAM").
pub fn is_there() -> bool {
    let same = || {
        let stream = env::var("JOURNAL_STREAM").ok()?;
        let (device, inode) = stream.split_once(':')?;
        let output = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
        Some(device.parse() == Ok(output.dev()) && inode.parse() == Ok(output.ino()))
    };
    same().unwrap_or(false)
}

/// `line` with its level in front and an end.
pub fn with_level(line: &[u8]) -> Vec<u8> {
    let mut text = match line {
        // The program has said it itself.
        [b'<', b'0'..=b'7', b'>', ..] => vec![],
        _ => vec![b'<', level(line), b'>'],
    };
    text.extend(line);
    text.push(b'\n');
    text
}

/// The level of a line that does not begin with it.
fn level(line: &[u8]) -> u8 {
    if line.starts_with(b"kernel panic: ") {
        return b'2';
    }
    match kernel_level(line) {
        Some(b"error") => b'3',
        Some(b"warning") => b'4',
        Some(b"debug" | b"trace") => b'7',
        _ => INFORMATION,
    }
}

/// The level's name in a line of the guest's kernel, `[    0.012345] warning: …`.
fn kernel_level(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"[")?;
    let end = rest.iter().position(|byte| *byte == b']')?;
    let (time, rest) = rest.split_at(end);
    let digits = time.trim_ascii_start();
    if digits.is_empty() || !digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return None;
    }
    let rest = rest.strip_prefix(b"] ")?;
    rest.get(..rest.iter().position(|byte| *byte == b':')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_levels_are_kept() {
        for (line, expected) in [
            ("[    0.012345] error: disk 0: flush failed", "<3>"),
            ("[    0.012345] warning: system call", "<4>"),
            ("[   12.000001] info: asked to stop", "<6>"),
            ("[    0.000001] debug: x", "<7>"),
            ("[    0.000001] trace: x", "<7>"),
            ("kernel panic: out of memory", "<2>"),
            ("a program's line", "<6>"),
            ("[warning] warning: no time", "<6>"),
            ("[] error: no time", "<6>"),
            ("[", "<6>"),
            ("<9>no level", "<6>"),
        ] {
            assert_eq!(with_level(line.as_bytes()), format!("{expected}{line}\n").into_bytes());
        }
    }

    #[test]
    fn a_program_may_say_its_level_itself() {
        assert_eq!(with_level(b"<1>alert"), b"<1>alert\n");
    }
}
