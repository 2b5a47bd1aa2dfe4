//! Chromium and its driver: what needs them is left out, with a line that says so, where they cannot be had.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::apt;
use crate::shell;
use crate::step::step;

/// Debian's packages of both.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Gets Chromium and its driver where they are not there, or says that the check is left out.
pub fn to_be_had(check: &str) -> bool {
    if is_here() {
        return true;
    }
    match step("Chromium and its driver", install) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("SKIPPED {check}: {error:#}");
            false
        }
    }
}

fn install() -> Result<()> {
    ensure!(
        apt::is_here(),
        "there is no `chromium` and `chromedriver` on the path, and this is no Debian"
    );
    apt::install(&PACKAGES)?;
    ensure!(is_here(), "the packages are installed and do not run");
    Ok(())
}

fn is_here() -> bool {
    let runs = |program: &str| shell::works(Command::new(program).arg("--version"));
    runs("chromium") && runs("chromedriver")
}
