//! The modules that the demo, the benches and the engine tests run, built into `target/guests/`.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::project::{BARE, Project, WASI};
use crate::shell;
use crate::step::step;
use crate::tools::copy;

/// A package of guests and one target that it is built for.
struct Guests {
    package: &'static str,
    target: &'static str,
    modules: Modules,
}

/// Which modules the package has, and where they go.
enum Modules {
    /// One, of this name, into `target/guests/`.
    One(&'static str),
    /// One for each program in this directory, into `target/guests/test/TARGET/`.
    EachOf(&'static str),
}

const GUESTS: [Guests; 4] = [
    Guests {
        package: "indexer-metashrew",
        target: BARE,
        modules: Modules::One("indexer_metashrew"),
    },
    Guests {
        package: "indexer-wasi",
        target: WASI,
        modules: Modules::One("indexer-wasi"),
    },
    Guests {
        package: "wasm-test-guests",
        target: BARE,
        modules: Modules::EachOf("wasm-tests/guests/src/bin"),
    },
    Guests {
        package: "wasm-test-guests",
        target: WASI,
        modules: Modules::EachOf("wasm-tests/guests/src/bin"),
    },
];

/// Builds every guest.
pub fn build(project: &Project) -> Result<()> {
    for guests in &GUESTS {
        step(
            &format!("guests: {} for {}", guests.package, guests.target),
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
            "guest",
            "--package",
            self.package,
            "--target",
            self.target,
        ];
        shell::run(&mut project.cargo(arguments))?;
        let built = project.target()?.join(self.target).join("guest");
        let (names, to) = match self.modules {
            Modules::One(name) => (vec![name.to_owned()], project.guests()),
            Modules::EachOf(directory) => (
                programs(&project.root().join(directory))?,
                project.guests().join("test").join(self.target),
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
