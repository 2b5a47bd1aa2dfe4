//! The `STEADFAST_*` variables: what they say is in the module, and what they get wrong is told by
//! the compiler.

use std::fs;
use std::process::Output;

use steadfast::{Bytes, Plan, Policy};
use wasm_tests::{TARGETS, debug_build};
use wasmparser::{Parser, Payload};

const TARGET: &str = TARGETS[1];

const DIRECTORY: &str = "variables-build";

/// A guest on `Plan::DEFAULT`, and one on `Plan::METASHREW`.
const GUESTS: [&str; 2] = ["churn", "nested-memories"];

/// Builds the guest with these variables.
fn build(guest: &str, variables: &[(&str, &str)]) -> Output {
    let (mut build, _) = debug_build(guest, TARGET, DIRECTORY);
    build
        .envs(variables.iter().copied())
        .output()
        .expect("cargo can be run")
}

fn plan_of_the_build(guest: &str) -> Plan {
    let (_, module) = debug_build(guest, TARGET, DIRECTORY);
    let module = fs::read(module).expect("it was built");
    Parser::new(0)
        .parse_all(&module)
        .find_map(|payload| match payload.expect("a sound module") {
            Payload::CustomSection(section) if section.name() == Plan::SECTION => {
                Some(Plan::decode(section.data()).expect("a sound plan"))
            }
            _ => None,
        })
        .expect("the module has a plan")
}

#[test]
fn variables_change_the_plan_and_their_faults_are_told() {
    let expected = Plan::DEFAULT
        .with_region_base(Bytes::mib(32))
        .with_region_max(Bytes::mib(64))
        .with_c_heap(Bytes::kib(128))
        .with_expected_entry(80)
        .with_policy(Policy::OnDemand {
            step: Bytes::kib(256),
        });
    for guest in GUESTS {
        let output = build(
            guest,
            &[
                ("STEADFAST_REGION_BASE", "32MiB"),
                ("STEADFAST_REGION_MAX", "64 MiB"),
                ("STEADFAST_C_HEAP", "131072"),
                ("STEADFAST_EXPECTED_ENTRY", "80"),
                ("STEADFAST_POLICY", "on-demand"),
                ("STEADFAST_STEP", "256KiB"),
            ],
        );
        assert!(output.status.success(), "{guest}: {output:?}");
        assert_eq!(plan_of_the_build(guest), expected, "{guest}");
    }
    // What only one of the two plans allows is an error with that plan alone.
    let large = [("STEADFAST_REGION_MAX", "3GiB")];
    assert!(build(GUESTS[0], &large).status.success());
    let refused = String::from_utf8(build(GUESTS[1], &large).stderr).unwrap();
    assert!(refused.contains("a page below 4 GiB"), "{refused}");

    for (variable, value, told) in [
        (
            "STEADFAST_REGION_BASE",
            "plenty",
            "it must be a number of bytes",
        ),
        (
            "STEADFAST_REGION_BASE",
            "99999999999999999999",
            "it must be a number of bytes",
        ),
        (
            "STEADFAST_REGION_BASE",
            "1000",
            "must be a multiple of 64 KiB",
        ),
        ("STEADFAST_REGION_BASE", "4GiB", "a page below 4 GiB"),
        ("STEADFAST_REGION_MAX", "5GB", "KiB, MiB or GiB"),
        ("STEADFAST_C_HEAP", "1GiB", "leaves no room for the heap"),
        (
            "STEADFAST_EXPECTED_ENTRY",
            "0",
            "the expected entry (STEADFAST_EXPECTED_ENTRY) must be",
        ),
        (
            "STEADFAST_POLICY",
            "greedy",
            "probe, ladder, exact, on-demand or off",
        ),
    ] {
        let output = build(GUESTS[0], &[(variable, value)]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{variable}={value} was taken");
        assert!(stderr.contains(told), "{variable}={value}: {stderr}");
    }

    for (guest, plan) in GUESTS.into_iter().zip([Plan::DEFAULT, Plan::METASHREW]) {
        let output = build(guest, &[]);
        assert!(output.status.success(), "{guest}: {output:?}");
        assert_eq!(plan_of_the_build(guest), plan, "{guest}");
    }
}

#[test]
fn threads_are_refused_by_the_flags_of_the_build() {
    for flags in [
        "-Ctarget-feature=+atomics,+bulk-memory -Clink-arg=--shared-memory -Clink-arg=--max-memory=1073741824",
        "-C target-feature=+bulk-memory,+atomics",
        "-C link-args=--shared-memory",
    ] {
        let (mut build, _) = debug_build(GUESTS[0], TARGET, "threads-build");
        let output = build.env("RUSTFLAGS", flags).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{flags}");
        assert!(
            told.contains("steadfast is single-threaded"),
            "{flags}: {told}"
        );
    }
}
