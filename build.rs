//! Checks the `STEADFAST_*` variables and bakes them into the default plan.

use std::{env, fs, path::Path, process::exit};

const MIB: u64 = 1 << 20;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    refuse_threads();
    let region_base = size("STEADFAST_REGION_BASE", 128 * MIB);
    let region_max = size("STEADFAST_REGION_MAX", 1024 * MIB);
    let c_heap = size("STEADFAST_C_HEAP", 4 * MIB);
    let expected_entry = size("STEADFAST_EXPECTED_ENTRY", 137);
    let step = size("STEADFAST_STEP", 4 * MIB);
    let policy = match variable("STEADFAST_POLICY").as_deref() {
        None | Some("probe") => "Policy::Probe".to_owned(),
        Some("ladder") => "Policy::Ladder".to_owned(),
        Some("exact") => "Policy::Exact".to_owned(),
        Some("on-demand") => format!("Policy::OnDemand {{ step: Bytes::new({step}) }}"),
        Some("off") => "Policy::Off".to_owned(),
        Some(other) => refuse(&format!(
            "STEADFAST_POLICY is {other:?}; it must be probe, ladder, exact, on-demand or off"
        )),
    };
    let Ok(expected_entry) = u32::try_from(expected_entry) else {
        refuse("STEADFAST_EXPECTED_ENTRY is far too large; it is the bytes of one key and value")
    };
    // Whether the sizes fit together is checked by `Plan::checked`, in one place for code and variables alike.
    let baked = format!(
        "const BAKED: Plan = Plan {{\n    \
             region_base: Bytes::new({region_base}),\n    \
             region_max: Bytes::new({region_max}),\n    \
             c_heap: Bytes::new({c_heap}),\n    \
             expected_entry: {expected_entry},\n    \
             policy: {policy},\n}};\n"
    );
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("baked.rs"), baked).expect("OUT_DIR can be written");
}

/// Stable Rust tells a crate nothing of the target feature `atomics`, so the flags are looked at. They
/// are those of the whole build, from the environment or cargo's configuration.
fn refuse_threads() {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_wasm = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch.starts_with("wasm"));
    let threads = ["+atomics", "--shared-memory"];
    if is_wasm && threads.iter().any(|flag| flags.contains(flag)) {
        refuse(
            "steadfast is single-threaded: build without the target feature `atomics` and without --shared-memory",
        )
    }
}

fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    match env::var(name) {
        Ok(value) => Some(value.trim().to_owned()),
        Err(env::VarError::NotPresent) => None,
        Err(env::VarError::NotUnicode(_)) => refuse(&format!("{name} is not readable text")),
    }
}

/// A size such as `134217728`, `512KiB`, `128MiB`, `1GiB`; in bytes.
fn size(name: &str, default: u64) -> u64 {
    let Some(text) = variable(name) else {
        return default;
    };
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => MIB,
        "GiB" => 1 << 30,
        _ => bad_size(name, &text),
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)) {
        Some(bytes) => bytes,
        None => bad_size(name, &text),
    }
}

fn bad_size(name: &str, text: &str) -> ! {
    refuse(&format!(
        "{name} is {text:?}; it must be a number of bytes, or one with KiB, MiB or GiB behind it"
    ))
}

fn refuse(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1)
}
