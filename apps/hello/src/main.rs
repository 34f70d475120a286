//! The smallest program: one line, then its arguments, environment and input on request.
//!
//! ```text
//! hello [--args] [--env] [--echo] [--exit STATUS]
//! ```
#![forbid(unsafe_code)]
use std::env;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

const USAGE: &str = "usage: hello [--args] [--env] [--echo] [--exit STATUS]";

/// What the command line asks for.
#[derive(Debug, Default, Eq, PartialEq)]
struct Options {
    arguments: bool,
    environment: bool,
    echo: bool,
    status: u8,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--args" => options.arguments = true,
                "--env" => options.environment = true,
                "--echo" => options.echo = true,
                "--exit" => {
                    let status = arguments.next().ok_or("--exit needs a status")?;
                    options.status = status.parse().map_err(|_| format!("not a status from 0 to 255: {status}"))?;
                }
                _ => return Err(format!("unknown argument: {argument}")),
            }
        }
        Ok(options)
    }
}

fn run(options: &Options) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "hello, world")?;
    if options.arguments {
        for (index, argument) in env::args_os().enumerate() {
            write!(out, "argv[{index}] ")?;
            out.write_all(argument.as_bytes())?;
            writeln!(out)?;
        }
    }
    if options.environment {
        let mut variables: Vec<_> = env::vars_os().collect();
        variables.sort();
        for (name, value) in variables {
            out.write_all(name.as_bytes())?;
            write!(out, "=")?;
            out.write_all(value.as_bytes())?;
            writeln!(out)?;
        }
    }
    if options.echo {
        io::copy(&mut io::stdin().lock(), &mut out)?;
    }
    out.flush()
}

fn main() -> ExitCode {
    let arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("hello: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::from(options.status),
        Err(error) => {
            eprintln!("hello: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_combine() {
        let expected = Options { arguments: true, environment: true, echo: true, status: 7 };
        assert_eq!(parse("--exit 7 --echo --env --args"), Ok(expected));
        assert_eq!(parse(""), Ok(Options::default()));
    }

    #[test]
    fn bad_arguments_are_refused() {
        for line in ["--exit", "--exit 256", "--exit -1", "--exit x", "--hello", "x"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
