//! Every check and every test, in an order that fails early.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::project::{BARE, COMPONENTS, NO_STD, Project, WASI};
use crate::step::step;
use crate::tally::Tally;
use crate::{browser, clang, embedder, guests, licences, optional, shell, tools};

/// The guest crate's features, in the combinations that must build; `image` has `metashrew` with
/// it.
const FEATURES: [&str; 16] = [
    "",
    "trace",
    "metashrew",
    "log",
    "trace,metashrew",
    "trace,log",
    "metashrew,log",
    "trace,metashrew,log",
    "image",
    "trace,image",
    "image,log",
    "trace,image,log",
    "std",
    "metashrew,std",
    "c",
    "c,trace,image,log",
];

/// The packages that only a wasm target gives their meaning.
const GUESTS: [(&str, &str); 2] = [
    (
        WASI,
        "--package indexer-wasi --package wasm-test-guests --package control-guests --package bench-heap-guests --package bench-cache-guests",
    ),
    (
        BARE,
        "--package indexer-metashrew --package metashrew-port --package wasm-test-guests --package image-guests --package no-std-guest --package bench-guests --package bench-indexer-guests --package bench-metashrew-guests",
    ),
];

/// What needs no engine, and wants more features of crates that wasmtime takes too. With it,
/// wasmtime would be checked once for clippy and once for the documentation.
const LEFT_ASIDE: &str =
    "--exclude bench-cache-guests --exclude componentize --exclude page --exclude web-tests";

/// The packages whose tests run natively.
const NATIVE: &str = "--package steadfast --package steadfast-testkit --package indexer --package xtask --all-features";

/// Runs everything, stops at the first step that fails, and ends with the number of tests that ran.
pub fn run(project: &Project) -> Result<()> {
    counted(|tally| steps(project, tally))
}

/// What is run while working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// What needs neither a wasm target nor an engine.
    Native,
    /// The host's own tests, quickly built, on the guests that are there.
    Host,
}

/// Runs one suite, and gives the test programs the rest of the arguments.
pub fn quick(project: &Project, suite: Suite, rest: &[String]) -> Result<()> {
    let (name, arguments) = match suite {
        Suite::Native => ("tests: native", format!("test {NATIVE} --tests")),
        Suite::Host => (
            "tests: host",
            format!("test {ENGINES} --lib --bin steadfast --test host"),
        ),
    };
    counted(|tally| {
        if suite == Suite::Native && rest.is_empty() {
            rustfmt(project)?;
            let clippy = format!("clippy {NATIVE} --all-targets -- --deny warnings");
            check(project, "clippy: packages with native tests", &clippy)?;
        }
        let mut tests = project.cargo(arguments.split(' '));
        tests.arg("--").args(rest);
        step(name, || tally.run(&mut tests))
    })
}

fn counted(steps: impl FnOnce(&mut Tally) -> Result<()>) -> Result<()> {
    let start = Instant::now();
    let mut tally = Tally::default();
    let result = steps(&mut tally);
    eprintln!("[all: {:.0} s]", start.elapsed().as_secs_f64());
    println!("{} passed, {} failed", tally.passed, tally.failed);
    result
}

fn steps(project: &Project, tally: &mut Tally) -> Result<()> {
    rustfmt(project)?;
    licences::check(project)?;
    test(project, tally, "tests: native", NATIVE)?;
    let has_miri = optional::has_miri();
    thread::scope(|scope| {
        // It takes minutes of one core. Much of the rest uses one core too, as linking does.
        let miri = has_miri.then(|| scope.spawn(|| optional::miri(project)));
        checks(project, tally)?;
        in_wasm(project, tally)?;
        if let Some(miri) = miri {
            *tally += miri.join().expect("a step does not panic")?;
        }
        Ok(())
    })
}

/// What needs no guest.
fn checks(project: &Project, tally: &mut Tally) -> Result<()> {
    lint(project)?;
    features(project)?;
    docs(project)?;
    embedder::check(project)?;
    packages(project)?;
    optional::msrv(project)?;
    forgetful_examples(project, tally)?;
    memory_detection(project)
}

/// Builds the tools and the guests, and runs the guest crate's tests on its own targets, the host's
/// tests, and the examples.
fn in_wasm(project: &Project, tally: &mut Tally) -> Result<()> {
    tools::install(project)?;
    guests::all(project)?;
    // With `image`, a module imports what hosts of WASI commands do not have.
    test(
        project,
        tally,
        "tests: wasm32-wasip1",
        &format!("--package steadfast --features trace,metashrew,log --target {WASI}"),
    )?;
    with_vectors(project, tally)?;
    in_javascript(project, tally)?;
    test(project, tally, "tests: host and engines", ENGINES)?;
    with_c(project, tally)?;
    other_targets(project, tally)?;
    examples(project)
}

