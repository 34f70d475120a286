//! Builds the conformance program for this machine.

fn main() {
    let include = std::env::var("DEP_RUMPUSER_INCLUDE").expect("rumpuser-c says where its header is");
    cc::Build::new().file("conformance.c").include(include).flag("-ffreestanding").std("c11").compile("conformance");
    println!("cargo:rerun-if-changed=conformance.c");
}
