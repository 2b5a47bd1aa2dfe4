//! Clang, and libc and libc++ for WASI: what needs them is left out, with a line that says so,
//! where they cannot be had.

use std::path::Path;
use std::process::Command;

use crate::apt;
use crate::shell;

/// Debian's packages: the compiler, its `llvm-ar`, and the headers and libraries of C and C++ for
/// WASI.
const PACKAGES: [&str; 4] = ["clang", "llvm", "wasi-libc", "libc++-dev-wasm32"];

/// A file of the last of them.
const CPP: &str = "/usr/lib/wasm32-wasi/libc++abi.a";

/// Gets the compiler and its libraries where they are not there, or says that the check is left
/// out.
pub fn to_be_had(check: &str) -> bool {
    apt::to_be_had(
        check,
        "clang, libc and libc++ for WASI",
        is_here,
        "`clang` on the path with libc++ for WASI in /usr/lib/wasm32-wasi",
        &PACKAGES,
    )
}

fn is_here() -> bool {
    let runs = |program: &str| shell::works(Command::new(program).arg("--version"));
    runs("clang") && runs("llvm-ar") && Path::new(CPP).exists()
}
