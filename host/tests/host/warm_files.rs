//! The file that `run --warm` names: what it may replace, and what becomes of an image in it.

use std::collections::BTreeMap;
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::chain::counted;
use crate::desk::{Desk, one_line_with, said};
use crate::guests::*;
use steadfast::Plan;
use steadfast::format::{AttachError, InstanceInfo, Start};
use steadfast::probe::RegionOutcome;
use steadfast_host::{AsOf as _, BlockTag, Compression, Digest, Input, module_digest};

/// What stands in a directory: names and bytes, or where a link leads. Of a database, that it is
/// one: its bytes change when it is opened.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let read = |path: &PathBuf| match fs::read_link(path) {
        Ok(target) => target.into_os_string().into_encoded_bytes(),
        Err(_) => match fs::read(path).unwrap() {
            bytes if bytes.starts_with(b"redb") => b"redb".to_vec(),
            bytes => bytes,
        },
    };
    paths.map(|path| (path.clone(), read(&path))).collect()
}

#[test]
fn warm_replaces_and_removes_no_file_but_an_image() {
    let desk = Desk::with_state();
    // It has no cache, so no block leaves an image.
    desk.write("fails.wasm", counter_that("(unreachable)"));
    desk.write("notes", b"somebody's");
    desk.write("short", b"stdf");
    desk.write("empty", b"");
    for (link, to) in [("hard", "db"), ("hard-block", "block")] {
        fs::hard_link(desk.path(to), desk.path(link)).unwrap();
    }
    #[cfg(unix)]
    for (link, to) in [("link", "notes"), ("to-db", "db"), ("dangling", "nothing")] {
        std::os::unix::fs::symlink(desk.path(to), desk.path(link)).unwrap();
    }
    let before = contents(desk.folder());
    for path in before.keys() {
        let name = path.file_name().unwrap().to_str().unwrap();
        for module in ["counter.wasm", "fails.wasm"] {
            let arguments = format!("{module} --input block --reindex --warm {name}");
            desk.refuses(&arguments, &["another path"]);
            assert!(
                contents(desk.folder()) == before,
                "{name}, {module}: a file has changed"
            );
        }
    }
}

#[test]
fn warm_is_not_the_database_that_the_run_creates() {
    let desk = Desk::with_block();
    for warm in ["db", "./db"] {
        let output = desk.run(&format!("counter.wasm --input block --warm {warm}"));
        one_line_with(&output, &["another path"]);
        assert!(!desk.path("db").exists(), "{warm}");
    }
}

#[test]
fn warm_replaces_an_image_and_what_is_left_of_one() {
    let desk = Desk::with_block();
    let image = region_image(Digest([7; 32]));
    let write = || image.write(&desk.path("image"), Digest([9; 32]), Compression::None);
    write().unwrap();
    let whole = desk.read("image");
    // As a stop in the middle of writing leaves it.
    for length in [0, 5, 50, whole.len() - 1] {
        desk.write("image.123-0.partial", &whole[..length]);
        desk.write("image.1-0.partial", b"somebody's");
        let written = fs::File::create(desk.path("image.124-0.partial")).unwrap();
        written.lock().unwrap();
        write().unwrap();
        assert_eq!(desk.read("image"), whole);
        assert!(!desk.path("image.123-0.partial").exists());
        assert!(desk.path("image.1-0.partial").exists(), "it is no image");
        assert!(
            desk.path("image.124-0.partial").exists(),
            "another process writes it"
        );
    }
    // The image is another module's, and this one has no cache.
    let told = desk.succeeds("counter.wasm --input block --warm image");
    assert!(
        told.contains("image stays as it is: no block left a cache"),
        "{told}"
    );
    assert_eq!(desk.read("image"), whole);
}

/// An image that is the module's, as of the state, with which the module fails all the same.
#[test]
fn an_image_that_made_a_block_fail_is_not_used_again() {
    let desk = Desk::with_state();
    // An image grows the memory that it goes to.
    let module = counter_that("(if (i32.gt_u (memory.size) (i32.const 1)) (then unreachable))");
    desk.write("fails.wasm", &module);
    let state = desk.digest();
    let mut image = region_image(module_digest(&module));
    // It is as of the block that the state has, and the next one builds on that.
    let (height, block) = (702_861_u32, small_block(2));
    let tip = Input::new(height, &block).block_hash().unwrap();
    image.set_tag(BlockTag {
        chain: [0; 4],
        height,
        hash: tip,
    });
    let mut next = [&(height + 1).to_le_bytes()[..], &block].concat();
    next[8..40].copy_from_slice(&tip);
    desk.write("next", next);
    let path = desk.path("image");
    image.write(&path, state, Compression::None).unwrap();
    let output = desk.run("fails.wasm --input next --warm image");
    assert!(!output.status.success(), "{output:?}");
    let told = said(&output);
    assert!(told.contains("the next run begins cold"), "{told}");
    assert_eq!(desk.digest(), state);
    assert!(!path.exists());
    desk.succeeds("fails.wasm --input next --warm image");
}

