//! The command `rumpkin-boottest`: boots images through the launcher and judges what they do.
//!
//! Every case prints lines `ok …` and `not ok …`; the exit status is 0 if all hold. `README.md` has the cases.
#![forbid(unsafe_code)]

mod answers;
mod client;
mod guest;
mod hostile;
mod http;
mod program;
mod report;
mod sensor;
mod siege;
mod site;
mod tiny;
mod web;

use clap::{Args, Parser, Subcommand};
use guest::Rig;
use report::Report;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "rumpkin-boottest", version, about = "Boots images and judges what they do")]
struct Options {
    #[command(subcommand)]
    case: Case,
}

/// How guests are started.
#[derive(Args, Clone, Debug)]
struct RigOptions {
    /// Type of the machine: microvm, q35 or pc, which are QEMU's, or xen.
    #[arg(long, default_value = "microvm")]
    machine: String,
    /// Xen: the bridge that guests with a network are on, and the guest's address there.
    #[arg(long, default_value = "xenbr0")]
    bridge: String,
    #[arg(long, default_value = "10.0.9.2/24")]
    address: String,
    /// How instructions are run: tcg, kvm or auto.
    #[arg(long, default_value = "tcg")]
    accel: String,
    /// Memory of the guest, in MiB.
    #[arg(long, default_value_t = 64)]
    memory: u32,
    /// The launcher.
    #[arg(long, default_value = "rumpkin")]
    launcher: PathBuf,
    /// QEMU, if it is not on the PATH.
    #[arg(long)]
    qemu: Option<PathBuf>,
    /// Show the guest's console while it runs.
    #[arg(long)]
    show: bool,
}

