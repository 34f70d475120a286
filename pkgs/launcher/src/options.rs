//! The command line.
use crate::credentials::Credential;
use crate::guest::{Accelerator, Disk, Forward, Machine};
use crate::instance::is_name;
use crate::ready::Condition;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use thiserror::Error;

/// Runs unikernel images.
#[derive(Debug, Parser)]
#[command(name = "rumpkin", version)]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot an image and wait for its program to end.
    Run(Box<RunOptions>),
    /// Ask a running unikernel to stop, and wait until it has.
    Stop {
        #[arg(value_parser = parse_name)]
        name: String,
    },
    /// Say how a running unikernel is, or all of them.
    Status {
        #[arg(value_parser = parse_name)]
        name: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Connect this terminal with the console of a running unikernel.
    Console {
        #[arg(value_parser = parse_name)]
        name: String,
    },
    /// Show what the console of a running unikernel has shown of late.
    Logs {
        #[arg(value_parser = parse_name)]
        name: String,
        /// Go on until the unikernel ends.
        #[arg(long, short)]
        follow: bool,
    },
    /// Print a systemd unit for a unikernel (docs/launcher.md, "As a service").
    Unit {
        /// What to run and how, in JSON.
        spec: PathBuf,
    },
    /// Say what an image consists of.
    Inspect(InspectOptions),
}

/// Whether console lines carry levels.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Journal {
    /// If standard output is the journal.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What runs the guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Hypervisor {
    /// QEMU, with KVM or in software emulation.
    Qemu,
    /// Xen, on a host whose control domain this is.
    Xen,
}

#[derive(Args, Debug)]
pub struct RunOptions {
    /// The image.
    pub image: PathBuf,

    /// A name by which the commands stop, status, console and logs find it.
    #[arg(long, value_parser = parse_name)]
    pub name: Option<String>,
    /// What runs the guest.
    #[arg(long, value_enum, default_value_t = Hypervisor::Qemu)]
    pub hypervisor: Hypervisor,
    /// Memory of the guest, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub memory: u32,
    /// Processors of the guest.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub cpus: u32,
    /// Type of QEMU's machine.
    #[arg(long, value_enum, default_value_t = Machine::Microvm)]
    pub machine: Machine,
    /// How QEMU runs instructions; auto means KVM where /dev/kvm can be opened.
    #[arg(long, value_enum, default_value_t = Accelerator::Auto)]
    pub accel: Accelerator,
    /// QEMU's executable.
    #[arg(long, value_name = "PATH", default_value = "qemu-system-x86_64")]
    pub qemu: PathBuf,
    /// Have QEMU give up what it does not need of the system, by its seccomp filters.
    #[arg(long)]
    pub sandbox: bool,
    /// The executable of Xen's toolstack.
    #[arg(long, value_name = "PATH", default_value = "xl")]
    pub xl: PathBuf,

    /// Forward a port of the host, on 127.0.0.1 unless an address is given. Repeatable.
    #[arg(long, value_name = "[tcp:|udp:][ADDRESS:]HOST:GUEST", conflicts_with = "tap")]
    pub forward: Vec<Forward>,
    /// Attach the guest to this tap interface instead of a private user-mode network (QEMU).
    #[arg(long, value_name = "INTERFACE")]
    pub tap: Option<String>,
    /// Attach the guest to this bridge (Xen).
    #[arg(long, value_name = "BRIDGE", conflicts_with_all = ["tap", "forward"])]
    pub bridge: Option<String>,
    /// Hardware address of the guest's interface [default: made from the tap's name, or by Xen].
    #[arg(long, value_name = "MAC", value_parser = parse_mac)]
    pub mac: Option<String>,
    /// Largest packet on the guest's network, in bytes; its network's own otherwise (QEMU).
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(576..=9000))]
    pub mtu: Option<u16>,
    /// Have the host's kernel move the tap's packets (QEMU).
    #[arg(long, requires = "tap")]
    pub vhost: bool,
    /// A disk: a raw image or block device, /dev/vda and so on in the guest. Repeatable.
    #[arg(long, value_name = "FILE[:ro]")]
    pub disk: Vec<Disk>,

    /// Configuration that overrides the image's, key by key (docs/configuration.md).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Give the guest the file of --config as it is, whatever it holds, and do not look into the image either.
    #[arg(long, requires = "config", conflicts_with_all = ["env", "hostname", "address", "gateway", "nameserver", "arguments"])]
    pub unchecked: bool,
    /// Set a variable in the program's environment. Repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub env: Vec<(String, String)>,
    /// The guest's host name.
    #[arg(long)]
    pub hostname: Option<String>,
    /// The guest's address: dhcp, none, or an IPv4 address with its prefix, such as 10.0.2.15/24.
    #[arg(long)]
    pub address: Option<String>,
    /// The guest's default router.
    #[arg(long)]
    pub gateway: Option<String>,
    /// A name server for the guest. Repeatable.
    #[arg(long)]
    pub nameserver: Vec<String>,

    /// A secret for the program, a file of /run/credentials in the guest; without FILE it is the service manager's. Repeatable.
    #[arg(long, value_name = "NAME[:FILE]", conflicts_with = "unchecked")]
    pub credential: Vec<Credential>,

    /// When the guest counts as started: a TCP port of it answers, or a console line contains a text.
    #[arg(long, value_name = "tcp:PORT|line:TEXT")]
    pub ready: Option<Condition>,
    /// Whether each console line begins with its level as `<N>`, for the journal; auto: if it goes there.
    #[arg(long, value_enum, default_value_t = Journal::Auto)]
    pub journal: Journal,
    /// Seconds that the program has to end after SIGINT or SIGTERM, before the guest is killed.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace: u64,
    /// Print QEMU's command line or xl's configuration instead of running it.
    #[arg(long)]
    pub print_command: bool,

    /// Arguments for the program, in place of those in the configuration.
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

