//! The modules that the demo, the benches and the engine tests run, built into `target/guests/`.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::project::{BARE, Project, WASI};
use crate::shell;
use crate::step::step;
use crate::tools::copy;

/// A package of guests, one target that it is built for, and how.
struct Guests {
    package: &'static str,
    target: &'static str,
    profile: &'static str,
    modules: Modules,
}

/// Which modules the package has, and where they go.
enum Modules {
    /// One, of this name, into `target/guests/`.
    One(&'static str),
    /// One for each program in a directory, into a directory below `target/guests/`.
    EachOf(&'static str, &'static str),
}

/// As fast as they can be made.
const FAST: &str = "guest";

/// As small as they can be made.
const SMALL: &str = "guest-small";

const TESTS: &str = "wasm-tests/guests/src/bin";
const BENCH: &str = "bench/guests/src/bin";
const BENCH_INDEXER: &str = "bench/indexer-guests/src/bin";

const GUESTS: [Guests; 7] = [
    Guests {
        package: "indexer-metashrew",
        target: BARE,
        profile: FAST,
        modules: Modules::One("indexer_metashrew"),
    },
    Guests {
        package: "indexer-wasi",
        target: WASI,
        profile: FAST,
        modules: Modules::One("indexer-wasi"),
    },
    Guests {
        package: "wasm-test-guests",
        target: BARE,
        profile: FAST,
        modules: Modules::EachOf(TESTS, "test/wasm32-unknown-unknown"),
    },
    Guests {
        package: "wasm-test-guests",
        target: WASI,
        profile: FAST,
        modules: Modules::EachOf(TESTS, "test/wasm32-wasip1"),
    },
    Guests {
        package: "bench-guests",
        target: BARE,
        profile: FAST,
        modules: Modules::EachOf(BENCH, "bench"),
    },
    Guests {
        package: "bench-guests",
        target: BARE,
        profile: SMALL,
        modules: Modules::EachOf(BENCH, "bench-small"),
    },
    Guests {
        package: "bench-indexer-guests",
        target: BARE,
        profile: FAST,
        modules: Modules::EachOf(BENCH_INDEXER, "bench"),
    },
];

/// Builds every guest.
pub fn build(project: &Project) -> Result<()> {
    for guests in &GUESTS {
        step(
            &format!(
                "guests: {} for {} as {}",
                guests.package, guests.target, guests.profile
            ),
            || guests.build(project),
        )?;
    }
    Ok(())
}

impl Guests {
    fn build(&self, project: &Project) -> Result<()> {
        let arguments = [
            "build",
            "--profile",
            self.profile,
            "--package",
            self.package,
            "--target",
            self.target,
        ];
        shell::run(&mut project.cargo(arguments))?;
        let built = project.target()?.join(self.target).join(self.profile);
        let (names, to) = match self.modules {
            Modules::One(name) => (vec![name.to_owned()], project.guests()),
            Modules::EachOf(sources, to) => (
                programs(&project.root().join(sources))?,
                project.guests().join(to),
            ),
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