#[derive(Subcommand)]
enum Case {
    /// Run a program to its end and compare its exit status and console lines.
    Program {
        #[command(flatten)]
        rig: RigOptions,
        image: PathBuf,
        /// The exit status that it must end with.
        #[arg(long, default_value_t = 0)]
        status: u8,
        /// A piece of a console line that must occur. Repeatable, in order.
        #[arg(long)]
        expect: Vec<String>,
        /// The program's arguments.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run a guest test program (tests/guest): all of its results must be ok, and its plan complete.
    Tap {
        #[command(flatten)]
        rig: RigOptions,
        image: PathBuf,
        /// Attach a fresh disk of so many MiB.
        #[arg(long)]
        disk: Option<u64>,
        /// The disk is not to be written.
        #[arg(long, requires = "disk")]
        read_only: bool,
        /// The guest has a link.
        #[arg(long)]
        link: bool,
        /// A piece of a console line that must occur. Repeatable, in order.
        #[arg(long)]
        expect: Vec<String>,
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Ask a server in an image on a TCP port, and stop it.
    Answers {
        #[command(flatten)]
        rig: RigOptions,
        image: PathBuf,
        /// The guest's port.
        #[arg(long)]
        port: u16,
        /// What is sent first.
        #[arg(long, default_value = "")]
        send: String,
        /// What the answer must contain.
        #[arg(long)]
        expect: String,
        /// The exit status after SIGTERM; 143 is that of a program that does not handle it.
        #[arg(long, default_value_t = 143)]
        status: u8,
    },
    /// Have a server in an image serve a client, and stop it.
    Client {
        #[command(flatten)]
        rig: RigOptions,
        image: PathBuf,
        /// The guest's port.
        #[arg(long)]
        port: u16,
        /// The client: a shell script, to which $HOST and $PORT say where the guest's port is reached.
        #[arg(long)]
        client: PathBuf,
        /// The exit status after SIGTERM.
        #[arg(long, default_value_t = 0)]
        status: u8,
    },
    /// Send standard input to ADDRESS:PORT, and print what comes until the other side ends. The connection stays open both ways until then:
    /// QEMU's user network resets one of which half is closed before the guest has taken it.
    Connect { to: SocketAddr },
    /// Make the site that the web case serves.
    Site { folder: PathBuf },
    /// Serve the site from an image and compare each answer with that of the same program on this host.
    Web {
        #[command(flatten)]
        rig: RigOptions,
        /// An image of httpd whose /srv/www is the site.
        image: PathBuf,
        /// The same httpd, to be run here.
        #[arg(long)]
        program: PathBuf,
        /// The site.
        #[arg(long)]
        site: PathBuf,
        /// So many connections at once.
        #[arg(long, default_value_t = 200)]
        connections: usize,
    },
    /// Storm a server (tests/guest/c/besieged.c) with datagrams and connections: it goes on answering, and its memory comes back.
    Siege {
        #[command(flatten)]
        rig: RigOptions,
        image: PathBuf,
        /// So many UDP ports are flooded.
        #[arg(long, default_value_t = 128)]
        ports: u16,
        /// So often.
        #[arg(long, default_value_t = 2)]
        rounds: u32,
        /// So many connections at once.
        #[arg(long, default_value_t = 1500)]
        connections: usize,
        /// The guest has memory for all of these, so that each must be answered.
        #[arg(long)]
        all: bool,
    },
    /// Collect the readings of an image of the sensor, and ask it.
    Sensor {
        #[command(flatten)]
        rig: RigOptions,
        image: PathBuf,
    },
    /// Boot the tiny kernel in C with a disk and a link, and talk to it.
    Tiny {
        #[command(flatten)]
        rig: RigOptions,
        image: PathBuf,
    },
    /// Give the kernel bad programs, configurations and root file systems: each must be an error, never a panic.
    Hostile {
        #[command(flatten)]
        rig: RigOptions,
        /// The kernel's ELF file.
        #[arg(long)]
        kernel: PathBuf,
        /// A program to spoil.
        #[arg(long)]
        program: PathBuf,
        /// The command that makes root file systems.
        #[arg(long, default_value = "mkfs.erofs")]
        mkfs: PathBuf,
        /// So many random changes of each kind.
        #[arg(long, default_value_t = 12)]
        rounds: u32,
    },
}

fn run(case: Case) -> Result<Report, String> {
    let mut report = Report::default();
    match case {
        Case::Program { rig, image, status, expect, arguments } => {
            program::ends(&Rig::new(rig), &image, status, &expect, &arguments, &mut report)?;
        }
        Case::Tap { rig, image, disk, read_only, link, expect, arguments } => {
            let devices = program::Devices { disk: disk.map(|size| program::FreshDisk { size, read_only }), link };
            program::passes(&Rig::new(rig), &image, devices, &expect, &arguments, &mut report)?;
        }
        Case::Answers { rig, image, port, send, expect, status } => {
            answers::answers(&Rig::new(rig), &answers::Setting { image, port, send, expect, status }, &mut report)?;
        }
        Case::Client { rig, image, port, client, status } => {
            client::is_served(&Rig::new(rig), &client::Setting { image, port, client, status }, &mut report)?;
        }
        Case::Connect { to } => client::connect(to).map_err(|error| format!("{to}: {error}"))?,
        Case::Tiny { rig, image } => tiny::lives(&Rig::new(rig), &image, &mut report)?,
        Case::Site { folder } => site::make(&folder).map_err(|error| format!("{}: {error}", folder.display()))?,
        Case::Web { rig, image, program, site, connections } => {
            web::serves(&Rig::new(rig), &web::Setting { image, program, site, connections }, &mut report)?;
        }
        Case::Siege { rig, image, ports, rounds, connections, all } => {
            siege::endures(&Rig::new(rig), &siege::Setting { image, ports, rounds, connections, all }, &mut report)?;
        }
        Case::Sensor { rig, image } => sensor::measures(&Rig::new(rig), &image, &mut report)?,
        Case::Hostile { rig, kernel, program, mkfs, rounds } => {
            hostile::survives(&Rig::new(rig), &hostile::Setting { kernel, program, mkfs, rounds }, &mut report)?;
        }
    }
    Ok(report)
}

fn main() -> ExitCode {
    match run(Options::parse().case) {
        Ok(report) if report.all_hold() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("rumpkin-boottest: {message}");
            ExitCode::from(2)
        }
    }
}