#[derive(Args, Debug)]
pub struct InspectOptions {
    /// The image.
    pub image: PathBuf,
    /// Print JSON.
    #[arg(long, conflicts_with = "verify")]
    pub json: bool,
    /// Build what FLAKE gives and compare the image with it: exit status 0 if they are the same, 1 if not, 2 if that failed.
    #[arg(long, requires = "flake")]
    pub verify: bool,
    /// An attribute of a flake that is an image, such as .#apps.httpd.
    #[arg(requires = "verify")]
    pub flake: Option<String>,
    /// Further options for `nix build`.
    #[arg(last = true, requires = "verify")]
    pub nix: Vec<OsString>,
}

/// Why an option's value is none.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
enum Malformed {
    /// It is no hardware address.
    #[error("not six hexadecimal octets such as 52:54:00:00:00:01")]
    HardwareAddress,
    /// It is no unikernel's name.
    #[error(
        "a name has at most 64 letters, digits, hyphens, points and underscores, and begins with a letter or digit"
    )]
    Name,
    /// It is no variable.
    #[error("not of the form NAME=VALUE")]
    Variable,
}

fn parse_variable(text: &str) -> Result<(String, String), Malformed> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(Malformed::Variable),
    }
}

fn parse_name(text: &str) -> Result<String, Malformed> {
    if is_name(text) { Ok(text.into()) } else { Err(Malformed::Name) }
}

fn parse_mac(text: &str) -> Result<String, Malformed> {
    let octets: Vec<&str> = text.split(':').collect();
    let right = |octet: &&str| octet.len() == 2 && octet.chars().all(|digit| digit.is_ascii_hexdigit());
    if octets.len() == 6 && octets.iter().all(right) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Malformed::HardwareAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{ArgAction, CommandFactory};
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::{env, fs};

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    /// What the NixOS module knows of the options of `run`.
    fn options_of_run() -> String {
        let command = Options::command();
        let run = command.find_subcommand("run").unwrap();
        let options = run.get_arguments().filter_map(|option| {
            let texts = |texts: &[clap::builder::OsStr]| texts.first().map(|text| text.to_string_lossy().into_owned());
            let values: Vec<_> = option.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            let takes_value = option.get_action().takes_values();
            let facts = json!({
                "default": texts(option.get_default_values()).filter(|_| takes_value),
                "description": option.get_help().map(ToString::to_string),
                "repeatable": matches!(option.get_action(), ArgAction::Append),
                "values": Some(values).filter(|values| takes_value && !values.is_empty()),
            });
            Some((option.get_long()?.to_owned(), facts))
        });
        format!("{:#}\n", options.collect::<Value>())
    }

    /// `UPDATE_DOCS=1 cargo test -p rumpkin options_are` brings the file up to date.
    #[test]
    fn options_are_those_that_the_module_knows() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/launcher.options.json");
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, options_of_run()).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap() == options_of_run(),
            "docs/launcher.options.json is not current: UPDATE_DOCS=1 cargo test -p rumpkin options_are"
        );
    }

    #[test]
    fn the_page_has_the_options_that_there_are() {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/launcher.md")).unwrap();
        let command = Options::command();
        let there_are: BTreeSet<&str> = command
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .filter_map(clap::Arg::get_long)
            .filter(|option| *option != "help")
            .collect();
        let words = page.split(|c: char| !c.is_ascii_lowercase() && c != '-');
        let named: BTreeSet<&str> = words.filter_map(|word| word.strip_prefix("--")).collect();
        // Rules of tables, what separates arguments, and systemctl's.
        let others = |name: &str| name.starts_with('-') || ["", "now"].contains(&name);
        let missing: Vec<_> = there_are.difference(&named).collect();
        let unknown: Vec<_> = named.difference(&there_are).filter(|name| !others(name)).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "docs/launcher.md lacks {missing:?} and has {unknown:?}");
    }

    #[test]
    fn what_follows_two_dashes_is_the_programs() {
        let options = Options::parse_from(["rumpkin", "run", "image", "--env", "A=b=c", "--", "--memory", "1"]);
        let Command::Run(run) = options.command else { panic!("not run") };
        assert_eq!(run.arguments, ["--memory", "1"]);
        assert_eq!(run.env, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(run.memory, 64);
    }

    #[test]
    fn malformed_values_are_refused() {
        for (option, value) in [
            ("--env", "A"),
            ("--env", "=b"),
            ("--mac", "52:54:00:00:00"),
            ("--mac", "52:54:00:00:00:0g"),
            ("--memory", "0"),
            ("--forward", "80"),
            ("--machine", "isapc"),
            ("--name", "a/b"),
            ("--ready", "http:80"),
            ("--mtu", "100"),
            ("--credential", "a/b:c"),
        ] {
            assert!(Options::try_parse_from(["rumpkin", "run", "image", option, value]).is_err(), "{option} {value}");
        }
    }
}
