//! The example page: cold, warm from the image that is kept, warm from a file after a new visit,
//! and with files that do not fit.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bitcoin_test_data::blocks::mainnet_702861;
use sha2::{Digest, Sha256};

use crate::chromium::{Window, window};
use crate::command::{Native, Told};
use crate::guests;

/// Of the mainnet block.
const HEIGHT: u32 = 702_861;
/// A block's header, and where the parent's hash stands in it.
const HEADER_BYTES: usize = 80;
const PARENT: Range<usize> = 4..36;

/// Where the browser puts the image that it saves.
const SAVED: &str = "warm.image";

#[test]
fn the_page_runs_the_indexer_cold_and_warm() {
    let directory = tempfile::tempdir().unwrap();
    let Some(window) = window("the example page in Chromium", directory.path()) else {
        return;
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let site = page::site(&guests());
    // Ends with the process.
    thread::spawn(|| page::serve(listener, site));
    visit(&window, &address, directory.path());
}

/// An image without what each bucket counts of its entries elsewhere, and without the checksums over
/// that. Where buckets were split the module counts too many, which is as good, and the native host
/// counts them anew.
fn without_counts(file: &[u8]) -> Vec<u8> {
    const REGION: usize = 96;
    const INDEX: usize = REGION + 1_856;
    const BUCKETS: Range<usize> = REGION + 124..REGION + 128;
    const CHECKSUMS: Range<usize> = REGION + 208..REGION + 224;
    let buckets = u32::from_le_bytes(file[BUCKETS].try_into().expect("four bytes"));
    let mut image = file.to_vec();
    image[CHECKSUMS].fill(0);
    for bucket in 0..buckets as usize {
        image[INDEX + 64 * bucket..][12..16].fill(0);
    }
    image
}

fn visit(window: &Window, address: &str, directory: &Path) {
    let blocks = chain(directory);
    let native = Native::new(directory);

    window.open(address);
    ready(window);
    assert!(
        window
            .text("#map")
            .contains("at the most: what the host grants")
    );

    // Drawn when the module first calls its host, now and then from there on, and in the end.
    window.value("new MutationObserver(() => { window.drawn = (window.drawn ?? 0) + 1; }).observe(document.getElementById('map'), { childList: true })");
    let cold = run(window, 1, HEIGHT, "cold: the region's memory is new");
    assert_eq!(cold, native.run(&blocks[0]));
    assert!(window.value("window.drawn").as_u64() >= Some(2));
    let first = save(window, directory);
    let of_native = fs::read(&native.image).unwrap();
    assert!(
        without_counts(&first) == without_counts(&of_native),
        "both hosts take the same image"
    );

    choose(window, "#block", &blocks[1]);
    let warm = run(window, 2, HEIGHT + 1, "warm");
    assert_eq!(warm, native.run(&blocks[1]));
    assert!(
        warm.reads < cold.reads && warm.hits > 0,
        "{warm:?} after {cold:?}"
    );
    window.picture("page.png");
    window.point_at(".cells .entries");
    let pointed = window.text("#pointed");
    assert!(pointed.contains("entries, 100 % in use"), "{pointed}");
    let second = save(window, directory);

    // A new visit: the browser has kept the state, and the file has the cache.
    window.open(address);
    ready(window);
    let file = directory.join("chosen.image");
    fs::write(&file, &first).unwrap();
    choose(window, "#image", &file);
    let told = window.text("#told");
    assert!(told.contains("the image belongs to the state"), "{told}");
    fs::write(&file, &second).unwrap();
    choose(window, "#image", &file);
    assert_eq!(window.text("#told"), "");
    choose(window, "#block", &blocks[2]);
    let warm_again = run(window, 1, HEIGHT + 2, "warm");
    assert_eq!(warm_again, native.run(&blocks[2]));

    // One bit of a value is another one: nothing but the checksum tells.
    let mut damaged = save(window, directory);
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&file, damaged).unwrap();
    choose(window, "#image", &file);
    let block = directory.join("without-height");
    fs::write(&block, mainnet_702861()).unwrap();
    choose(window, "#block", &block);
    let refused = run(window, 2, HEIGHT, "cold: the image is damaged");
    let told = window.text("#told");
    assert!(
        told.contains("refused") && told.contains("the image is damaged"),
        "{told}"
    );
    let expected = native.run(&block);
    assert_eq!(refused.digest, expected.digest);
    assert_eq!((refused.hits, refused.reads), (0, expected.reads));

    choose(window, "#block", &file);
    window.click("#run");
    ready(window);
    assert!(window.text("#told").contains("no serialised Bitcoin block"));
    window.click("#over");
    ready(window);
    assert!(window.text("#state-told").starts_with("0 pairs"));
}

/// The mainnet block, and two more of its transactions, each of which names the one before as its
/// parent: with their heights, in files.
fn chain(directory: &Path) -> [PathBuf; 3] {
    let mut block = mainnet_702861().to_vec();
    [0, 1, 2].map(|later| {
        let height = HEIGHT + later;
        let file = directory.join(height.to_string());
        fs::write(&file, [&height.to_le_bytes()[..], &block].concat()).unwrap();
        let hash = Sha256::digest(Sha256::digest(&block[..HEADER_BYTES]));
        block[PARENT].copy_from_slice(&hash);
        file
    })
}

/// Waits until the page is done with what it was asked for.
fn ready(window: &Window) {
    window.element("#run:enabled");
}

fn choose(window: &Window, selector: &str, file: &Path) {
    window.choose(selector, file);
    ready(window);
}

/// Runs the indexer, for the n-th time in this visit, on a block of this height; its cache must
/// begin as is said.
fn run(window: &Window, number: usize, height: u32, begins: &str) -> Told {
    window.click("#run");
    ready(window);
    let cells = "[...document.querySelectorAll('#runs tr:last-child td')].map((cell) => cell.title || cell.textContent)";
    let cells = window.value(cells);
    let cells: Vec<String> = serde_json::from_value(cells).unwrap();
    let [n, shown, began, _, reads, hits, misses, entries, digest] = &cells[..] else {
        panic!("{cells:?}, and {}", window.text("#told"));
    };
    assert_eq!(
        (n.clone(), shown.replace(',', "")),
        (number.to_string(), height.to_string())
    );
    assert!(began.starts_with(begins), "{began}");
    let count = |text: &str| text.replace(',', "").parse().unwrap();
    Told {
        digest: digest.clone(),
        reads: count(reads),
        hits: count(hits),
        misses: count(misses),
        entries: count(entries),
    }
}

/// Has the image saved, and takes the file away.
fn save(window: &Window, directory: &Path) -> Vec<u8> {
    window.click("#save");
    let file = directory.join(SAVED);
    // The browser gives the file its name when it is complete.
    for _ in 0..600 {
        if let Ok(bytes) = fs::read(&file) {
            fs::remove_file(&file).unwrap();
            return bytes;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no {} within 30 s", file.display());
}
