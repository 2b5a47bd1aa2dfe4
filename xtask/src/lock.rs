//! What `Cargo.lock` says.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The version of a package in the checkout's lock file.
pub fn version(root: &Path, package: &str) -> Result<String> {
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    find(&lock, package).with_context(|| format!("Cargo.lock has no package {package}"))
}

fn find(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines
        .nth(1)?
        .strip_prefix("version = \"")?
        .strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::find;

    const LOCK: &str = "[[package]]\nname = \"a-b\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"a\"\nversion = \"0.2.130\"\n";

    #[test]
    fn a_package_is_found_by_its_whole_name() {
        assert_eq!(find(LOCK, "a").as_deref(), Some("0.2.130"));
        assert_eq!(find(LOCK, "a-b").as_deref(), Some("1.2.3"));
        assert_eq!(find(LOCK, "b"), None);
    }
}
