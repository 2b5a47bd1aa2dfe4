//! A sysroot with Debian's compiler and the wasm targets' standard library, built from Debian's
//! source of it.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::libraries;
use crate::project::{BARE, WASI};
use crate::shell;
use crate::step::step;

const COMPILERS: [&str; 2] = ["rustc", "rustdoc"];
const OTHERS: [&str; 5] = [
    "cargo",
    "cargo-fmt",
    "rustfmt",
    "cargo-clippy",
    "clippy-driver",
];
const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

/// Whether the sysroot was built to its end, here, from the compiler that is installed now.
pub fn is_current(sysroot: &Path) -> Result<bool> {
    match fs::read_to_string(sysroot.join("stamp")) {
        Ok(found) => Ok(found == stamp(sysroot)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn stamp(sysroot: &Path) -> Result<String> {
    let version = shell::output(Command::new("/usr/bin/rustc").arg("-vV"))?;
    Ok(format!("{}\n{version}", sysroot.display()))
}

/// Builds the sysroot anew.
pub fn build(sysroot: &Path) -> Result<()> {
    let scratch = sysroot.with_extension("build");
    for directory in [sysroot, &scratch] {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
    }
    step(
        "the standard library for both wasm targets, from Debian's source (some minutes)",
        || build_std(&scratch),
    )?;
    link_host(sysroot)?;
    for target in [WASI, BARE] {
        copy_libraries(&scratch, sysroot, target)?;
    }
    write_commands(sysroot)?;
    add_wasi_libc(&scratch, sysroot)?;
    fs::remove_dir_all(&scratch)?;
    fs::write(sysroot.join("stamp"), stamp(sysroot)?)?;
    Ok(())
}

/// Builds an empty crate, and with it the library that it stands on.
fn build_std(scratch: &Path) -> Result<()> {
    fs::create_dir(scratch.join("src"))?;
    fs::write(scratch.join("src/lib.rs"), "#![no_std]\n")?;
    let manifest =
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(scratch.join("Cargo.toml"), manifest)?;
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo
        .current_dir(scratch)
        .args(["build", "--release", "--target-dir", "target"]);
    cargo.args([
        "-Zbuild-std=std,test,panic_abort,panic_unwind",
        "--target",
        WASI,
        "--target",
        BARE,
    ]);
    // Neither the caller's toolchain nor its flags may reach the library.
    for variable in [
        "RUSTUP_TOOLCHAIN",
        "RUSTC",
        "RUSTC_WRAPPER",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(variable);
    }
    cargo
        .env("PATH", "/usr/bin:/bin")
        .env("RUSTC_BOOTSTRAP", "1");
    cargo.env(
        "RUSTFLAGS",
        "-Cembed-bitcode=yes -Zforce-unstable-if-unmarked",
    );
    shell::run(&mut cargo)
}

/// Takes the compiler's own libraries and linkers from where the packages put them.
fn link_host(sysroot: &Path) -> Result<()> {
    let rustlib = sysroot.join("lib/rustlib");
    fs::create_dir_all(&rustlib)?;
    for entry in fs::read_dir("/usr/lib/rustlib")? {
        let entry = entry?;
        symlink(entry.path(), rustlib.join(entry.file_name()))?;
    }
    Ok(())
}

fn copy_libraries(scratch: &Path, sysroot: &Path, target: &str) -> Result<()> {
    let to = libraries(sysroot, target);
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(scratch.join("target").join(target).join("release/deps"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

/// Debian's programs, told where the sysroot is.
fn write_commands(sysroot: &Path) -> Result<()> {
    let bin = sysroot.join("bin");
    fs::create_dir(&bin)?;
    let at = sysroot.display();
    for name in COMPILERS {
        write_command(
            &bin.join(name),
            &format!("exec /usr/bin/{name} --sysroot '{at}' \"$@\""),
        )?;
    }
    for name in OTHERS {
        write_command(
            &bin.join(name),
            &format!("SYSROOT='{at}' exec /usr/bin/{name} \"$@\""),
        )?;
    }
    Ok(())
}

fn write_command(path: &Path, line: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{line}\n"))?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
}

/// Puts the C library where the compiler looks for its own copy of it.
fn add_wasi_libc(scratch: &Path, sysroot: &Path) -> Result<()> {
    let to = libraries(sysroot, WASI).join("self-contained");
    fs::create_dir_all(&to)?;
    for name in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
        let from = Path::new(WASI_LIBC).join(name);
        fs::copy(&from, to.join(name))
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let (source, object) = (scratch.join("pthread.rs"), scratch.join("pthread.o"));
    fs::write(&source, include_str!("pthread.rs"))?;
    let mut rustc = Command::new(sysroot.join("bin/rustc"));
    rustc.args([
        "--edition",
        "2024",
        "--target",
        WASI,
        "--crate-type",
        "lib",
        "--emit",
        "obj",
        "-Cpanic=abort",
        "-O",
    ]);
    shell::run(rustc.arg("-o").arg(&object).arg(&source))?;
    // The system's own `ar` cannot index wasm objects.
    let linker = fs::canonicalize("/usr/bin/rust-lld")
        .context("the package rust-web-llvm brings no linker")?;
    shell::run(
        Command::new(linker.with_file_name("llvm-ar"))
            .arg("r")
            .arg(to.join("libc.a"))
            .arg(&object),
    )
}