/// One at another address than the module's plan has for the region is not even unpacked.
#[test]
fn an_image_for_another_address_is_refused() {
    let desk = Desk::with_state();
    let mut module = counter();
    let mut section = vec![Plan::SECTION.len() as u8];
    section.extend(Plan::SECTION.as_bytes());
    section.extend(Plan::DEFAULT.encode());
    module.extend([0, section.len() as u8]);
    module.extend(section);
    desk.write("planned.wasm", &module);
    let image = region_image(module_digest(&module));
    let path = desk.path("image");
    image
        .write(&path, desk.digest(), Compression::None)
        .unwrap();
    // Cut off behind its head: what it claims is refused before the rest is missed.
    desk.write("image", &desk.read("image")[..96]);
    let told = desk.succeeds("planned.wasm --input block --reindex --warm image");
    let words =
        "the cache begins cold: the image's region is at 0x10000, and the module's at 0x8000000";
    assert!(told.contains(words), "{told}");
}

/// What a run without a database leaves belongs to a state that is forgotten.
#[test]
fn without_a_database_an_image_of_another_state_stays() {
    let desk = Desk::with_blocks(1);
    desk.write("cached", cached());
    let run = |arguments: &str| {
        let output = desk.steadfast(&format!(
            "run cached --input blocks --warm image{arguments}"
        ));
        assert!(output.status.success(), "{output:?}");
        said(&output)
    };
    assert_eq!(run(" --db db"), "");
    let left = desk.read("image");
    let told = run("");
    assert!(told.contains("it stays as it is"), "{told}");
    assert_eq!(desk.read("image"), left);
}

#[test]
fn why_an_instance_does_not_use_the_cache_that_it_is_given_is_told() {
    let told = |reason: AttachError, more: &[(usize, u32)]| {
        let desk = Desk::with_blocks(3);
        let start = Start::Cold(reason).code();
        let start = (offset_of!(InstanceInfo, cache_start), start);
        desk.write("cached", cached_with(&[&[start], more].concat()));
        desk.succeeds("cached --input blocks --warm image")
    };
    let small = told(AttachError::TooSmall, &[]);
    let words = "the cache begins cold: the image cannot be used: the region is smaller";
    assert_eq!(small.matches(words).count(), 1, "{small}");
    let outcome = offset_of!(InstanceInfo, region_outcome);
    let taken = [(outcome, RegionOutcome::Occupied as u32)];
    let taken = told(AttachError::Disabled, &taken);
    assert_eq!(taken.matches("another allocator").count(), 1, "{taken}");
    assert!(!taken.contains("begins cold"), "{taken}");
}

/// A module that leaves an image of a cache: the one that it begins with.
fn cached() -> Vec<u8> {
    cached_with(&[])
}

/// The same, with more in its instance info.
fn cached_with(more: &[(usize, u32)]) -> Vec<u8> {
    let fields = [&[(offset_of!(InstanceInfo, region_start), REGION_AT)], more].concat();
    let items = format!(
        r#"{} (data (i32.const {REGION_AT}) "{}")"#,
        info_items(&fields),
        escaped(REGION)
    );
    module_that_writes(r#"(memory (export "memory") 8)"#, &items, "")
}

#[test]
fn an_image_that_cannot_be_written_is_a_warning() {
    let desk = Desk::with_blocks(2);
    desk.write("cached", cached());
    let told = desk.succeeds("cached --input blocks/1 --warm image --warm-every 1");
    assert_eq!(told, "");
    assert!(desk.path("image").exists());
    // No name is left for the file that takes its place.
    let long = "x".repeat(255);
    let told = desk.succeeds(&format!("cached --input blocks/2 --warm {long}"));
    assert!(
        told.contains("the cache is not kept for the next run"),
        "{told}"
    );
    assert_eq!(told.matches("(os error").count(), 1, "{told}");
    assert_eq!(counted(&desk).1, 2);
    // At the last block it is due, and the run ends: that is one attempt.
    let arguments = format!("cached --input blocks/2 --reindex --warm {long} --warm-every 1");
    let told = desk.succeeds(&arguments);
    assert_eq!(told.matches("is not kept").count(), 1, "{told}");
}

#[test]
fn many_runs_with_one_image_disturb_none() {
    let desk = Desk::with_blocks(20);
    desk.write("cached", cached());
    let run = |number| {
        let arguments =
            format!("run cached --db db{number} --input blocks --warm image --warm-every 1");
        let mut command = desk.command(&arguments);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..8).map(run).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let mut names = fs::read_dir(desk.folder()).unwrap();
    assert!(!names.any(|entry| entry.unwrap().path().extension() == Some("partial".as_ref())));
}
