//! What memory this process itself takes.

use serde::Serialize;

/// Memory of this process, linear memories included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessMemory {
    /// Bytes that are resident.
    pub resident_bytes: u64,
    /// The most bytes that were resident at any moment.
    pub peak_bytes: u64,
}

impl ProcessMemory {
    /// As it is now; `None` where the system does not tell.
    #[must_use]
    pub fn now() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        ProcessMemory::read(&status)
    }

    fn read(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kibibytes * 1024)
        };
        Some(ProcessMemory {
            resident_bytes: bytes("VmRSS:")?,
            peak_bytes: bytes("VmHWM:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let status = "Name:\tx\nVmHWM:\t   20 kB\nVmRSS:\t   10 kB\n";
        let expected = ProcessMemory {
            resident_bytes: 10_240,
            peak_bytes: 20_480,
        };
        assert_eq!(ProcessMemory::read(status), Some(expected));
        assert_eq!(ProcessMemory::read("Name: x"), None);
    }
}
