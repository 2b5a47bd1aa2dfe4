//! Debian's packages.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::shell;
use crate::step::step;

/// How apt-get is called: it must not remove anything that is there, rustup's own package above
/// all.
const INSTALL: &str = "apt-get install --yes --quiet=2 --no-install-recommends --no-remove";

/// How long fetching the lists and installing may take, each.
const LIMIT: Duration = Duration::from_secs(600);

/// Whether this is a system with apt-get.
pub fn is_here() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Installs packages, which needs root.
pub fn install(names: &[impl AsRef<str>]) -> Result<()> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if !is_root()? {
        bail!(
            "root is needed once, for packages. Run this as root, then try again:\n    apt-get update && {INSTALL} {}",
            names.join(" ")
        );
    }
    shell::run_within(Command::new("apt-get").args(["update", "--quiet=2"]), LIMIT)?;
    let mut words = INSTALL.split(' ');
    let mut install = Command::new(words.next().unwrap_or_default());
    shell::run_within(
        install
            .args(words)
            .args(names)
            .env("DEBIAN_FRONTEND", "noninteractive"),
        LIMIT,
    )
}

fn is_root() -> Result<bool> {
    Ok(shell::output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Gets what is missing from Debian's packages, or says that the check is left out. `missing` tells
/// what is not there.
pub fn to_be_had(
    check: &str,
    name: &str,
    is_here: fn() -> bool,
    missing: &str,
    packages: &[&str],
) -> bool {
    if is_here() {
        return true;
    }
    let got = step(name, || {
        ensure!(
            self::is_here(),
            "there is no {missing}, and this is no Debian"
        );
        install(packages)?;
        ensure!(is_here(), "the packages are installed and do not work");
        Ok(())
    });
    if let Err(error) = &got {
        eprintln!("SKIPPED {check}: {error:#}");
    }
    got.is_ok()
}
