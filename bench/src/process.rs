//! What the kernel tells of this process's memory.

use std::fs;

use anyhow::{Context as _, Result};

/// Bytes that a line `NAME: N kB` of a file in `/proc/self` tells.
pub fn bytes(file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/self/{file}"))?;
    let line = text.lines().find_map(|line| value(line, name));
    line.with_context(|| format!("/proc/self/{file} does not tell {name}"))
}

fn value(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?.strip_prefix(':')?;
    let kibibytes: f64 = rest.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}
