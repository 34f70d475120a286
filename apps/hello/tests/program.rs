//! The program as a process: what it prints and how it ends.
use std::io::Write;
use std::process::{Command, Stdio};

fn hello() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hello"));
    command.env_clear();
    command
}

#[test]
fn greets_first_and_exits_with_the_status_asked_for() {
    let output = hello().args(["--exit", "42", "--args"]).output().unwrap();
    assert_eq!(output.status.code(), Some(42));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("hello, world\nargv[0] "), "{text}");
    assert!(text.ends_with("argv[1] --exit\nargv[2] 42\nargv[3] --args\n"), "{text}");
}

#[test]
fn shows_its_environment_sorted() {
    let output = hello().arg("--env").env("B", "2 3").env("A", "").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "hello, world\nA=\nB=2 3\n");
}

#[test]
fn echoes_its_input() {
    let mut child = hello().arg("--echo").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\ntwo").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"hello, world\none\ntwo");
}

#[test]
fn refuses_what_it_does_not_know() {
    let output = hello().arg("--nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--nonsense"));
}
