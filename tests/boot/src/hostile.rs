//! Bad input: spoilt programs, configurations, root file systems and payload notes. Each must end in an orderly way,
//! with a message where one is due; the kernel never panics.
use crate::guest::{Outcome, Rig};
use crate::report::Report;
use rumpkin_bake::{Parts, bake};
use rumpkin_format::{CHECKSUMS_SIZE, Image, PAYLOAD_SIZE, Payload};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is spoilt.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// A program that prints "hello, world" and exits with 0.
    pub program: PathBuf,
    /// The command that makes root file systems.
    pub mkfs: PathBuf,
    /// So many random changes of each kind.
    pub rounds: u32,
}

/// The configuration of a guest that needs nothing but its program.
const CONFIGURATION: &str = r#"{"network":{"address":"none"},"programs":[{"argv":["/bin/program"]}]}"#;

/// Where the superblock of EROFS begins, and where the blocks that describe files end in file systems as small as ours.
const SUPERBLOCK: usize = 1024;
const METADATA_END: usize = 4096;

/// Numbers that look random and are the same each time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// Changes a few bytes of `bytes` within `first..end`.
    fn spoil(&mut self, bytes: &mut [u8], first: usize, end: usize) {
        for _ in 0..1 + self.next() % 4 {
            let place = first + self.next() as usize % (end - first);
            let Some(byte) = bytes.get_mut(place) else { continue };
            // Interesting values are likelier to pass the first checks than any value.
            *byte = [0, 1, 0x7f, 0x80, 0xff, self.next() as u8][self.next() as usize % 6];
        }
    }
}

/// The workshop in which bad images are made.
struct Workshop<'a> {
    rig: &'a Rig,
    setting: &'a Setting,
    folder: tempfile::TempDir,
    kernel: Vec<u8>,
    program: Vec<u8>,
}

/// Runs all cases.
pub fn survives(rig: &Rig, setting: &Setting, report: &mut Report) -> Result<(), String> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let workshop = Workshop {
        rig,
        setting,
        folder: tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?,
        kernel: read(&setting.kernel)?,
        program: read(&setting.program)?,
    };
    let rootfs = workshop.rootfs(&workshop.program)?;
    let good = workshop.write("good", &workshop.baked(&rootfs)?)?;
    report.check("the unspoilt image runs", || ends_with(&rig.run(&good, &[], &[])?, 0, "hello, world"))?;
    workshop.programs(report)?;
    workshop.configurations(&good, report)?;
    workshop.raw_configurations(&good, report)?;
    workshop.payload_notes(&rootfs, report)?;
    if !rig.is_xen() {
        // A domain has nothing to say so with.
        workshop.flipped_bits(&rootfs, report)?;
    }
    workshop.file_systems(&rootfs, report)
}

fn ends_with(outcome: &Outcome, status: i32, piece: &str) -> Result<(), String> {
    outcome.orderly()?;
    if outcome.code() == status && outcome.console.contains(piece) {
        return Ok(());
    }
    Err(format!("expected status {status} and a line with {piece:?}, got {}\n{}", outcome.status, outcome.console))
}

