//! The access log, in the Common Log Format.
use hyper::{Method, Uri, Version};
use std::io::Write;
use std::net::IpAddr;
use std::time::SystemTime;

/// Writes one line about an answered request to standard output. A reader that has gone away stops nothing.
pub fn request(client: IpAddr, method: &Method, target: &Uri, version: Version, status: u16, size: u64) {
    let target = target.to_string().replace('\\', "\\\\").replace('"', "\\\"");
    let time = time(SystemTime::now());
    let line = format!("{client} - - [{time}] \"{method} {target} {version:?}\" {status} {size}\n");
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// `time` as in `10/Oct/2000:13:55:36 +0000`.
fn time(time: SystemTime) -> String {
    // "Tue, 10 Oct 2000 13:55:36 GMT" has the same parts at fixed places.
    let date = httpdate::fmt_http_date(time);
    format!("{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_in_the_common_format() {
        let time_of_the_example = SystemTime::UNIX_EPOCH + Duration::from_secs(971_186_136);
        assert_eq!(time(time_of_the_example), "10/Oct/2000:13:55:36 +0000");
    }
}
