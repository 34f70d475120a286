//! Builds the kernel, with the header and the flags that rumpuser-c tells.

fn main() {
    let told = |what: &str| {
        let name = format!("DEP_RUMPUSER_{what}");
        std::env::var(&name).unwrap_or_else(|_| panic!("rumpuser-c does not tell {name}"))
    };
    let sources = ["cpu", "disk", "echo", "locks", "main", "timer"];
    cc::Build::new()
        .files(sources.map(|name| format!("c/{name}.c")))
        .include(told("INCLUDE"))
        .flags(told("FLAGS").split(' '))
        .opt_level_str("s")
        .warnings_into_errors(true)
        .compile("tiny");
    println!("cargo:rerun-if-changed=c");
}
