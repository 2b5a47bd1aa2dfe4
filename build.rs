//! Checks the `STEADFAST_*` variables and bakes them into the named plans.

use std::{env, fs, path::Path, process::exit};

const MIB: u64 = 1 << 20;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    refuse_threads();
    let bytes = |name| or_none(size(name).map(|bytes| format!("Bytes::new({bytes})")));
    let region_base = bytes("STEADFAST_REGION_BASE");
    let region_max = bytes("STEADFAST_REGION_MAX");
    let c_heap = bytes("STEADFAST_C_HEAP");
    let expected_entry = size("STEADFAST_EXPECTED_ENTRY").map(|bytes| {
        u32::try_from(bytes).unwrap_or_else(|_| {
            refuse(
                "STEADFAST_EXPECTED_ENTRY is far too large; it is the bytes of one key and value",
            )
        })
    });
    let expected_entry = or_none(expected_entry.map(|bytes| bytes.to_string()));
    let step = size("STEADFAST_STEP").unwrap_or(4 * MIB);
    let policy = or_none(
        variable("STEADFAST_POLICY").map(|policy| match policy.as_str() {
            "probe" => "Policy::Probe".to_owned(),
            "ladder" => "Policy::Ladder".to_owned(),
            "exact" => "Policy::Exact".to_owned(),
            "on-demand" => format!("Policy::OnDemand {{ step: Bytes::new({step}) }}"),
            "off" => "Policy::Off".to_owned(),
            other => refuse(&format!(
                "STEADFAST_POLICY is {other:?}; it must be probe, ladder, exact, on-demand or off"
            )),
        }),
    );
    // Whether the sizes fit together is checked by `Plan::checked`, in one place for code and
    // variables alike.
    let baked = format!(
        "const VARIABLES: Variables = Variables {{\n    \
             region_base: {region_base},\n    \
             region_max: {region_max},\n    \
             c_heap: {c_heap},\n    \
             expected_entry: {expected_entry},\n    \
             policy: {policy},\n}};\n"
    );
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("baked.rs"), baked).expect("OUT_DIR can be written");
}

/// Stable Rust tells a crate nothing of the target feature `atomics`, so the flags are looked at.
/// They are those of the whole build, from the environment or cargo's configuration.
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

/// An `Option` as source code.
fn or_none(value: Option<String>) -> String {
    value.map_or("None".to_owned(), |value| format!("Some({value})"))
}

/// A size such as `134217728`, `512KiB`, `128MiB`, `1GiB`; in bytes.
fn size(name: &str) -> Option<u64> {
    let text = variable(name)?;
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => MIB,
        "GiB" => 1 << 30,
        _ => bad_size(name, &text),
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)) {
        Some(bytes) => Some(bytes),
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
