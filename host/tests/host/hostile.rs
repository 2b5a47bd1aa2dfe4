//! What the host does with bytes from strangers, whatever they are: nothing panics, and all ends.
//! Fuzz targets and a seeded test run the same functions.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use steadfast_host::{
    Bounds, Digest, ImageError, Input, Inputs, InstanceStats, MemoryMap, MemoryState, Outline,
    Output, RegionImage, RunConfig, Runner, find_instance_info, module_digest,
};
use xxhash_rust::xxh64::xxh64;

/// Bytes of an image's head before its checksum.
const HEAD_BYTES: usize = 88;

/// Bytes that an unpacked image may have: a fuzzer has little memory.
const IMAGE_BYTES: u64 = 64 << 20;

/// A module, or something that claims to be one: looked at, compiled, and run for a moment.
pub fn module(bytes: &[u8]) {
    let outline = Outline::read(bytes, &Bounds::default());
    let config = RunConfig {
        ceiling: 16 << 20,
        timeout: Some(Duration::from_millis(100)),
        output: Output::Capture,
        ..RunConfig::default()
    };
    let Ok(runner) = Runner::new(bytes, config) else {
        return;
    };
    let outline = outline.expect("what can be run can be looked at");
    assert_eq!(outline.declared_memory(), runner.guest().declared_memory());
    if let Some(plan) = outline.plan() {
        let _ = MemoryMap::of_plan("any", plan, &outline).to_string();
    }
    let state = MemoryState::default();
    if let Ok(finished) = runner.start(&Input::new(7, b"block"), &state) {
        let _ = finished.image().map(drop);
        let _ = finished.outcome().as_ref().map_err(ToString::to_string);
    }
}

/// The file of `--warm`, as it is and with the checksum of its head, which a stranger can calculate
/// too.
pub fn image(bytes: &[u8]) {
    image_as_it_is(bytes);
    if let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) {
        let checksum = xxh64(head, 0).to_le_bytes();
        let rest = rest.get(checksum.len()..).unwrap_or_default();
        image_as_it_is(&[head, &checksum, rest].concat());
    }
}

fn image_as_it_is(bytes: &[u8]) {
    let read = RegionImage::read_within(&mut &bytes[..], Path::new("any"), |_| Ok(IMAGE_BYTES));
    if let Ok((image, state)) = read {
        let mut file = Vec::new();
        let written = image.write_to(&mut file, state, Default::default());
        written.expect("a vector takes all bytes");
        RegionImage::read_from(&mut &file[..]).expect("what was read can be written and read");
    }
    let refused = RegionImage::read_within(&mut &bytes[..], Path::new("any"), |claim| {
        let expected = module_digest(b"");
        let found = claim.module;
        Err(ImageError::Module { expected, found })
    });
    assert!(refused.is_err());
    let _ = RegionImage::capture(bytes, 0, Digest([0; 32])).map(drop);
}

/// The file of `--input`, or what stands on standard input.
pub fn input(bytes: &[u8]) {
    let inputs = Inputs::new(vec!["-".into()]).expect("standard input is always there");
    for input in inputs.stdin(Cursor::new(bytes.to_vec())) {
        let _ = input.map_err(|error| error.to_string());
    }
    if let Ok(input) = Input::parse("any", bytes) {
        let _ = (input.height(), input.block_hash(), input.parent_hash());
        assert!(input.bytes().len() >= bytes.len());
    }
}

/// The file of `--memory-file`.
pub fn memory(bytes: &[u8]) {
    if let Some(info) = find_instance_info(bytes) {
        let _ = InstanceStats::read(bytes, &info);
        let map = MemoryMap::of_memory("any", bytes, &info);
        let _ = map.to_string();
    }
    let region = MemoryMap::of_region("any", 0, bytes);
    let _ = region.map(|map| map.to_string());
}
