//! Files that a command writes beside its answer.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, anyhow, bail, ensure};
use steadfast_host::CoreDumps;
use steadfast_host::file::directory_of;

/// Checks that no option writes to a file that the command uses itself, whether that exists yet or
/// not, over one in a folder that it reads, and no two to the same file.
pub fn check_outputs<'a>(
    outputs: impl IntoIterator<Item = (&'static str, Option<&'a PathBuf>)>,
    used: impl IntoIterator<Item = &'a PathBuf>,
) -> anyhow::Result<()> {
    let used: Vec<PathBuf> = used.into_iter().map(|path| place(path)).collect();
    let mut written: Vec<(&str, PathBuf)> = Vec::new();
    for (option, path) in outputs {
        let Some(path) = path else { continue };
        let there = place(path);
        let folder = directory_of(&there);
        ensure!(
            folder.is_dir(),
            "{}: {option} would write to the folder {}, which does not exist: make it first",
            path.display(),
            folder.display()
        );
        ensure!(
            !used.contains(&there),
            "{}: the run itself uses this file, and {option} would replace it: choose another path",
            path.display()
        );
        let folder = used.iter().find(|folder| there.starts_with(folder));
        if let Some(folder) = folder.filter(|_| there.exists()) {
            bail!(
                "{}: the run reads the folder {}, and {option} would replace a file in it: choose another path",
                path.display(),
                folder.display()
            );
        }
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

/// Writes a file that an option names. It takes the place of a file that is there: what has other
/// names (hard links) stays under those as it was.
pub fn write_file(path: &Path, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let to = place(path);
    let written = if to.metadata().is_ok_and(|there| !there.is_file()) {
        // A device or a pipe.
        fs::write(&to, bytes)
    } else {
        replace(&to, bytes.as_ref())
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_os_string();
    part.push(format!(".{}.part", process::id()));
    let part = PathBuf::from(part);
    let mut file = File::create_new(&part)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
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
    let written = dump.map_err(|exceeded| anyhow!("no core dump is kept: {exceeded}"));
    super::warn(&match written.and_then(|dump| write_file(file, dump)) {
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

    use super::{check_outputs, write_file};

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
        let nowhere = told([None, Some(&path("missing").join("file"))]).unwrap();
        assert!(
            nowhere.contains("missing, which does not exist"),
            "{nowhere}"
        );
        assert!(
            twice.contains("--svg writes this file, and --pprof"),
            "{twice}"
        );
        for used in [&module, &block, &by_another_way] {
            let refused = told([None, Some(used)]).unwrap();
            assert!(refused.contains("uses this file, and --pprof"), "{refused}");
        }
    }

    #[test]
    fn no_file_in_a_folder_that_is_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("blocks");
        fs::create_dir_all(folder.join("below")).unwrap();
        let told = |name: &str| {
            let path = folder.join(name);
            let outputs = [("--svg", Some(&path))];
            let checked = check_outputs(outputs, [&folder]);
            checked.err().map(|error| error.to_string())
        };
        for name in ["1.block", "below/2.block"] {
            assert_eq!(told(name), None, "a new file replaces nothing");
            fs::write(folder.join(name), "bytes").unwrap();
            assert!(told(name).unwrap().contains("would replace a file in it"));
        }
    }

    #[test]
    fn another_name_of_a_file_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("database"), "pairs").unwrap();
        fs::hard_link(path("database"), path("link")).unwrap();
        write_file(&path("link"), "dump").unwrap();
        assert_eq!(fs::read(path("database")).unwrap(), b"pairs");
        assert_eq!(fs::read(path("link")).unwrap(), b"dump");
        let names = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 2, "nothing else is left");
    }
}
