//! Damaged files of images: refused, or as they were.

use steadfast_host::{Compression, Digest, RegionImage};
use steadfast_testkit::cache::{Damage, Victim, noise};

/// The bytes in front of an image in its file.
const HEAD: usize = 96;
const ROUNDS: u32 = 300;

fn image(victim: &Victim) -> RegionImage {
    RegionImage::capture(victim.image(), 0, Digest([7; 32])).unwrap()
}

fn file(image: &RegionImage, compression: Compression) -> Vec<u8> {
    let mut file = Vec::new();
    image
        .write_to(&mut file, Digest([9; 32]), compression)
        .unwrap();
    file
}

/// Whether a file is refused. One that is not gives the image and the digests that it was written
/// with.
fn is_refused(file: &[u8], sound: &RegionImage) -> bool {
    let Ok((read, state)) = RegionImage::read_from(&mut &file[..]) else {
        return true;
    };
    assert_eq!(read.bytes(), sound.bytes());
    assert_eq!((read.module(), state), (sound.module(), Digest([9; 32])));
    assert_eq!(read.address(), sound.address());
    false
}

#[test]
fn a_file_that_is_damaged_by_chance_is_refused_or_as_it_was() {
    let image = image(&Victim::new(4_000));
    for compression in [Compression::None, Compression::Lz4] {
        let sound = file(&image, compression);
        assert!(!is_refused(&sound, &image));
        let mut refused = 0;
        for at in (0..8 * sound.len()).step_by(7) {
            let mut damaged = sound.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            refused += u32::from(is_refused(&damaged, &image));
        }
        let tried = (8 * sound.len()).div_ceil(7) as u32;
        println!("{compression:?}: {refused} of {tried} bits");
        // Uncompressed, every bit counts.
        assert!(refused == tried || compression == Compression::Lz4);
        assert!(refused > tried / 2);
        // An LZ4 frame ends with a mark of four bytes: before it the image is there, and as it was.
        let mark = if compression == Compression::Lz4 {
            4
        } else {
            0
        };
        for len in 0..sound.len() {
            let refused = is_refused(&sound[..len], &image);
            assert!(
                refused || len + mark >= sound.len(),
                "{compression:?}, {len}"
            );
        }
    }
}

/// Damage of every kind by somebody who knows the format, but not how to make a checksum.
#[test]
fn a_file_that_is_damaged_by_grammar_is_refused() {
    let victim = Victim::new(4_000);
    let image = image(&victim);
    let mut noise = noise(3);
    let mut next = || u32::from_le_bytes(std::array::from_fn(|_| noise.next().unwrap_or(0)));
    for kind in Damage::ALL {
        for _ in 0..ROUNDS {
            let damaged = victim.damaged(kind, &mut next);
            let mut file = file(&image, Compression::None)[..HEAD].to_vec();
            for part in image.info().image_parts() {
                let part = part.start as usize..part.end as usize;
                let end = part.end.min(damaged.len());
                file.extend_from_slice(damaged.get(part.start..end).unwrap_or_default());
            }
            let is_whole = victim.is_whole(&damaged);
            assert_eq!(is_refused(&file, &image), !is_whole, "{kind:?}");
        }
    }
}
