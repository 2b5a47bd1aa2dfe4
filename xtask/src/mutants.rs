//! Mutation tests: changes the guest crate in many small ways, and lists the changes that its tests
//! do not notice.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::project::Project;
use crate::shell;
use crate::step::step;
use crate::tools;

const TOOL: &str = "cargo-mutants";
const VERSION: &str = "27.1.0";

/// The page that tells why a change that no test notices changes nothing.
const PAGE: &str = "docs/mutants.md";

/// A part of `src/`: the file of that name and the directory, with the test files that must notice
/// changes in it. Unit tests always run.
struct Part {
    name: &'static str,
    tests: &'static [&'static str],
}

const PARTS: [Part; 6] = [
    Part {
        name: "probe",
        tests: &["probe*"],
    },
    Part {
        name: "reserve",
        tests: &["reserve*"],
    },
    Part {
        name: "heap",
        tests: &["heap*"],
    },
    Part {
        name: "region",
        tests: &["region*", "cache*", "reserve*"],
    },
    Part {
        name: "cache",
        tests: &["cache*"],
    },
    Part {
        name: "metashrew",
        tests: &["metashrew*"],
    },
];

/// What became of a part's mutants.
struct Outcome {
    unbuildable: usize,
    caught: usize,
    timed_out: usize,
    /// Missed, and the page says why.
    listed: usize,
    /// Missed, and the page does not tell of them.
    unlisted: Vec<String>,
}

/// Runs the mutants of every part, or of one shard of each. Fails if a mutant is missed that
/// `docs/mutants.md` does not list.
pub fn run(project: &Project, shard: Option<&str>, rest: &[String]) -> Result<()> {
    install(project)?;
    // In a table, a bar is escaped.
    let page = fs::read_to_string(project.root().join(PAGE))?.replace("\\|", "|");
    let mut rows = Vec::new();
    for part in &PARTS {
        let outcome = step(&format!("mutants of {}", part.name), || {
            part.run(project, &page, shard, rest)
        })?;
        rows.push((part.name, outcome));
    }
    println!("part       tried  unbuildable  caught  timed out  missed, listed  missed");
    for (name, of) in &rows {
        println!(
            "{name:<9} {:>6} {:>12} {:>7} {:>10} {:>15} {:>7}",
            of.tried(),
            of.unbuildable,
            of.caught,
            of.timed_out,
            of.listed,
            of.unlisted.len()
        );
    }
    let unlisted: Vec<&str> = rows
        .iter()
        .flat_map(|(_, of)| of.unlisted.iter().map(String::as_str))
        .collect();
    ensure!(
        unlisted.is_empty(),
        "no test notices these changes; add one that does, or say in {PAGE} why they change nothing:\n{}",
        unlisted.join("\n")
    );
    Ok(())
}

/// Builds `cargo-mutants` into the tools' directory.
fn install(project: &Project) -> Result<()> {
    let tool = project.tools().join("bin").join(TOOL);
    let told = tools::told(Command::new(tool).args(["mutants", "--version"]));
    if told.as_deref() == Some(VERSION) {
        return Ok(());
    }
    step(&format!("{TOOL} {VERSION} (a few minutes)"), || {
        let mut cargo = project.cargo(["install", TOOL, "--locked", "--force", "--version"]);
        cargo.arg(format!("={VERSION}"));
        cargo.arg("--root").arg(project.tools());
        shell::run(&mut cargo)
    })
}

impl Part {
    fn run(
        &self,
        project: &Project,
        page: &str,
        shard: Option<&str>,
        rest: &[String],
    ) -> Result<Outcome> {
        let target = project.target()?.join("mutants");
        let output = target.join(self.output(shard));
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        let mut mutants = project.command(&project.tools().join("bin").join(TOOL));
        mutants.args(["mutants", "--package", "steadfast", "--profile", "mutants"]);
        mutants.arg("--all-features");
        mutants.arg("--output").arg(&output);
        for files in [
            format!("src/{}.rs", self.name),
            format!("src/{}/**", self.name),
        ] {
            mutants.arg("--file").arg(files);
        }
        if let Some(shard) = shard {
            mutants.args(["--shard", shard, "--sharding", "round-robin"]);
        }
        // What is built for each mutant is what its tests need.
        mutants.arg("--cargo-arg=--lib");
        for test in self.tests {
            mutants.arg(format!("--cargo-arg=--test={test}"));
        }
        mutants.args(rest);
        // Each part's mutants are built where the dependencies are already. `CARGO` would name
        // another toolchain's.
        mutants
            .env("CARGO_TARGET_DIR", target.join("target"))
            .env_remove("CARGO");
        let status = mutants
            .status()
            .with_context(|| format!("cannot run `{}`", shell::shown(&mutants)))?;
        // 2: some were missed. 3: some timed out.
        if !matches!(status.code(), Some(2 | 3)) {
            shell::succeeded(&mutants, status)?;
        }
        Outcome::read(&output.join("mutants.out"), page)
    }

    /// The directory of the lists: each shard has its own, so that it stays when the next one runs.
    fn output(&self, shard: Option<&str>) -> String {
        match shard {
            Some(shard) => format!("{}-{}", self.name, shard.replace('/', "of")),
            None => self.name.to_owned(),
        }
    }
}

impl Outcome {
    fn read(output: &Path, page: &str) -> Result<Outcome> {
        let lines = |name: &str| -> Result<Vec<String>> {
            let file = output.join(name);
            // Where no mutant is left by the filters, there are no files.
            if !file.exists() {
                return Ok(Vec::new());
            }
            let text = fs::read_to_string(file)?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let (listed, unlisted): (Vec<_>, Vec<_>) = lines("missed.txt")?
            .into_iter()
            .partition(|mutant| page.contains(&format!("`{}`", without_place(mutant))));
        Ok(Outcome {
            unbuildable: lines("unviable.txt")?.len(),
            caught: lines("caught.txt")?.len(),
            timed_out: lines("timeout.txt")?.len(),
            listed: listed.len(),
            unlisted,
        })
    }

    fn tried(&self) -> usize {
        self.unbuildable + self.caught + self.timed_out + self.listed + self.unlisted.len()
    }
}

/// A mutant's name without line and column, which other changes move.
fn without_place(mutant: &str) -> String {
    let mut words = mutant.splitn(4, ':');
    match (words.next(), words.nth(2)) {
        (Some(file), Some(change)) => format!("{file}:{change}"),
        _ => mutant.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTS, without_place};

    #[test]
    fn each_shard_has_lists_of_its_own() {
        let [probe, ..] = &PARTS;
        assert_eq!(probe.output(Some("3/8")), "probe-3of8");
        assert_eq!(probe.output(None), "probe");
    }

    #[test]
    fn a_name_keeps_its_file_and_its_change() {
        assert_eq!(
            without_place("src/probe.rs:62:13: delete match arm 5 in A::from_code"),
            "src/probe.rs: delete match arm 5 in A::from_code"
        );
    }
}
