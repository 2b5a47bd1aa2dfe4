//! Chromium and its driver: what needs them is left out, with a line that says so, where they
//! cannot be had.

use std::process::Command;

use crate::apt;
use crate::shell;

/// Debian's packages of both.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Gets Chromium and its driver where they are not there, or says that the check is left out.
pub fn to_be_had(check: &str) -> bool {
    apt::to_be_had(
        check,
        "Chromium and its driver",
        is_here,
        "`chromium` and `chromedriver` on the path",
        &PACKAGES,
    )
}

fn is_here() -> bool {
    let runs = |program: &str| shell::works(Command::new(program).arg("--version"));
    runs("chromium") && runs("chromedriver")
}
