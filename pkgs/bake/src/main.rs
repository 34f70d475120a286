//! The command `rumpkin-bake`: reads the parts, writes the image.
#![forbid(unsafe_code)]
use clap::Parser;
use rumpkin_bake::{Input, Parts, bake};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Joins a kernel, a root file system and a configuration into one bootable image.
#[derive(Parser)]
#[command(name = "rumpkin-bake", version)]
struct Options {
    /// The kernel: the ELF file that the image crate links to.
    #[arg(long, value_name = "FILE")]
    kernel: PathBuf,
    /// The root file system: EROFS with blocks of 4096 bytes, not compressed.
    #[arg(long, value_name = "FILE")]
    rootfs: Option<PathBuf>,
    /// The default configuration: a JSON object (docs/configuration.md).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the image goes. Replaced at once when it is whole.
    #[arg(short, long, value_name = "IMAGE")]
    output: PathBuf,
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes `bytes` to a temporary file beside `path` and renames it, so that no half image is ever seen.
fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(path)?;
        std::io::Result::Ok(())
    })();
    written.map_err(|error| format!("{}: {error}", path.display()))
}

fn run(options: &Options) -> Result<(), String> {
    let kernel = read(&options.kernel)?;
    let rootfs = options.rootfs.as_deref().map(read).transpose()?;
    let config = options.config.as_deref().map(read).transpose()?;
    let name = |path: Option<&Path>| path.unwrap_or(&options.kernel).display().to_string();
    let config = config
        .map(String::from_utf8)
        .transpose()
        .map_err(|_| format!("{}: not UTF-8", name(options.config.as_deref())))?;
    let parts = Parts { rootfs: rootfs.as_deref(), configuration: config.as_deref() };
    let image = bake(&kernel, &parts).map_err(|error| {
        let file = match error.input() {
            Input::Configuration => name(options.config.as_deref()),
            Input::Kernel => name(None),
            Input::Rootfs => name(options.rootfs.as_deref()),
        };
        format!("{file}: {error}")
    })?;
    write(&options.output, &image)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("rumpkin-bake: {message}");
            ExitCode::FAILURE
        }
    }
}
