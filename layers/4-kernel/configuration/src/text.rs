//! JSON strings as they stand in a text, between their quotation marks.

use alloc::{borrow::Cow, collections::TryReserveError, string::String};
use core::{cmp::Ordering, str::Chars};

/// A string that has been found well-formed, escape sequences and all.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a>(pub &'a str);

impl<'a> Raw<'a> {
    /// What it stands for. Memory is taken only if there are escape sequences.
    pub fn decode(self) -> Result<Cow<'a, str>, TryReserveError> {
        if self.is_plain() {
            return Ok(Cow::Borrowed(self.0));
        }
        let mut decoded = String::new();
        // No escape sequence is shorter than what it stands for.
        decoded.try_reserve_exact(self.0.len())?;
        decoded.extend(self.characters());
        Ok(Cow::Owned(decoded))
    }

    /// The characters that it stands for.
    pub fn characters(self) -> Characters<'a> {
        Characters(self.0.chars())
    }

    /// The order of what two of them stand for.
    pub fn compare(self, other: Raw<'_>) -> Ordering {
        if self.is_plain() && other.is_plain() {
            // UTF-8 is in the order of its characters.
            self.0.cmp(other.0)
        } else {
            self.characters().cmp(other.characters())
        }
    }

    fn is_plain(self) -> bool {
        !self.0.as_bytes().contains(&b'\\')
    }
}

/// Walks the characters that a string stands for.
pub struct Characters<'a>(Chars<'a>);

impl Characters<'_> {
    fn code_unit(&mut self) -> u16 {
        self.0.by_ref().take(4).fold(0, |unit, digit| unit << 4 | digit.to_digit(16).unwrap_or(0) as u16)
    }
}

impl Iterator for Characters<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.0.next()? {
            '\\' => Some(match self.0.next()? {
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let first = self.code_unit();
                    return char::from_u32(first.into()).or_else(|| {
                        // The second half of a surrogate pair is behind another `\u`.
                        self.0.nth(1);
                        char::decode_utf16([first, self.code_unit()]).next()?.ok()
                    });
                }
                itself => itself,
            }),
            itself => Some(itself),
        }
    }
}
