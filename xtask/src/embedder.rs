//! The host's library with few features or none, as an embedder builds it.

use anyhow::{Result, ensure};

use crate::project::Project;
use crate::shell;
use crate::step::step;

/// What must build, beside all features, which the other steps take. Wasmtime is checked, not
/// compiled, once more for these. Those that want more of it stand in `.github/workflows/ci.yml`.
const FEATURES: [&str; 4] = ["", "check", "redb", "pictures"];

/// What none of them but its own feature builds.
const LEFT_OUT: [&str; 9] = [
    "clap",
    "indicatif",
    "petgraph",
    "plotters",
    "redb",
    "svg",
    "wasmi",
    "wasmtime-wasi",
    "winch-codegen",
];

/// Checks each combination, and that the library without features leaves the rest of them alone.
pub fn check(project: &Project) -> Result<()> {
    step("host features", || {
        for features in FEATURES {
            let clippy = ["clippy", "--quiet", "--package", "steadfast-host"];
            let mut cargo = project.cargo(clippy);
            cargo.args(["--no-default-features", "--features", features]);
            shell::run(cargo.args(["--", "--deny", "warnings"]))?;
        }
        let built = shell::output(&mut project.cargo([
            "tree",
            "--package",
            "steadfast-host",
            "--no-default-features",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ]))?;
        let names: Vec<_> = names(&built).collect();
        ensure!(names.contains(&"wasmtime"), "cargo names no wasmtime");
        let too_many: Vec<_> = LEFT_OUT
            .iter()
            .filter(|name| names.contains(name))
            .collect();
        ensure!(
            too_many.is_empty(),
            "steadfast-host builds {too_many:?} without any feature"
        );
        Ok(())
    })
}

/// The names in lines such as `redb v4.0.0 (*)`.
fn names(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines().filter_map(|line| line.split(' ').next())
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_line_of_the_tree_begins_with_the_name() {
        let tree = "a v1.0.0 (/here)\nb-c v2.0.0 (*)\n\n";
        assert_eq!(names(tree).collect::<Vec<_>>(), ["a", "b-c", ""]);
    }
}
