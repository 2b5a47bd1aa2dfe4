//! Files that a command writes beside its answer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use steadfast_host::CoreDumps;
use steadfast_host::file::directory_of;

/// Checks that no option writes to a file that the command uses itself, whether that exists yet or
/// not, and no two to the same file.
pub fn check_outputs<'a>(
    outputs: impl IntoIterator<Item = (&'static str, Option<&'a PathBuf>)>,
    used: impl IntoIterator<Item = &'a PathBuf>,
) -> anyhow::Result<()> {
    let used: Vec<PathBuf> = used.into_iter().map(|path| place(path)).collect();
    let mut written: Vec<(&str, PathBuf)> = Vec::new();
    for (option, path) in outputs {
        let Some(path) = path else { continue };
        let there = place(path);
        ensure!(
            !used.contains(&there),
            "{}: the run itself uses this file, and {option} would replace it: choose another path",
            path.display()
        );
        if let Some((other, _)) = written.iter().find(|(_, other)| *other == there) {
            bail!(
                "{}: {other} writes this file, and {option} would replace it: choose another path",
                path.display()
            );
        }
        written.push((option, there));
    }
    Ok(())
}

/// Writes a file that an option names.
pub fn write_file(path: &Path, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Where core dumps of a module are kept until they are written, if they are asked for.
pub fn core_dumps(file: Option<&PathBuf>, module: &Path) -> Option<CoreDumps> {
    file.map(|_| CoreDumps::of(&module.display().to_string()))
}

/// Writes the core dump of a module that failed. One that cannot be written is told in a line,
/// since the failure itself says more.
pub fn write_core_dump(file: Option<&PathBuf>, dumps: Option<CoreDumps>) {
    let dump = dumps.and_then(|dumps| dumps.take());
    let (Some(file), Some(dump)) = (file, dump) else {
        return;
    };
    super::warn(&match write_file(file, dump) {
        Ok(()) => format!("the core dump is in {}", file.display()),
        Err(error) => format!("{error:#}"),
    });
}

/// A path without links; of a file that is not there, its directory's.
fn place(path: &Path) -> PathBuf {
    let in_directory = || {
        let directory = fs::canonicalize(directory_of(path)).ok()?;
        Some(directory.join(path.file_name()?))
    };
    let there = fs::canonicalize(path).ok().or_else(in_directory);
    there.unwrap_or_else(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::check_outputs;

    #[test]
    fn a_file_that_is_used_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let (module, block, new) = (path("module"), path("block"), path("new"));
        for file in [&module, &block] {
            fs::write(file, "bytes").unwrap();
        }
        let by_another_way = directory.path().join(".").join("block");
        let told = |outputs: [Option<&PathBuf>; 2]| {
            let outputs = ["--svg", "--pprof"].into_iter().zip(outputs);
            let checked = check_outputs(outputs, [&module, &block]);
            checked.err().map(|error| error.to_string())
        };
        assert_eq!(told([Some(&new), None]), None);
        let (other, twice) = (path("other"), told([Some(&new), Some(&new)]).unwrap());
        assert_eq!(told([Some(&new), Some(&other)]), None);
        assert!(
            twice.contains("--svg writes this file, and --pprof"),
            "{twice}"
        );
        for used in [&module, &block, &by_another_way] {
            let refused = told([None, Some(used)]).unwrap();
            assert!(refused.contains("uses this file, and --pprof"), "{refused}");
        }
    }
}