/// What compares several bytes at once, in a module with vectors: by itself, in the cache, and
/// against the image that is the same everywhere.
fn with_vectors(project: &Project, tally: &mut Tally) -> Result<()> {
    let vectors = format!("--config .cargo/vectors.toml --package steadfast --target {WASI}");
    let lint = format!("clippy {vectors} --all-targets -- --deny warnings");
    check(project, "clippy: vectors", &lint)?;
    let tests =
        format!("{vectors} --lib --test cache_golden --test cache_index --test cache_truth");
    test(project, tally, "tests: vectors", &tests)
}

/// The packages whose tests run modules under engines, quickly built; the same in each command, so
/// that the engine is built once, and optimised, as it is for the tools.
const ENGINES: &str = "--release --config .cargo/quick.toml --package steadfast-host --package wasm-tests --package demo --package steadfast-bench";

fn rustfmt(project: &Project) -> Result<()> {
    check(project, "rustfmt", "fmt --all --check")
}

/// C and C++ in modules.
fn with_c(project: &Project, tally: &mut Tally) -> Result<()> {
    let name = "tests: C and C++ in modules";
    if !clang::to_be_had(name) {
        return Ok(());
    }
    guests::with_c(project)?;
    test(
        project,
        tally,
        name,
        &format!("{ENGINES} --test c -- --ignored"),
    )
}

/// The targets beyond the two that all tests run on.
fn other_targets(project: &Project, tally: &mut Tally) -> Result<()> {
    let tests = |tally: &mut Tally, name: &str, filter: &str| {
        let arguments = format!("{ENGINES} --test targets -- --ignored {filter}");
        test(project, tally, name, &arguments)
    };
    let name = format!("tests: {COMPONENTS}");
    if optional::target(project, &name, COMPONENTS) {
        guests::component(project)?;
        tests(tally, &name, "component")?;
    }
    let name = format!("tests: {NO_STD}");
    if optional::target(project, &name, NO_STD) {
        // There is no standard library, which the feature `std` takes.
        let features =
            format!("check --package steadfast --features trace,image,log,c --target {NO_STD}");
        check(project, &format!("features: {NO_STD}"), &features)?;
        guests::no_std(project)?;
        tests(tally, &name, "standard_library")?;
    }
    Ok(())
}

/// This one runs until it is stopped, and the page that it serves has tests of its own.
const SERVES: &str = "cargo xtask page";

/// Each command that the examples' page names.
fn examples(project: &Project) -> Result<()> {
    let page = fs::read_to_string(project.root().join("examples/README.md"))?;
    let commands = listed(&page);
    ensure!(!commands.is_empty(), "examples/README.md names no command");
    for command in commands.into_iter().filter(|command| *command != SERVES) {
        let words = command.split(' ').skip(1);
        step(&format!("example: {command}"), || {
            match command.strip_prefix("cargo xtask ") {
                Some(task) => crate::run_words(task.split(' ')),
                None => shell::run(&mut project.cargo(words)),
            }
        })?;
    }
    Ok(())
}

/// The commands in the last column of a page's table.
fn listed(page: &str) -> Vec<&str> {
    let cells = page.lines().filter_map(|line| line.strip_suffix("` |"));
    let cells = cells.filter_map(|line| line.rsplit_once("| `"));
    cells
        .map(|(_, command)| command)
        .filter(|command| command.starts_with("cargo "))
        .collect()
}

/// The same tests in Node and in Chromium: optimised, since the two take minutes otherwise.
fn in_javascript(project: &Project, tally: &mut Tally) -> Result<()> {
    let arguments = format!(
        "test --tests --release --package steadfast --package web-tests --features steadfast/metashrew,steadfast/trace,steadfast/log --target {BARE}"
    );
    let tests = || project.cargo(arguments.split(' '));
    step("tests: wasm32-unknown-unknown in Node", || {
        tally.run(&mut tests())
    })?;
    in_chromium(project, tally, tests)
}

/// The same once more, and the pages; left out, by name, where there is no Chromium.
fn in_chromium(project: &Project, tally: &mut Tally, tests: impl Fn() -> Command) -> Result<()> {
    let names = [
        "tests: wasm32-unknown-unknown in Chromium",
        "tests: pages in Chromium",
    ];
    if !browser::to_be_had(&names.join(", ")) {
        return Ok(());
    }
    step(names[0], || {
        // The flags for Chromium are in `webdriver.json`. The limit is that of one file, in
        // seconds.
        let webdriver = project.root().join("webdriver.json");
        tally.run(
            tests()
                .env("WASM_BINDGEN_USE_BROWSER", "1")
                .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", webdriver)
                .env("WASM_BINDGEN_TEST_TIMEOUT", "300"),
        )
    })?;
    test(project, tally, names[1], "--package page")
}

