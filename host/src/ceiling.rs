//! How much memory a guest may have: what was asked for, or what the machine really has.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The most that a 32-bit linear memory can have: 4 GiB.
pub const MAX_CEILING: u64 = 1 << 32;

/// Bytes in a WebAssembly page.
pub const PAGE_BYTES: u64 = 65536;

/// The memory that this machine can really give to a guest, in bytes, in whole pages: the smallest
/// of the limits on this process's cgroup and its ancestors (cgroup v2 `memory.max`), the kernel's
/// `MemAvailable`, and 4 GiB. What cannot be read does not limit.
pub fn machine_ceiling() -> u64 {
    ceiling_at(Path::new("/"))
}

fn ceiling_at(root: &Path) -> u64 {
    let limit = cgroup_limits(root)
        .chain(mem_available(root))
        .fold(MAX_CEILING, u64::min);
    limit - limit % PAGE_BYTES
}

/// The `memory.max` of each cgroup from this process's own up to the root of the hierarchy.
fn cgroup_limits(root: &Path) -> impl Iterator<Item = u64> {
    let hierarchy = root.join("sys/fs/cgroup");
    own_cgroup(root)
        .into_iter()
        .flat_map(|own| own.ancestors().map(Path::to_path_buf).collect::<Vec<_>>())
        .filter_map(move |cgroup| {
            let limit = fs::read_to_string(hierarchy.join(cgroup).join("memory.max")).ok()?;
            // The word `max` stands for no limit.
            limit.trim().parse().ok()
        })
}

/// The path of this process's cgroup, relative to the root of the hierarchy.
fn own_cgroup(root: &Path) -> Option<PathBuf> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let names = Path::new(own).components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    Some(names.collect())
}

fn mem_available(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Reads a number of bytes, such as `65536`, `512KiB`, `40MiB` or `1GiB`.
///
/// # Errors
///
/// A message that says what a number of bytes looks like.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let unit: u64 = match suffix.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => {
            return Err(format!(
                "`{text}` is not a number of bytes: write 65536, 512KiB, 40MiB or 1GiB"
            ));
        }
    };
    let number: u64 = number.parse().map_err(|_| {
        format!("`{text}` is not a number of bytes: write 65536, 512KiB, 40MiB or 1GiB")
    })?;
    number
        .checked_mul(unit)
        .ok_or_else(|| format!("`{text}` is more bytes than 64 bits count"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const MIB: u64 = 1 << 20;

    fn machine(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_machine_that_tells_nothing_gives_the_whole_address_space() {
        let root = machine(&[]);
        assert_eq!(ceiling_at(root.path()), MAX_CEILING);
    }

    #[test]
    fn the_smallest_limit_of_all_ancestors_holds() {
        let files = [
            ("proc/self/cgroup", "1:cpu:/x\n0::/a/b\n"),
            (
                "proc/meminfo",
                "MemTotal: 9 kB\nMemAvailable:    3145728 kB\n",
            ),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "536870912\n"),
            ("sys/fs/cgroup/x/memory.max", "1048576\n"),
        ];
        let root = machine(&files);
        assert_eq!(ceiling_at(root.path()), 512 * MIB);

        fs::write(root.path().join("sys/fs/cgroup/a/b/memory.max"), "67108865").unwrap();
        assert_eq!(ceiling_at(root.path()), 64 * MIB, "rounded down to a page");
    }

    #[test]
    fn the_available_memory_limits_where_no_cgroup_does() {
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
            ("proc/meminfo", "MemAvailable: 131072 kB\n"),
        ];
        assert_eq!(ceiling_at(machine(&files).path()), 128 * MIB);
    }

    #[test]
    fn a_cgroup_outside_the_namespace_does_not_lead_out_of_the_hierarchy() {
        let files = [
            ("proc/self/cgroup", "0::/../../a\n"),
            ("sys/fs/cgroup/a/memory.max", "131072\n"),
            ("sys/memory.max", "65536\n"),
        ];
        assert_eq!(ceiling_at(machine(&files).path()), 131072);
    }

    #[test]
    fn bytes_are_read_with_their_unit() {
        assert_eq!(parse_bytes("0"), Ok(0));
        assert_eq!(parse_bytes("65536"), Ok(65536));
        assert_eq!(parse_bytes("65536B"), Ok(65536));
        assert_eq!(parse_bytes("512KiB"), Ok(512 << 10));
        assert_eq!(parse_bytes("40 MiB"), Ok(40 * MIB));
        assert_eq!(parse_bytes("4GiB"), Ok(MAX_CEILING));
    }

    #[test]
    fn what_is_not_a_number_of_bytes_is_refused() {
        for text in [
            "", "MiB", "1MB", "1.5GiB", "-1", "+1", "0x10", "1 GiB x", "é", "1é",
        ] {
            assert!(parse_bytes(text).is_err(), "{text:?}");
        }
        assert!(parse_bytes("18446744073709551616").is_err());
        assert!(parse_bytes("17179869184GiB").is_err());
    }
}
