//! Byte ranges (RFC 9110 §14).
use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// The whole file: there is no range, or one that may be ignored (malformed, another unit, more than one).
    Whole,
    /// These bytes, which the file has.
    Part(Range<u64>),
    /// Bytes that the file has not.
    Unsatisfiable,
}

/// Reads the value of a `Range` header for a file of `size` bytes.
pub fn wanted(header: Option<&str>, size: u64) -> Wanted {
    match header.and_then(|value| part(value, size)) {
        None => Wanted::Whole,
        Some(range) if range.is_empty() => Wanted::Unsatisfiable,
        Some(range) => Wanted::Part(range),
    }
}

/// The one range of `value`, cut to the file; empty if it lies outside.
fn part(value: &str, size: u64) -> Option<Range<u64>> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    if first.is_empty() {
        return Some(size.saturating_sub(number(last)?)..size);
    }
    let first = number(first)?;
    if last.is_empty() {
        return Some(first..size);
    }
    let last = number(last)?;
    if last < first {
        return None;
    }
    Some(first..size.min(last.saturating_add(1)))
}

/// A decimal number; one that is too large is larger than any file.
fn number(digits: &str) -> Option<u64> {
    let right = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_cut_to_the_file() {
        for (header, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
            ("bytes=9-99999999999999999999", 9..10),
            ("Bytes = 0-1", 0..2),
        ] {
            assert_eq!(wanted(Some(header), 10), Wanted::Part(range), "{header}");
        }
    }

    #[test]
    fn ranges_beyond_the_end_are_unsatisfiable() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(wanted(Some(header), 10), Wanted::Unsatisfiable, "{header}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn what_is_malformed_or_multiple_means_the_whole() {
        for header in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=+1-2", "lines=1-2", "bytes=0-1,3-4"]
        {
            assert_eq!(wanted(Some(header), 10), Wanted::Whole, "{header}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
    }
}
