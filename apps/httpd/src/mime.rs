//! Media types by file name.
use std::path::Path;

const UNKNOWN: &str = "application/octet-stream";

/// Sorted by suffix.
const TYPES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type of the file called `path`.
pub fn of(path: &Path) -> &'static str {
    let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default().to_ascii_lowercase();
    TYPES.binary_search_by_key(&&*suffix, |(name, _)| name).map_or(UNKNOWN, |index| TYPES[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_sorted_and_found() {
        assert!(TYPES.is_sorted_by_key(|(suffix, _)| suffix));
        assert_eq!(of(Path::new("a/B.HTML")), "text/html; charset=utf-8");
        assert_eq!(of(Path::new("a.tar.gz")), "application/gzip");
        for unknown in ["a", ".html", "a.", "a.exe"] {
            assert_eq!(of(Path::new(unknown)), UNKNOWN, "{unknown}");
        }
    }
}
