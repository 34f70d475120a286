//! From a request to its response.
use crate::body::Body;
use crate::files::{Entry, Found, Refusal, Site};
use crate::mime;
use crate::range::{self, Wanted};
use crate::validators::{self, Verdict};
use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, LOCATION,
    RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// Answers `request` from the files of `site`.
pub fn respond<B>(site: &Site, request: &Request<B>) -> Response<Body> {
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => found(site, request),
        _ => {
            let mut response = message(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, METHODS);
            response
        }
    };
    let size = response.body().size();
    if response.status() != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(CONTENT_LENGTH, size.into());
    }
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Text(Bytes::new());
    }
    response
}

fn found<B>(site: &Site, request: &Request<B>) -> Response<Body> {
    match site.find(request.uri().path()) {
        Ok(Found::File(entry)) => file(entry, request.method(), request.headers()),
        Ok(Found::Directory) => redirect(request.uri()),
        Err(refusal) => message(match refusal {
            Refusal::Malformed => StatusCode::BAD_REQUEST,
            Refusal::Forbidden => StatusCode::FORBIDDEN,
            Refusal::Absent => StatusCode::NOT_FOUND,
            Refusal::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }),
    }
}

/// A short text that says no more than the status.
fn message(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Text(format!("{status}\n").into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// To the same directory, with the slash at the end that relative links need.
fn redirect(target: &Uri) -> Response<Body> {
    // One slash at the beginning: two would name another host.
    let path = target.path().trim_start_matches('/');
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(location) = HeaderValue::try_from(format!("/{path}/{query}")) else {
        return message(StatusCode::BAD_REQUEST);
    };
    let mut response = message(StatusCode::MOVED_PERMANENTLY);
    response.headers_mut().insert(LOCATION, location);
    response
}

fn file(entry: Entry, method: &Method, headers: &HeaderMap) -> Response<Body> {
    let verdict = validators::evaluate(headers, &entry);
    let wanted = match headers.get(RANGE) {
        Some(value) if method == Method::GET && validators::range_applies(headers, &entry) => {
            range::wanted(value.to_str().ok(), entry.size)
        }
        _ => Wanted::Whole,
    };
    let mut response = match (verdict, wanted) {
        (Verdict::NotModified, _) => with_status(StatusCode::NOT_MODIFIED, Body::Text(Bytes::new())),
        (Verdict::Failed, _) => return message(StatusCode::PRECONDITION_FAILED),
        (Verdict::Proceed, Wanted::Unsatisfiable) => {
            let mut response = message(StatusCode::RANGE_NOT_SATISFIABLE);
            set(response.headers_mut(), CONTENT_RANGE, format!("bytes */{}", entry.size));
            return response;
        }
        (Verdict::Proceed, Wanted::Part(rest)) => {
            let content_range = format!("bytes {}-{}/{}", rest.start, rest.end - 1, entry.size);
            let mut response = with_status(StatusCode::PARTIAL_CONTENT, Body::File { file: entry.file, rest });
            set(response.headers_mut(), CONTENT_RANGE, content_range);
            response
        }
        (Verdict::Proceed, Wanted::Whole) => Response::new(Body::File { file: entry.file, rest: 0..entry.size }),
    };
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime::of(&entry.path)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(headers, ETAG, entry.tag);
    if let Some(modified) = entry.modified {
        set(headers, LAST_MODIFIED, httpdate::fmt_http_date(modified));
    }
    response
}

fn with_status(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Sets a header whose value we made ourselves, of digits and ASCII.
fn set(headers: &mut HeaderMap, name: hyper::header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
