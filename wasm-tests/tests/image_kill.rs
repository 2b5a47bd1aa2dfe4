//! A host killed while it writes an image: the file holds the image before or the one after, whole.
//!
//! It is killed 200 times, or as often as `STEADFAST_KILLS` says.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use steadfast_host::{
    Compression, Digest, Input, MemoryState, Output, RegionImage, RunConfig, Runner,
};
use wasm_tests::indexer;

/// Tells this program that it is the one to be killed, and where it works.
const VICTIM: &str = "STEADFAST_KILL_DIRECTORY";

/// What the files are called: two images to write by turns, and where they are written.
const SOURCES: [&str; 2] = ["one", "other"];
const TARGET: &str = "image";

/// The states that the two images are said to belong to.
const STATES: [Digest; 2] = [Digest([1; 32]), Digest([2; 32])];

const COMPRESSIONS: [Compression; 2] = [Compression::None, Compression::Lz4];

/// What a block leaves, and the same block once more behind it.
fn images() -> [RegionImage; 2] {
    let config = RunConfig {
        ceiling: 1 << 32,
        output: Output::Discard,
        ..RunConfig::default()
    };
    let runner = Runner::new(&indexer("indexer_metashrew"), config).unwrap();
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("mainnet block 702861", block).unwrap();
    let mut state = MemoryState::default();
    let first = runner.start(&input, &state).unwrap();
    let one = first.image().unwrap();
    first.commit(&mut state).unwrap();
    let second = runner.start_warm(&input, &state, Some(&one)).unwrap();
    let other = second.image().unwrap();
    assert_ne!(one.bytes(), other.bytes());
    [one, other]
}

/// Writes both images by turns until somebody ends it.
#[test]
fn victim() {
    let Some(directory) = env::var_os(VICTIM) else {
        return;
    };
    let directory = Path::new(&directory);
    let sources = SOURCES.map(|name| RegionImage::read(&directory.join(name)).unwrap());
    for turn in 0.. {
        let (image, state) = &sources[turn % 2];
        let compression = COMPRESSIONS[turn / 2 % 2];
        image
            .write(&directory.join(TARGET), *state, compression)
            .unwrap();
    }
}

#[test]
fn a_killed_host_leaves_the_image_before_or_after() {
    let kills: u64 = env::var("STEADFAST_KILLS").map_or(200, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let images = images();
    for at in 0..2 {
        images[at]
            .write(&path(SOURCES[at]), STATES[at], Compression::None)
            .unwrap();
    }
    let (mut found, mut partial) = ([0, 0], 0);
    for kill in 0..kills {
        let _ = fs::remove_file(path(TARGET));
        let mut victim = Command::new(env::current_exe().unwrap())
            .args(["--exact", "victim"])
            .env(VICTIM, directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !path(TARGET).exists() {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "nothing was written"
            );
            sleep(Duration::from_micros(200));
        }
        sleep(Duration::from_micros(kill * 7919 % 20_000));
        victim.kill().unwrap();
        victim.wait().unwrap();

        let names = fs::read_dir(directory.path()).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        partial += u32::from(names.any(|name| name.ends_with(".partial")));
        let (image, state) = RegionImage::read(&path(TARGET)).unwrap();
        let at = STATES.iter().position(|known| *known == state).unwrap();
        assert!(image.bytes() == images[at].bytes(), "kill {kill}");
        found[at] += 1;
    }
    println!(
        "{kills} kills: {found:?} times the one image or the other, {partial} times in the middle of writing"
    );
    assert!(partial > 0, "no kill fell into a writing");
    assert!(found.iter().all(|&count| count > 0));
}
