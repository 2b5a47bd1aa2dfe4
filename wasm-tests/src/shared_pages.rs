//! The pages of shared images and caches that instances in this process have of their own.

use std::fs;

/// Bytes of the images' mappings that have become an instance's own.
///
/// # Panics
/// When no image is mapped, or the system does not tell.
pub fn written_bytes() -> u64 {
    let (mappings, bytes) = own_bytes("memfd:steadfast-image");
    assert!(mappings > 0, "nothing is mapped");
    bytes
}

/// How often files whose names contain `name` are mapped, and how many bytes of these mappings have
/// become an instance's own.
///
/// # Panics
/// When the system does not tell.
pub fn own_bytes(name: &str) -> (u32, u64) {
    let maps = fs::read_to_string("/proc/self/smaps").expect("the system tells of its mappings");
    let (mut within, mut mappings, mut kibibytes) = (false, 0, 0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("Anonymous:") if within => {
                let number = words.next().and_then(|word| word.parse::<u64>().ok());
                kibibytes += number.expect("a number of kilobytes follows");
            }
            Some(word) if !word.ends_with(':') => {
                within = line.contains(name);
                mappings += u32::from(within);
            }
            _ => {}
        }
    }
    (mappings, kibibytes << 10)
}
