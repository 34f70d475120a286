//! Makes the list of the kernel's components of this crate's manifest, where each stands once.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=Cargo.toml");
    let manifest = fs::read_to_string("Cargo.toml").expect("Cargo runs this beside the manifest");
    let chosen = manifest.lines().filter_map(component).filter(|name| is_chosen(name));
    let list: String = chosen.map(|name| format!("(\"{name}\", {name}::register as Register),\n")).collect();
    let folder = env::var_os("OUT_DIR").expect("Cargo says where to write");
    fs::write(Path::new(&folder).join("components.rs"), format!("&[{list}]"))
        .expect("Cargo's folder can be written to");
}

/// The component that a line of the manifest names: an optional crate of layer 4 by its path.
fn component(line: &str) -> Option<&str> {
    let (name, crate_) = line.split_once(" = {")?;
    let is_component = crate_.contains(r#"path = "../../layers/4-kernel/"#) && crate_.contains("optional = true");
    is_component.then_some(name)
}

fn is_chosen(component: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", component.to_uppercase())).is_some()
}