/// The tests that indexers know by name run under plain `cargo test`, all of them.
fn memory_detection(project: &Project) -> Result<()> {
    const MODULE: &str = "lru_cache_memory_detection_test";
    const LEAST: u64 = 8;
    let mut tally = Tally::default();
    test(
        project,
        &mut tally,
        MODULE,
        &format!("--test metashrew {MODULE}"),
    )?;
    ensure!(
        tally.passed >= LEAST,
        "`cargo test {MODULE}` runs {} tests, where at least {LEAST} are wanted",
        tally.passed
    );
    Ok(())
}

fn check(project: &Project, name: &str, arguments: &str) -> Result<()> {
    step(name, || {
        shell::run(&mut project.cargo(arguments.split(' ')))
    })
}

/// The examples of README and rustdoc once more, over a cache that loses some entries and one that
/// loses most.
fn forgetful_examples(project: &Project, tally: &mut Tally) -> Result<()> {
    for seed in ["1", "7"] {
        let arguments = "test --package steadfast --doc --all-features";
        let mut examples = project.cargo(arguments.split(' '));
        examples.env("STEADFAST_FORGET", seed);
        step(&format!("examples: forgetting by {seed}"), || {
            tally.run(&mut examples)
        })?;
    }
    Ok(())
}

fn test(project: &Project, tally: &mut Tally, name: &str, arguments: &str) -> Result<()> {
    let arguments = ["test"].into_iter().chain(arguments.split(' '));
    step(name, || tally.run(&mut project.cargo(arguments)))
}

fn lint(project: &Project) -> Result<()> {
    let lint = |name: &str, arguments: &str| {
        check(
            project,
            name,
            &format!("clippy {arguments} -- --deny warnings"),
        )
    };
    lint(
        "clippy: native",
        &format!("--workspace {LEFT_ASIDE} --all-targets --all-features"),
    )?;
    lint(
        "clippy: packages without an engine",
        "--package componentize --package page --all-targets",
    )?;
    for (target, guests) in GUESTS {
        lint(
            &format!("clippy: {target}"),
            &format!("--package steadfast --all-targets --all-features --target {target}"),
        )?;
        lint(
            &format!("clippy: guests for {target}"),
            &format!("{guests} --target {target}"),
        )?;
    }
    lint(
        "clippy: tests in JavaScript engines",
        &format!("--package web-tests --all-targets --target {BARE}"),
    )?;
    Ok(())
}

fn features(project: &Project) -> Result<()> {
    step("feature combinations", || {
        for features in FEATURES {
            let arguments = [
                "check",
                "--quiet",
                "--package",
                "steadfast",
                "--no-default-features",
                "--features",
                features,
            ];
            for target in [&[][..], &["--target", WASI], &["--target", BARE]] {
                shell::run(&mut project.cargo(arguments.iter().chain(target)))?;
            }
        }
        Ok(())
    })
}

/// Both crates can be published, and what is published builds. The host is not built once more from
/// its package: that takes as long as wasmtime does.
fn packages(project: &Project) -> Result<()> {
    step("packages", || {
        let both = "package --quiet --allow-dirty --no-verify --package steadfast --package steadfast-host";
        shell::run(&mut project.cargo(both.split(' ')))?;
        let verified = "package --quiet --allow-dirty --package steadfast";
        shell::run(&mut project.cargo(verified.split(' ')))
    })
}

/// The documentation of both crates, as docs.rs builds it: natively, and the guest crate's for a
/// module too.
fn docs(project: &Project) -> Result<()> {
    let module = ["--package", "steadfast", "--target", BARE];
    step("documentation", || {
        for what in [
            &["--package", "steadfast", "--package", "steadfast-host"][..],
            &module,
        ] {
            let mut doc = project.cargo(["doc", "--no-deps", "--all-features"]);
            shell::run(doc.args(what).env("RUSTDOCFLAGS", "--deny warnings"))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn commands_are_found_in_the_last_column() {
        let page = include_str!("../../examples/README.md");
        let commands = listed(page);
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(
            commands.len(),
            rows,
            "each example has a command: {commands:?}"
        );
        assert_eq!(
            listed("| a | b | `cargo x y` |\n| a | `b` |\n"),
            ["cargo x y"]
        );
    }
}
