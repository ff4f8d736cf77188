//! Sets `cfg(linux)`: what Linux alone has is compiled, instead of what stands in for it elsewhere.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(linux)");
    println!("cargo::rerun-if-changed=build.rs");
    let is_linux = env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|system| system == "linux");
    // The feature compiles the other side on Linux: `./dev test` does, for no other system is at hand.
    if is_linux && env::var_os("CARGO_FEATURE_ELSEWHERE").is_none() {
        println!("cargo::rustc-cfg=linux");
    }
}
