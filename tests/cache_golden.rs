//! One image of the format, byte for byte, on every target. It also holds what is evicted: where
//! that changes and the format does not, write the image anew under the same version. Where the
//! format's version is raised, write it and name it below:
//! `STEADFAST_WRITE_GOLDEN=1 cargo test --test cache_golden`.
#![cfg(not(miri))]

use std::path::Path;
use std::{env, fs};

use steadfast::cache::{Cache, Scope};
use steadfast::region::{AttachError, FORMAT_VERSION, FormatError, RegionInfo, Start};
use steadfast_testkit::cache::{Spec, region_holding, region_with_bytes};

const GOLDEN: &[u8] = include_bytes!("golden/region-8.bin");
/// As the version before wrote it.
const OUTDATED: &[u8] = include_bytes!("golden/region-7.bin");
const CAPACITY: u32 = 12 << 10;

/// Where an entry stands, by its number.
fn place(number: u32) -> (Scope, Vec<u8>) {
    let scope = [Scope::Main, Scope::View(7), Scope::Application][number as usize % 7 % 3];
    let key = number.wrapping_mul(0x9e37_79b1).to_le_bytes();
    (scope, key.repeat(1 + number as usize % 20))
}

/// Entries of all pools and sizes, some used again, replaced and dropped, more than fit.
fn image() -> Vec<u8> {
    let (region, bytes) = region_with_bytes(&Spec::fresh(CAPACITY));
    let mut cache = Cache::new(region);
    cache.set_user_tag(&[0xAB; 40]);
    for number in 0..300u32 {
        cache.set_height(number / 10);
        let (scope, key) = place(number);
        let value = vec![number as u8; number as usize * 37 % 300];
        cache.scope(scope).insert(&key, &value).unwrap();
        let (scope, key) = place(number - number % 13);
        cache.scope(scope).get(&key);
        let (scope, key) = place(number - number % 5);
        cache
            .scope(scope)
            .insert(&key, &value[value.len() / 2..])
            .unwrap();
        if number % 11 == 0 {
            cache.scope(scope).remove(&key);
        }
    }
    cache.validate().unwrap();
    let stats = cache.stats();
    let done = [stats.hits, stats.evictions, stats.window_evictions];
    assert!(done.iter().all(|times| *times > 20), "{done:?}");
    assert!(stats.inserts > 500, "{stats:?}");
    bytes.read(0, CAPACITY as usize)
}

#[test]
fn the_format_is_what_it_was() {
    let image = image();
    if env::var_os("STEADFAST_WRITE_GOLDEN").is_some() {
        let name = format!("tests/golden/region-{FORMAT_VERSION}.bin");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        return fs::write(path, &image).unwrap();
    }
    let differs = GOLDEN.iter().zip(&image).position(|(a, b)| a != b);
    assert_eq!(
        (GOLDEN.len(), differs),
        (image.len(), None),
        "the head of this file says what to do"
    );
}

#[test]
fn an_image_of_the_version_before_is_refused_with_its_reason() {
    assert_eq!(
        RegionInfo::read(OUTDATED).unwrap_err(),
        FormatError::Version { found: 7 }
    );
    let (region, _) = region_holding(&Spec::fresh(CAPACITY), OUTDATED);
    assert_eq!(
        Cache::open(region).start(),
        Start::Cold(AttachError::Version)
    );
}
