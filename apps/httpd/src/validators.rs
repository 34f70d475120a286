//! Conditional requests (RFC 9110 §13).
use crate::files::Entry;
use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use std::time::{Duration, SystemTime};

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// The client has this version: 304.
    NotModified,
    /// The client wants another version: 412.
    Failed,
}

/// Evaluates the conditions, in the order of RFC 9110 §13.2.2.
pub fn evaluate(headers: &HeaderMap, entry: &Entry) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !matches(headers, IF_MATCH, &entry.tag, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, IF_UNMODIFIED_SINCE), entry.modified)
        && whole_second(modified) > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if matches(headers, IF_NONE_MATCH, &entry.tag, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, IF_MODIFIED_SINCE), entry.modified)
        && whole_second(modified) <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a `Range` header counts: there is no `If-Range`, or it names this version (RFC 9110 §13.1.5).
pub fn range_applies(headers: &HeaderMap, entry: &Entry) -> bool {
    let Some(value) = headers.get(IF_RANGE).map(|value| value.to_str().unwrap_or_default()) else {
        return true;
    };
    value.trim() == entry.tag
        || matches!((httpdate::parse_http_date(value).ok(), entry.modified), (Some(date), Some(time)) if date == whole_second(time))
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether the list of tags in the header has `tag`, or is `*`.
fn matches(headers: &HeaderMap, name: HeaderName, tag: &str, comparison: Comparison) -> bool {
    // A comma inside a tag would split it; ours have none, so what is split cannot match.
    let candidates =
        headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    candidates.map(str::trim).any(|candidate| {
        let candidate = match comparison {
            Comparison::Weak => candidate.strip_prefix("W/").unwrap_or(candidate),
            Comparison::Strong => candidate,
        };
        candidate == "*" || candidate == tag
    })
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// HTTP dates have no fractions.
fn whole_second(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
