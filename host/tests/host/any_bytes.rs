//! The bodies of the fuzz targets, on bytes from seeds.

use crate::guests::*;
use crate::hostile;

/// Bytes that follow from a seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.0 ^ self.0 >> 33
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// The same bytes with some changed, and cut off somewhere.
    fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        for _ in 0..self.next() % 6 {
            let at = self.next() as usize % damaged.len();
            damaged[at] = self.next() as u8;
        }
        if self.next().is_multiple_of(4) {
            damaged.truncate(self.next() as usize % damaged.len());
        }
        damaged
    }
}

#[test]
fn damaged_modules_are_run_or_refused() {
    let mut noise = Noise(1);
    for _ in 0..60 {
        hostile::module(&noise.damaged(&counter()));
    }
}

#[test]
fn damaged_files_are_refused_or_read() {
    let mut noise = Noise(2);
    let block = small_block(2);
    let mut memory = vec![0; 1 << 20];
    memory[4096..][..8].copy_from_slice(&steadfast::format::InstanceInfo::MAGIC.to_le_bytes());
    memory[4104..][..4].copy_from_slice(&steadfast::format::InstanceInfo::VERSION.to_le_bytes());
    memory[4108..][..4]
        .copy_from_slice(&(steadfast::format::InstanceInfo::LEN as u32).to_le_bytes());
    for _ in 0..200 {
        hostile::input(&noise.damaged(&block));
        let info = noise.bytes(steadfast::format::InstanceInfo::LEN - 16);
        memory[4112..][..info.len()].copy_from_slice(&info);
        hostile::memory(&memory);
        let mut image = b"stdfimge".to_vec();
        image.extend(noise.bytes(3000));
        hostile::image(&image);
    }
}
