//! The reference page of the platforms has tables that are made from the platforms' own, and must be current.
//!
//! `UPDATE_DOCS=1 cargo test -p rumpkin-hw --test platforms` writes them anew.

use rumpkin_core::for_platform::interface::{Feature, Offers};
use std::{fmt::Write, fs, path::Path};

/// The platforms, as the page calls them.
const PLATFORMS: [(&str, &Offers); 2] = [("PC-like machines", &rumpkin_hw::OFFERS), ("Xen", &rumpkin_xen::OFFERS)];

/// Their drivers of networks and disks.
const DRIVERS: [[&str; 2]; 2] = [["virtio-net", "virtio-blk"], ["netfront", "blkfront"]];

const BEGIN: &str =
    "<!-- Made by layers/1-platform/hw/tests/platforms.rs from the platforms' own tables; do not edit. -->\n";
const END: &str = "<!-- End of what is made. -->\n";

fn tables() -> String {
    let mut text = String::from("\n|");
    let names = PLATFORMS.map(|(name, _)| name);
    names.iter().for_each(|name| write!(text, " | {name}").unwrap());
    writeln!(text, " |\n|---{} |", "|---".repeat(names.len())).unwrap();
    let columns = PLATFORMS.map(|(_, offers)| offers.lines().collect::<Vec<_>>());
    for line in 0..columns[0].len() {
        write!(text, "| {}", columns[0][line].0).unwrap();
        columns.iter().for_each(|column| write!(text, " | {}", column[line].1).unwrap());
        text.push_str(" |\n");
    }
    text.push_str(
        "\nWhat the drivers use where the other side has it:\n\n| driver | feature | for what |\n|---|---|---|\n",
    );
    for ((_, offers), [network, disk]) in PLATFORMS.iter().zip(DRIVERS) {
        features(&mut text, network, offers.network_features);
        features(&mut text, disk, offers.disk_features);
    }
    text.push('\n');
    text
}

fn features(text: &mut String, driver: &str, features: &[Feature]) {
    for Feature { name, what } in features {
        writeln!(text, "| {driver} | `{name}` | {what} |").unwrap();
    }
}

#[test]
fn reference_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/platforms.md");
    let written = fs::read_to_string(&path).unwrap();
    let parts = written.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.expect("docs/platforms.md has lost the lines that mark what is made");
    let page = format!("{head}{BEGIN}{}{END}{tail}", tables());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    } else {
        assert!(
            written == page,
            "docs/platforms.md is not current: UPDATE_DOCS=1 cargo test -p rumpkin-hw --test platforms"
        );
    }
}

#[test]
fn every_platform_says_something_of_everything() {
    for (name, offers) in PLATFORMS {
        for (title, line) in offers.lines() {
            assert!(!line.is_empty() && !line.contains(['|', '\n']), "{name}: {title}");
        }
        assert!(!offers.network_features.is_empty() && !offers.disk_features.is_empty(), "{name}");
    }
}
