//! A target under libFuzzer. `RUMPKIN_FUZZ_TARGET` names it; everything else is libFuzzer's own (`-help=1`).
#![no_main]

use libfuzzer_sys::fuzz_target;
use rumpkin_fuzz::Target;
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("RUMPKIN_FUZZ_TARGET").unwrap_or_default();
    rumpkin_fuzz::target(&name).unwrap_or_else(|| {
        let names: Vec<_> = rumpkin_fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("RUMPKIN_FUZZ_TARGET must be one of {}", names.join(", "));
        std::process::exit(2)
    })
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
