//! The modules that the demo, the benches and the engine tests run, built into `target/guests/`.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::project::{BARE, COMPONENTS, NO_STD, Project, WASI};
use crate::shell;
use crate::step::step;
use crate::tools::copy;

/// A package of guests, as one target and one profile have it.
struct Guests {
    package: &'static str,
    target: &'static str,
    profile: &'static str,
    /// Where the modules go, below `target/guests/`.
    to: &'static str,
    modules: Modules,
}

/// Which modules a package has.
enum Modules {
    /// One of this name.
    One(&'static str),
    /// One of several programs, which is built alone.
    Program(&'static str),
    /// One for each program whose source stands in this directory.
    EachOf(&'static str),
}

/// Optimised for speed, as indexers are.
const FAST: &str = "guest";
/// Optimised for size.
const SMALL: &str = "guest-small";

const TESTS: Modules = Modules::EachOf("wasm-tests/guests/src/bin");
const IMAGE_TESTS: Modules = Modules::EachOf("wasm-tests/image-guests/src/bin");
const C_TESTS: Modules = Modules::EachOf("wasm-tests/c-guests/src/bin");
const CONTROLS: Modules = Modules::EachOf("wasm-tests/controls/src/bin");
const BENCHES: Modules = Modules::EachOf("bench/guests/src/bin");
const CACHE_BENCHES: Modules = Modules::EachOf("bench/cache-guests/src/bin");
const HEAP_BENCHES: Modules = Modules::EachOf("bench/heap-guests/src/bin");
const INDEXER_BENCHES: Modules = Modules::EachOf("bench/indexer-guests/src/bin");
const METASHREW_BENCHES: Modules = Modules::EachOf("bench/metashrew-guests/src/bin");

#[rustfmt::skip]
const GUESTS: [Guests; 14] = [
    Guests { package: "indexer-metashrew", target: BARE, profile: FAST, to: "", modules: Modules::One("indexer_metashrew") },
    Guests { package: "indexer-wasi", target: WASI, profile: FAST, to: "", modules: Modules::One("indexer-wasi") },
    Guests { package: "metashrew-port", target: BARE, profile: FAST, to: "", modules: Modules::One("metashrew_port") },
    Guests { package: "control-guests", target: WASI, profile: FAST, to: "", modules: CONTROLS },
    Guests { package: "control-guests", target: BARE, profile: FAST, to: "bare", modules: CONTROLS },
    Guests { package: "wasm-test-guests", target: BARE, profile: FAST, to: "test/wasm32-unknown-unknown", modules: TESTS },
    Guests { package: "wasm-test-guests", target: WASI, profile: FAST, to: "test/wasm32-wasip1", modules: TESTS },
    Guests { package: "image-guests", target: BARE, profile: FAST, to: "test/wasm32-unknown-unknown", modules: IMAGE_TESTS },
    Guests { package: "bench-guests", target: BARE, profile: FAST, to: "bench", modules: BENCHES },
    Guests { package: "bench-guests", target: BARE, profile: SMALL, to: "bench-small", modules: BENCHES },
    Guests { package: "bench-cache-guests", target: WASI, profile: FAST, to: "bench", modules: CACHE_BENCHES },
    Guests { package: "bench-heap-guests", target: WASI, profile: FAST, to: "heap", modules: HEAP_BENCHES },
    Guests { package: "bench-indexer-guests", target: BARE, profile: FAST, to: "bench", modules: INDEXER_BENCHES },
    Guests { package: "bench-metashrew-guests", target: BARE, profile: FAST, to: "bench", modules: METASHREW_BENCHES },
];

/// What clang compiles a part of.
#[rustfmt::skip]
const C_GUESTS: [Guests; 2] = [
    Guests { package: "c-guests", target: BARE, profile: FAST, to: "test/wasm32-unknown-unknown", modules: C_TESTS },
    Guests { package: "c-guests", target: WASI, profile: FAST, to: "test/wasm32-wasip1", modules: C_TESTS },
];

/// What is built for targets that not every toolchain has.
const COMPONENT: Guests = Guests {
    package: "wasm-test-guests",
    target: COMPONENTS,
    profile: FAST,
    to: "test/wasm32-wasip2",
    modules: Modules::Program("component"),
};
const NO_STD_GUEST: Guests = Guests {
    package: "no-std-guest",
    target: NO_STD,
    profile: FAST,
    to: "test/wasm32v1-none",
    modules: Modules::One("no_std_guest"),
};

/// Builds every guest that needs no more than the toolchain.
pub fn all(project: &Project) -> Result<()> {
    build(project, &GUESTS)?;
    step("a component", || componentize(project))
}

/// Builds the guests with C in them.
pub fn with_c(project: &Project) -> Result<()> {
    build(project, &C_GUESTS)
}

/// Builds the guest that the compiler makes a component of.
pub fn component(project: &Project) -> Result<()> {
    build(project, [&COMPONENT])
}

/// Builds the guest for the target without the standard library.
pub fn no_std(project: &Project) -> Result<()> {
    build(project, [&NO_STD_GUEST])
}

/// Makes a component of a command.
fn componentize(project: &Project) -> Result<()> {
    let directory = project.target()?.join("guests/test").join(WASI);
    let mut cargo = project.cargo(["run", "--quiet", "--package", "componentize", "--"]);
    cargo.arg(directory.join("component.wasm"));
    shell::run(cargo.arg(directory.join("component.component.wasm")))
}

/// Builds the indexers.
pub fn indexers(project: &Project) -> Result<()> {
    build(
        project,
        GUESTS
            .iter()
            .filter(|guests| matches!(guests.modules, Modules::One(_))),
    )
}

/// Builds the modules that the demo runs.
pub fn demo(project: &Project) -> Result<()> {
    let wanted = ["indexer-metashrew", "indexer-wasi"];
    build(
        project,
        GUESTS
            .iter()
            .filter(|guests| wanted.contains(&guests.package)),
    )
}

fn build<'a>(project: &Project, guests: impl IntoIterator<Item = &'a Guests>) -> Result<()> {
    for guests in guests {
        let name = format!(
            "{} for {} ({})",
            guests.package, guests.target, guests.profile
        );
        step(&name, || guests.build(project))?;
    }
    Ok(())
}

impl Guests {
    fn build(&self, project: &Project) -> Result<()> {
        let mut cargo = project.cargo(["build", "--package", self.package]);
        if let Modules::Program(name) = self.modules {
            cargo.args(["--bin", name]);
        }
        shell::run(cargo.args(["--target", self.target, "--profile", self.profile]))?;
        let target = project.target()?;
        let built = target.join(self.target).join(self.profile);
        let to = target.join("guests").join(self.to);
        let names = match self.modules {
            Modules::One(name) | Modules::Program(name) => vec![name.to_owned()],
            Modules::EachOf(directory) => programs(&project.root().join(directory))?,
        };
        for name in names {
            let file = format!("{name}.wasm");
            copy(&built.join(&file), &to.join(&file))?;
        }
        Ok(())
    }
}

/// The names of the programs whose sources stand in the directory, as cargo finds them.
fn programs(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if directory.exists() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(
                    path.file_stem()
                        .map(|name| name.to_string_lossy().into_owned()),
                );
            }
        }
    }
    Ok(names)
}
