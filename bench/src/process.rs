//! What the kernel tells of this process: memory, processor time, what it reads and writes.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// Processor time of all threads so far, in the process and in the kernel, in nanoseconds.
pub fn cpu_ns() -> f64 {
    clock_ns(ClockId::ProcessCPUTime)
}

/// The same of this thread alone.
pub fn thread_cpu_ns() -> f64 {
    clock_ns(ClockId::ThreadCPUTime)
}

fn clock_ns(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// What a line `NAME: N` of `/proc/self/io` tells: `syscr` calls that read, `wchar` bytes written.
pub fn io(name: &str) -> Result<f64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let prefix = format!("{name}: ");
    let number = text.lines().find_map(|line| line.strip_prefix(&prefix));
    let number = number.with_context(|| format!("/proc/self/io does not tell {name}"))?;
    Ok(number.parse()?)
}

/// Bytes that a line `NAME: N kB` of a file in `/proc/self` tells.
pub fn bytes(file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/self/{file}"))?;
    let line = text.lines().find_map(|line| value(line, name));
    line.with_context(|| format!("/proc/self/{file} does not tell {name}"))
}

/// Page faults that the kernel has served this process without reading from a disk.
pub fn minor_faults() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The tenth field; the second one, in parentheses, may have blanks.
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = rest.and_then(|rest| rest.split_whitespace().nth(7));
    let field = field.context("/proc/self/stat does not tell the faults")?;
    Ok(field.parse()?)
}

/// Bytes that all mappings of a file whose name contains `part` tell under a name, and how many
/// mappings there are.
pub fn bytes_of_mappings(part: &str, name: &str) -> Result<(f64, usize)> {
    let text = fs::read_to_string("/proc/self/smaps")?;
    let (mut sum, mut mappings, mut within) = (0.0, 0, false);
    for line in text.lines() {
        // A mapping begins with its addresses, its lines with a name and a colon.
        if line
            .split_whitespace()
            .next()
            .is_some_and(|word| !word.ends_with(':'))
        {
            within = line.contains(part);
            mappings += usize::from(within);
        } else if within {
            sum += value(line, name).unwrap_or(0.0);
        }
    }
    Ok((sum, mappings))
}

fn value(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?.strip_prefix(':')?;
    let kibibytes: f64 = rest.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}
