//! The conformance program passes in a process, with every device that it asks for, and what it formats looks right.

use std::process::Command;

const LINES: [&str; 11] = [
    "# format |-1|   42|42   |-0042|+7| 7|005|",
    "# format |4000000000|5000000000|6|ff|0XFF|010|7|1|",
    "# format |abc|     abc|abc     |ab|(null)|z|%|   1|x|",
    "# format |0x1234|-9000000000|fedcba9876543210|-5|0|",
    "# putchar",
    "# disk0 was read back",
    "# disk1 was read-only",
    "# disk2 was broken",
    "# link 0 was answered",
    "# the queue of link 0 was full",
    "# a stop was asked for",
];

#[test]
fn every_hypercall_does_what_the_header_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_rumpuser-conformance")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let results = text.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(output.status.success() && !text.contains("not ok"), "{}\n{text}", output.status);
    assert!(results > 140 && text.contains(&format!("1..{results}\n")), "{text}");
    for line in LINES {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}
