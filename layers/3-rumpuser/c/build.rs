//! Builds what stable Rust cannot say: a function with variable arguments, and a thread's exit from any depth.

fn main() {
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    // A kernel is compiled without SSE (pkgs/lib/flags.nix); its C then needs what those flags say to Rust.
    let mut flags = vec!["-std=c11", "-ffreestanding", "-Wall", "-Wextra"];
    if !features.split(',').any(|feature| feature == "sse2") {
        flags.extend(KERNEL);
    }
    let mut build = cc::Build::new();
    build.files(["shim/dprintf.c", "shim/thread.c"]).include("include");
    build.flags(&flags).opt_level_str("s").warnings_into_errors(true);
    build.compile("rumpuser_shim");
    for path in ["shim", "include"] {
        println!("cargo:rerun-if-changed={path}");
    }
    // For crates that build kernels in C: DEP_RUMPUSER_INCLUDE and DEP_RUMPUSER_FLAGS.
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:include={here}/include");
    println!("cargo:flags={}", flags.join(" "));
}

/// Flags for C in a kernel.
const KERNEL: [&str; 10] = [
    "-fpie",
    "-mno-sse",
    "-mno-sse2",
    "-mno-mmx",
    "-mno-80387",
    "-mno-red-zone",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fno-asynchronous-unwind-tables",
    "-fno-omit-frame-pointer",
];
