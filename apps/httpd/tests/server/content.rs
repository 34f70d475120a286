//! What is answered to whom: contents, ranges, conditions, redirects, refusals.
use crate::common::{LARGE, Server, age, large_byte};

#[test]
fn files_come_whole_and_typed() {
    let server = Server::start(&[]);
    for (target, content, kind) in [
        ("/", "<h1>index</h1>", "text/html; charset=utf-8"),
        ("/index.html", "<h1>index</h1>", "text/html; charset=utf-8"),
        ("/empty.txt", "", "text/plain; charset=utf-8"),
        ("/one.txt", "1", "text/plain; charset=utf-8"),
        ("/dir/", "dir", "text/html; charset=utf-8"),
        ("/dir/sub%20dir/a+b%25.json", "{}", "application/json"),
        ("/one.txt?query", "1", "text/plain; charset=utf-8"),
        ("//one.txt", "1", "text/plain; charset=utf-8"),
        ("http://test/one.txt", "1", "text/plain; charset=utf-8"),
    ] {
        let response = server.get(target, "");
        assert_eq!((response.status, response.text()), (200, content), "{target}");
        assert_eq!(response.header("content-type"), Some(kind), "{target}");
        assert_eq!(response.header("content-length"), Some(&*content.len().to_string()), "{target}");
        assert_eq!(response.header("accept-ranges"), Some("bytes"));
        assert!(response.header("date").is_some());
    }
    let large = server.get("/large.bin", "");
    assert_eq!(large.body.len(), LARGE);
    assert!(large.body.iter().enumerate().all(|(index, byte)| *byte == large_byte(index)));
}

#[test]
fn head_tells_of_the_body_without_it() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let response = client.request("HEAD", "/large.bin", "Range: bytes=0-1\r\n");
    assert_eq!((response.status, response.header("content-length")), (200, Some("10485760")));
    // Had there been a body, the next response would begin in it.
    assert_eq!(client.request("HEAD", "/absent", "").status, 404);
    assert_eq!(client.request("GET", "/one.txt", "").text(), "1");
}

#[test]
fn ranges_are_parts() {
    let server = Server::start(&[]);
    for (range, content, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-100", "56789", "bytes 5-9/10"),
    ] {
        let response = server.get("/ten.txt", &format!("Range: {range}\r\n"));
        assert_eq!((response.status, response.text()), (206, content), "{range}");
        assert_eq!(response.header("content-range"), Some(content_range));
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let response = server.get("/ten.txt", &format!("Range: {range}\r\n"));
        assert_eq!((response.status, response.header("content-range")), (416, Some("bytes */10")), "{range}");
    }
    for range in ["bytes=0-1,3-4", "bytes=x", "lines=1-2", "bytes=5-2"] {
        assert_eq!(server.get("/ten.txt", &format!("Range: {range}\r\n")).status, 200, "{range}");
    }
    let middle = server.get("/large.bin", "Range: bytes=5000001-6000000\r\n");
    assert_eq!(middle.body.len(), 1_000_000);
    assert!(middle.body.iter().enumerate().all(|(index, byte)| *byte == large_byte(5_000_001 + index)));
}

#[test]
fn conditions_compare_versions() {
    let server = Server::start(&[]);
    age(&server.root().join("ten.txt"));
    let plain = server.get("/ten.txt", "");
    let tag = plain.header("etag").unwrap();
    let date = plain.header("last-modified").unwrap();
    assert_eq!(date, "Sun, 09 Sep 2001 01:46:40 GMT");
    let (earlier, later) = ("Sat, 08 Sep 2001 00:00:00 GMT", "Mon, 10 Sep 2001 00:00:00 GMT");
    for (headers, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        ("If-None-Match: \"x\"\r\n".into(), 200),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"), 200),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        (format!("If-Modified-Since: {later}\r\n"), 304),
        (format!("If-Modified-Since: {earlier}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".into(), 200),
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Match: \"x\"\r\n".into(), 412),
        (format!("If-Match: W/{tag}\r\n"), 412),
        (format!("If-Unmodified-Since: {earlier}\r\n"), 412),
        (format!("If-Unmodified-Since: {date}\r\n"), 200),
        (format!("Range: bytes=0-1\r\nIf-Range: {tag}\r\n"), 206),
        (format!("Range: bytes=0-1\r\nIf-Range: {date}\r\n"), 206),
        ("Range: bytes=0-1\r\nIf-Range: \"x\"\r\n".into(), 200),
    ] {
        let response = server.get("/ten.txt", &headers);
        assert_eq!(response.status, status, "{headers}");
        if status == 304 {
            assert_eq!(response.header("etag"), Some(tag));
            assert_eq!(response.header("content-length"), None);
        }
    }
}

#[test]
fn a_changed_file_has_another_tag() {
    let server = Server::start(&[]);
    let tag = |server: &Server| server.get("/one.txt", "").header("etag").unwrap().to_owned();
    let before = tag(&server);
    assert_eq!(tag(&server), before);
    age(&server.root().join("one.txt"));
    assert_ne!(tag(&server), before);
}

#[test]
fn directories_lead_to_their_slash() {
    let server = Server::start(&[]);
    for (target, location) in
        [("/dir", "/dir/"), ("/dir?a=b", "/dir/?a=b"), ("/dir/sub%20dir", "/dir/sub%20dir/"), ("//dir", "/dir/")]
    {
        let response = server.get(target, "");
        assert_eq!((response.status, response.header("location")), (301, Some(location)), "{target}");
    }
    assert_eq!(server.get("/dir/sub%20dir/", "").status, 404);
}

#[test]
fn nothing_outside_the_root_is_served() {
    let server = Server::start(&[]);
    for target in [
        "/../secret",
        "/dir/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "/dir/%2E%2E/%2E%2E/secret",
        "/.%2e/secret",
        "//../secret",
        "/link",
    ] {
        let response = server.get(target, "");
        assert_eq!(response.status, 403, "{target}");
        assert!(!response.text().contains("secret"), "{target}");
    }
    for target in ["/secret", "/%252e%252e/secret", "/..\\secret", "/one.txt/", "/one.txt/x"] {
        assert_eq!(server.get(target, "").status, 404, "{target}");
    }
    assert_eq!(server.get("/a%00b", "").status, 400);
    assert_eq!(server.get(&format!("/{}", "a/".repeat(3000)), "").status, 404);
}

#[test]
fn other_methods_are_refused() {
    let server = Server::start(&[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let response = server.connect().request(method, "/one.txt", "");
        assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}