impl Workshop<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
        let path = self.path(name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// A root file system whose /bin/program is `program`.
    fn rootfs(&self, program: &[u8]) -> Result<Vec<u8>, String> {
        let (tree, file) = (self.path("tree"), self.path("rootfs"));
        let failed = |error: std::io::Error| format!("making a root file system: {error}");
        for folder in ["bin", "dev", "etc", "proc", "tmp"] {
            fs::create_dir_all(tree.join(folder)).map_err(failed)?;
        }
        let path = tree.join("bin/program");
        fs::write(&path, program).map_err(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(failed)?;
        let _ = fs::remove_file(&file);
        let made = Command::new(&self.setting.mkfs)
            .args(["-T0", "-U", "00000000-0000-0000-0000-000000000000", "--all-root", "-x-1", "-E", "noinline_data"])
            .args([&file, &tree])
            .output()
            .map_err(|error| format!("{}: {error}", self.setting.mkfs.display()))?;
        if !made.status.success() {
            return Err(format!("{}: {}", self.setting.mkfs.display(), String::from_utf8_lossy(&made.stderr)));
        }
        fs::read(&file).map_err(failed)
    }

    fn baked(&self, rootfs: &[u8]) -> Result<Vec<u8>, String> {
        let parts = Parts { rootfs: Some(rootfs), configuration: Some(CONFIGURATION) };
        bake(&self.kernel, &parts).map_err(|error| format!("baking: {error}"))
    }

    fn bake(&self, rootfs: &[u8]) -> Result<PathBuf, String> {
        self.write("image", &self.baked(rootfs)?)
    }

    fn programs(&self, report: &mut Report) -> Result<(), String> {
        // (name, what is done to the program, the status, a piece of the message)
        type Spoil = fn(&mut Vec<u8>);
        let cases: &[(&str, Spoil, i32, &str)] = &[
            ("an empty program", |p| p.clear(), 126, "ELF"),
            ("a text", |p| *p = b"echo hello\n".to_vec(), 126, "ELF"),
            ("a script", |p| *p = b"#!/bin/sh\n".to_vec(), 126, "/bin/program"),
            ("a program cut within its header", |p| p.truncate(40), 126, "truncated"),
            ("a program cut within its program headers", |p| p.truncate(100), 126, "truncated"),
            ("a program cut in the middle", |p| p.truncate(p.len() / 2), 126, "truncated"),
            ("a 32-bit program", |p| p[4] = 1, 126, "x86-64"),
            ("a big-endian program", |p| p[5] = 2, 126, "x86-64"),
            ("a program for another machine", |p| p[18] = 183, 126, "x86-64"),
            ("an object file", |p| p[16] = 1, 126, "not a program"),
            ("program headers behind the end", |p| p[32..40].fill(0x7f), 126, "/bin/program"),
            ("65535 program headers", |p| p[56..58].fill(0xff), 126, "/bin/program"),
            ("program headers of a wrong size", |p| p[54] = 1, 126, "malformed"),
            ("no program headers", |p| p[56..58].fill(0), 126, "malformed"),
            (
                "an entry point in the kernel",
                |p| p[24..32].copy_from_slice(&0xffff_ffff_8010_0000_u64.to_le_bytes()),
                126,
                "malformed",
            ),
            ("segments in the kernel", |p| change_segments(p, 16, 0xffff_ffff_8010_0000), 126, "/bin/program"),
            ("segments larger than memory", |p| change_segments(p, 40, 1 << 46), 126, "/bin/program"),
            ("segments that wrap around", |p| change_segments(p, 40, u64::MAX), 126, "/bin/program"),
            ("segments larger in the file than in memory", |p| change_segments(p, 32, 1 << 40), 126, "/bin/program"),
            ("segments from behind the file's end", |p| change_segments(p, 8, 1 << 40), 126, "/bin/program"),
        ];
        for (name, spoil, status, piece) in cases {
            let mut program = self.program.clone();
            spoil(&mut program);
            let outcome = self.rig.run(&self.bake(&self.rootfs(&program)?)?, &[], &[])?;
            report.check(name, || ends_with(&outcome, *status, piece))?;
        }
        let mut random = Random(1);
        let (mut orderly, mut reason) = (0, String::new());
        for _ in 0..self.setting.rounds {
            let mut program = self.program.clone();
            random.spoil(&mut program, 4, 64 + 56 * 8);
            let guest = self.rig.start(&self.bake(&self.rootfs(&program)?)?, &["--grace".into(), "2".into()], &[])?;
            match guest.finish_or_stop().and_then(|outcome| outcome.orderly()) {
                Ok(()) => orderly += 1,
                Err(message) => reason = message,
            }
        }
        let name = format!("{} programs with random headers", self.setting.rounds);
        report.ok(orderly == self.setting.rounds, &name, || reason);
        Ok(())
    }

    /// Documents that are JSON. The launcher would refuse them already, but for what the image lacks.
    fn configurations(&self, good: &Path, report: &mut Report) -> Result<(), String> {
        for (document, piece) in [
            (r#"{"nonsense":1}"#, "nonsense"),
            (r#"{"hostname":3}"#, "hostname"),
            (r#"{"hostname":["a"]}"#, "hostname"),
            (r#"{"programs":{}}"#, "programs"),
            (r#"{"programs":[]}"#, "programs"),
            (r#"{"programs":[{"argv":[]}]}"#, "argv"),
            (r#"{"programs":[{"argv":"/bin/program"}]}"#, "argv"),
            (r#"{"programs":[{"argv":["/bin/program"],"user":"root"}]}"#, "user"),
            (r#"{"programs":[{"argv":["/bin/program"]},{"argv":["/bin/program"]}]}"#, "program"),
            (r#"{"programs":[{"argv":["/bin/absent"]}]}"#, "/bin/absent"),
            (r#"{"programs":[{"argv":["/bin"]}]}"#, "/bin"),
            (r#"{"programs":[{"argv":["/bin/program"],"cwd":"/absent"}]}"#, "/absent"),
            (r#"{"network":{"address":"300.0.0.1/24"}}"#, "address"),
            (r#"{"network":{"address":1.5}}"#, "address"),
            (r#"{"network":{"adress":"dhcp"}}"#, "adress"),
            (r#"{"tracing":{"level":"loud"}}"#, "level"),
        ] {
            let outcome = self.rig.run_unchecked(good, document.as_bytes())?;
            let named = match outcome.code() {
                0 => Err(format!("accepted:\n{}", outcome.console)),
                _ if outcome.console.contains(piece) => Ok(()),
                _ => Err(format!("{piece:?} is not named:\n{}", outcome.console)),
            };
            report.check(&format!("configuration {document}"), || outcome.orderly().and(named))?;
        }
        Ok(())
    }

    /// Documents that no launcher would let pass.
    fn raw_configurations(&self, good: &Path, report: &mut Report) -> Result<(), String> {
        let deep = "[".repeat(100_000);
        let nested = format!(r#"{{"disks":{deep}"#);
        let long = format!(r#"{{"hostname":"{}"}}"#, "x".repeat(1 << 20));
        let duplicate = r#"{"hostname":"a","hostname":"b","hostname":3}"#;
        for (name, document) in [
            ("an empty document", &b""[..]),
            ("a document that is no JSON", b"nonsense"),
            ("a document of zeros", &[0; 100]),
            ("a document that is not UTF-8", b"{\"hostname\":\"\xff\xfe\"}"),
            ("a truncated document", b"{\"hostname\":\"a"),
            ("a document that is no object", b"[]"),
            ("a very deep document", nested.as_bytes()),
            ("a very long name", long.as_bytes()),
            ("a key given thrice", duplicate.as_bytes()),
            ("a lone surrogate", br#"{"hostname":"\ud800"}"#),
            ("a huge number", br#"{"disks":[1e999999999]}"#),
        ] {
            report.check(name, || self.rig.endures(good, document))?;
        }
        Ok(())
    }

    /// The note that tells where the payload is, telling wrong.
    fn payload_notes(&self, rootfs: &[u8], report: &mut Report) -> Result<(), String> {
        let file = self.baked(rootfs)?;
        let image = Image::read(&file).map_err(|error| error.to_string())?;
        let right = image.payload;
        for (name, wrong) in [
            ("no payload at all", Payload::default()),
            ("a root file system at address 0", Payload { rootfs_address: 0, ..right }),
            ("one that is not on a page", Payload { rootfs_address: right.rootfs_address + 8, ..right }),
            ("one behind the memory's end", Payload { rootfs_address: 0x7000_0000, ..right }),
            ("one where devices are", Payload { rootfs_address: 0xfee0_0000, ..right }),
            ("one at an impossible address", Payload { rootfs_address: u64::MAX - 4095, ..right }),
            ("one over the kernel", Payload { rootfs_address: 0x10_0000, ..right }),
            ("one of impossible size", Payload { rootfs_size: u64::MAX, ..right }),
            ("one larger than memory", Payload { rootfs_size: 1 << 32, ..right }),
            ("one of half its size", Payload { rootfs_size: right.rootfs_size / 2, ..right }),
            ("one of 3 bytes", Payload { rootfs_size: 3, ..right }),
            ("a configuration at an impossible address", Payload { configuration_address: u64::MAX, ..right }),
            ("one of a size that wraps", Payload { configuration_size: u64::MAX - 8, ..right }),
            ("one of 1 GiB", Payload { configuration_size: 1 << 30, ..right }),
        ] {
            let mut spoilt = file.clone();
            let Some(note) = spoilt.get_mut(image.payload_offset..image.payload_offset + PAYLOAD_SIZE) else {
                return Err("the payload note is not where it should be".into());
            };
            note.copy_from_slice(&wrong.encode());
            // Without checksums, or the guest would look no further.
            spoilt[image.checksums_offset..][..CHECKSUMS_SIZE].fill(0);
            let path = self.write("spoilt", &spoilt)?;
            report.check(name, || self.rig.endures(&path, CONFIGURATION.as_bytes()))?;
        }
        Ok(())
    }

    /// Images of which one bit has changed, which the launcher does not look into: the guest itself notices. By the file's headers and
    /// the PVH note it is decided where the guest is entered, before it can look.
    fn flipped_bits(&self, rootfs: &[u8], report: &mut Report) -> Result<(), String> {
        let file = self.baked(rootfs)?;
        let image = Image::read(&file).map_err(|error| error.to_string())?;
        let payload = image.payload_offset..image.payload_offset + PAYLOAD_SIZE;
        // The first word is the file's checksum, which is the launcher's.
        let file_sum = image.checksums_offset..image.checksums_offset + 8;
        let checksums = file_sum.end..image.checksums_offset + CHECKSUMS_SIZE;
        // The PVH note stands right before the payload note.
        let unseen = [file_sum, image.payload_offset - 44..image.payload_offset - 20];
        let data =
            image.kernel_segments().skip(1).flat_map(|segment| segment.offset..segment.offset + segment.file_size);
        let data = data.map(|place| place as usize).filter(|place| !unseen.iter().any(|part| part.contains(place)));
        let mut random = Random(3);
        for (name, places) in [
            ("the payload note", payload.collect::<Vec<_>>()),
            ("the checksum note", checksums.collect()),
            ("the kernel's constants and data", data.collect()),
        ] {
            let (mut noticed, mut reason) = (0, String::new());
            for _ in 0..self.setting.rounds {
                let place = places[random.next() as usize % places.len()];
                let mut spoilt = file.clone();
                spoilt[place] ^= 1 << (random.next() % 8);
                let outcome = self.rig.run_unchecked(&self.write("spoilt", &spoilt)?, CONFIGURATION.as_bytes())?;
                match ends_with(&outcome, 125, "the image is damaged") {
                    Ok(()) => noticed += 1,
                    Err(message) => reason = format!("byte {place:#x}: {message}"),
                }
            }
            let name = format!("{} flipped bits in {name}", self.setting.rounds);
            report.ok(noticed == self.setting.rounds, &name, || reason);
        }
        Ok(())
    }

    fn file_systems(&self, rootfs: &[u8], report: &mut Report) -> Result<(), String> {
        let file = self.baked(rootfs)?;
        let image = Image::read(&file).map_err(|error| error.to_string())?;
        let place = image.segments.iter().find(|segment| segment.physical_address == image.payload.rootfs_address);
        let start = place.map(|segment| segment.offset as usize).ok_or("the root file system is not loaded")?;
        let run = |offset: usize, bytes: &[u8]| -> Result<(), String> {
            let mut spoilt = file.clone();
            spoilt[start + offset..][..bytes.len()].copy_from_slice(bytes);
            self.rig.endures(&self.write("spoilt", &spoilt)?, CONFIGURATION.as_bytes())
        };
        for (name, offset, bytes) in [
            ("a file system without magic", SUPERBLOCK, &[0; 4][..]),
            ("blocks of 512 bytes", SUPERBLOCK + 12, &[9]),
            ("blocks of 2 GiB", SUPERBLOCK + 12, &[31]),
            ("blocks of 2^255 bytes", SUPERBLOCK + 12, &[255]),
            ("a root directory that is not there", SUPERBLOCK + 14, &[0xff; 2]),
            ("a file system that claims 2^32 blocks", SUPERBLOCK + 36, &[0xff; 4]),
            ("metadata behind the end", SUPERBLOCK + 40, &[0xff; 4]),
            ("features of the future", SUPERBLOCK + 80, &[0xff; 4]),
        ] {
            report.check(name, || run(offset, bytes))?;
        }
        let mut random = Random(2);
        let (mut orderly, mut reason) = (0, String::new());
        for _ in 0..self.setting.rounds {
            let mut head = rootfs.get(..METADATA_END).ok_or("the root file system is too small")?.to_vec();
            random.spoil(&mut head, SUPERBLOCK, METADATA_END);
            match run(0, &head) {
                Ok(()) => orderly += 1,
                Err(message) => reason = message,
            }
        }
        let name = format!("{} file systems with random metadata", self.setting.rounds);
        report.ok(orderly == self.setting.rounds, &name, || reason);
        Ok(())
    }
}

/// Sets the word at `field` of every loaded segment's header.
fn change_segments(program: &mut [u8], field: usize, value: u64) {
    const LOAD: [u8; 4] = [1, 0, 0, 0];
    let count = usize::from(program[56]);
    for header in program[64..].chunks_exact_mut(56).take(count).filter(|header| header.starts_with(&LOAD)) {
        header[field..field + 8].copy_from_slice(&value.to_le_bytes());
    }
}
