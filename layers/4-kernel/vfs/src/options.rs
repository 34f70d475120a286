//! Options of a mount as mount(8) and fstab(5) write them: `name` or `name=value`, separated by commas.

use crate::file_system::{FileSystemType, MountError};
use alloc::vec::Vec;
use rumpkin_abi::linux::general;
use rumpkin_collections::{TryVec, try_to_vec};

/// Options in a text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a>(pub &'a [u8]);

impl<'a> Options<'a> {
    /// Each name, with its value if it has one.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.0.split(|&byte| byte == b',').filter(|option| !option.is_empty()).map(|option| {
            let mut parts = option.splitn(2, |&byte| byte == b'=');
            (parts.next().unwrap_or_default(), parts.next())
        })
    }

    /// Refuses what is not an option of the type, or in a text of mount(8) of every file system.
    pub(crate) fn check(self, kind: &dyn FileSystemType, words: &[Word]) -> Result<(), MountError> {
        let known = kind.options();
        let Some((name, _)) = self.iter().find(|(name, _)| !known.iter().any(|known| known.as_bytes() == *name)) else {
            return Ok(());
        };
        let mut all = Vec::new();
        for name in known.iter().copied().chain(words.iter().map(|word| word.name)) {
            all.try_push(name)?;
        }
        Err(MountError::Option(try_to_vec(name)?, all))
    }
}

/// A word that mount(8) makes a flag of.
pub(crate) struct Word {
    name: &'static str,
    flag: u32,
    on: bool,
}

/// All of them, of those flags that mean something here.
pub(crate) const WORDS: [Word; 8] = [
    Word { name: "ro", flag: general::MS_RDONLY, on: true },
    Word { name: "rw", flag: general::MS_RDONLY, on: false },
    Word { name: "nosuid", flag: general::MS_NOSUID, on: true },
    Word { name: "suid", flag: general::MS_NOSUID, on: false },
    Word { name: "nodev", flag: general::MS_NODEV, on: true },
    Word { name: "dev", flag: general::MS_NODEV, on: false },
    Word { name: "relatime", flag: general::MS_RELATIME, on: true },
    Word { name: "defaults", flag: 0, on: true },
];

/// Takes the words out of a text of options: the flags that they stand for, and what is left for the file system.
pub(crate) fn split(options: &[u8]) -> Result<(u32, Vec<u8>), MountError> {
    let (mut flags, mut rest) = (0, Vec::new());
    for option in options.split(|&byte| byte == b',') {
        match WORDS.iter().find(|word| word.name.as_bytes() == option) {
            Some(word) if word.on => flags |= word.flag,
            Some(word) => flags &= !word.flag,
            None => {
                rest.try_extend_from_slice(option)?;
                rest.try_push(b',')?;
            }
        }
    }
    Ok((flags, rest))
}

/// A number of bytes, with one of the suffixes k, m, g, t or e of Linux's `memparse`.
pub fn bytes(text: &[u8]) -> Option<u64> {
    let (digits, shift) = match text.split_last()? {
        (b'k' | b'K', digits) => (digits, 10),
        (b'm' | b'M', digits) => (digits, 20),
        (b'g' | b'G', digits) => (digits, 30),
        (b't' | b'T', digits) => (digits, 40),
        (b'e' | b'E', digits) => (digits, 60),
        _ => (text, 0),
    };
    number(digits, 10)?.checked_mul(1u64.checked_shl(shift)?)
}

/// A number of digits alone.
pub fn number(text: &[u8], radix: u32) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    u64::from_str_radix(str::from_utf8(text).ok().filter(|_| digits)?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_flags_and_the_last_one_counts() {
        let (flags, rest) = split(b"ro,size=1m,,nodev,rw,mode=700").unwrap();
        assert_eq!((flags, &*rest), (general::MS_NODEV, &b"size=1m,,mode=700,"[..]));
        let options: Vec<_> = Options(&rest).iter().collect();
        assert_eq!(options, [(&b"size"[..], Some(&b"1m"[..])), (b"mode", Some(b"700"))]);
        assert_eq!(Options(b"a=b=c,d").iter().last(), Some((&b"d"[..], None)));
    }

    #[test]
    fn sizes_and_permissions_are_numbers_and_nothing_else() {
        for (text, value) in [("0", 0), ("17", 17), ("4k", 4096), ("3M", 3 << 20), ("2g", 2 << 30)] {
            assert_eq!(bytes(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", "k", "-1", "+1", "1.5m", "1mm", "99999999999999999999", "17e"] {
            assert_eq!(bytes(text.as_bytes()), None, "{text}");
        }
        assert_eq!((number(b"1777", 8), number(b"0700", 8)), (Some(0o1777), Some(0o700)));
        for text in ["", "8", "+7", "rwx"] {
            assert_eq!(number(text.as_bytes(), 8), None, "{text}");
        }
    }
}
