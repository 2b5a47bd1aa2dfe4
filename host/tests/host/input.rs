//! Which files are blocks.

use std::fs;

use crate::guests::{chain, hexadecimal, small_block};
use steadfast_host::{Input, InputError, Inputs, Mark};

const HEIGHT: u32 = 702_861;

fn with_height(height: u32, block: &[u8]) -> Vec<u8> {
    [&height.to_le_bytes()[..], block].concat()
}

#[test]
fn a_raw_block_tells_its_height_and_a_height_in_front_is_believed() {
    let whole = bitcoin_test_data::blocks::mainnet_702861();
    for block in [whole, &small_block(1), &small_block(3)] {
        let raw = Input::parse("raw", block).unwrap();
        assert_eq!(raw.height(), HEIGHT);
        assert_eq!(raw.bytes()[..], with_height(HEIGHT, block)[..]);

        let bytes = with_height(5, block);
        let prefixed = Input::parse("prefixed", &bytes).unwrap();
        assert_eq!(prefixed.height(), 5);
        assert_eq!(prefixed.bytes()[..], bytes[..]);
    }
}

#[test]
fn every_truncation_is_refused() {
    let block = small_block(3);
    let prefixed = with_height(HEIGHT, &block);
    for bytes in [block, prefixed] {
        for end in 1..bytes.len() {
            match Input::parse("cut", &bytes[..end]) {
                Err(InputError::Truncated { whole, claimed, .. }) => {
                    assert!(whole < 3 && (claimed == 3 || whole == 0), "cut at {end}");
                }
                other => panic!("cut at {end}: {other:?}"),
            }
        }
    }
}

#[test]
fn truncations_of_a_large_block_are_refused() {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    for end in (1..block.len()).step_by(49_999).chain([block.len() - 1]) {
        let cut = Input::parse("cut", &block[..end]);
        assert!(
            matches!(cut, Err(InputError::Truncated { .. })),
            "cut at {end}: {cut:?}"
        );
    }
}

#[test]
fn bytes_left_over_are_refused_and_counted() {
    let block = small_block(2);
    for bytes in [block.clone(), with_height(HEIGHT, &block)] {
        for extra in [1, 4, 80, 5000] {
            let longer = [&bytes[..], &vec![0; extra]].concat();
            match Input::parse("long", &longer) {
                Err(InputError::TrailingBytes {
                    transactions: 2,
                    left,
                    ..
                }) => assert_eq!(left, extra),
                other => panic!("{extra} more: {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_block_is_refused() {
    assert!(matches!(
        Input::parse("empty", &[]),
        Err(InputError::Empty { .. })
    ));
    let header_only = &small_block(0)[..];
    assert!(matches!(
        Input::parse("none", header_only),
        Err(InputError::Malformed { .. })
    ));
    let missing = Input::read("/nonexistent/block");
    assert!(matches!(missing, Err(InputError::Io { .. })));

    let mut no_height = small_block(1);
    let script = no_height
        .windows(4)
        .position(|bytes| bytes == [3, 0x8d, 0xb9, 0x0a]);
    no_height[script.expect("the coinbase begins with its height")] = 0x4b;
    assert!(matches!(
        Input::parse("anonymous", &no_height),
        Err(InputError::NoHeight { .. })
    ));
    let mut version_1 = small_block(1);
    version_1[..4].copy_from_slice(&1i32.to_le_bytes());
    assert!(matches!(
        Input::parse("old", &version_1),
        Err(InputError::NoHeight { .. })
    ));
    assert_eq!(
        Input::parse("old", &with_height(9, &version_1))
            .unwrap()
            .height(),
        9
    );
}

#[test]
fn hexadecimal_is_read_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("blocks.hex");
    let blocks = chain(3);
    let lines: Vec<String> = blocks.iter().map(|block| hexadecimal(block)).collect();
    fs::write(&path, format!("\n{}\r\n", lines.join("\n").to_uppercase())).unwrap();
    let read: Vec<Input> = Inputs::new(vec![path.clone()])
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let heights: Vec<u32> = read.iter().map(Input::height).collect();
    assert_eq!(heights, [1, 2, 3]);
    assert_eq!(read[2].bytes()[4..], blocks[2][..]);
    assert!(Input::read(&path).is_err(), "one block is expected");
    fs::write(&path, &lines[0]).unwrap();
    assert_eq!(Input::read(&path).unwrap().height(), 1);
    for (text, word) in [
        (format!("{}0", lines[0]), "odd number"),
        (format!("{}\nzz", lines[0]), "something else"),
    ] {
        fs::write(&path, text).unwrap();
        let last = Inputs::new(vec![path.clone()]).unwrap().last().unwrap();
        assert!(last.unwrap_err().to_string().contains(word), "{word}");
    }
}

#[test]
fn other_chains_are_named() {
    let mut dogecoin = small_block(1);
    dogecoin[..4].copy_from_slice(&0x0062_0104u32.to_le_bytes());
    dogecoin.insert(80, 1);
    let mut litecoin = small_block(1);
    // The flag behind the marker of the first transaction.
    assert_eq!(litecoin[85..87], [0, 1]);
    litecoin[86] = 8;
    let mut zcash = vec![4, 0, 0, 0];
    zcash.extend([7; 136]);
    zcash.extend([0xfd, 0x40, 0x05]);
    zcash.extend([9; 1344]);
    for (chain, block) in [
        ("Dogecoin", dogecoin),
        ("Litecoin", litecoin),
        ("Zcash", zcash),
    ] {
        for bytes in [block.clone(), with_height(9, &block)] {
            let refused = Input::parse("other", &bytes).unwrap_err().to_string();
            assert!(
                refused.contains(chain) && refused.contains("--raw"),
                "{refused}"
            );
        }
    }
}

/// The heights that come of paths.
fn heights(inputs: Inputs) -> Vec<u32> {
    inputs.map(|block| block.unwrap().height()).collect()
}

#[test]
fn a_folder_is_read_in_the_order_of_its_numbers_and_a_range_is_cut_out() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = chain(12);
    for (number, block) in blocks.iter().enumerate() {
        let name = format!("{}.block", number + 1);
        fs::write(directory.path().join(name), block).unwrap();
    }
    fs::write(directory.path().join(".hidden"), "no block").unwrap();
    let open = || Inputs::new(vec![directory.path().to_path_buf()]).unwrap();
    assert_eq!(heights(open()), Vec::from_iter(1..=12));
    let hash = |number: usize| {
        let input = Input::parse("block", &blocks[number - 1]).unwrap();
        Mark::Hash(input.block_hash().unwrap())
    };
    let cut = open().from(Mark::Height(3)).to(Mark::Height(5));
    assert_eq!(heights(cut), [3, 4, 5]);
    assert_eq!(heights(open().from(hash(11))), [11, 12]);
    assert_eq!(heights(open().to(hash(2))), [1, 2]);
    let nowhere = open().to(Mark::Hash([3; 32])).last().unwrap();
    assert!(matches!(nowhere, Err(InputError::NoSuchBlock { .. })));
    let refused = open().from(hash(11)).to(Mark::Height(4)).last().unwrap();
    assert!(matches!(refused, Err(InputError::OutOfRange { .. })));
    assert_eq!(heights(open().raw(70)), Vec::from_iter(70..82));
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let refused = Inputs::new(vec![empty]).unwrap().next().unwrap();
    assert!(matches!(refused, Err(InputError::EmptyFolder { .. })));
}

/// Bitcoin Core's folder: blocks in this order, in files of two, scrambled with a key.
fn core_folder(blocks: &[&[u8]], key: Option<[u8; 8]>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mask = key.unwrap_or_default();
    for (number, blocks) in blocks.chunks(2).enumerate() {
        let mut bytes = Vec::new();
        for block in blocks {
            bytes.extend([0xfa, 0xbf, 0xb5, 0xda]);
            bytes.extend((block.len() as u32).to_le_bytes());
            bytes.extend(*block);
        }
        bytes.extend([0; 1000]);
        let masked = bytes
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask);
        let path = directory.path().join(format!("blk{number:05}.dat"));
        fs::write(path, masked.collect::<Vec<u8>>()).unwrap();
    }
    if let Some(key) = key {
        fs::write(directory.path().join("xor.dat"), key).unwrap();
    }
    fs::write(directory.path().join("rev00000.dat"), "undo").unwrap();
    directory
}

#[test]
fn bitcoin_cores_files_give_the_longest_chain_in_its_order() {
    let blocks = chain(6);
    // A branch of one block at height 4, which arrived first.
    let mut branch = blocks[3].clone();
    branch[36] ^= 1;
    let order = [
        &blocks[1], &branch, &blocks[0], &blocks[3], &blocks[2], &blocks[5], &blocks[4],
    ];
    let order: Vec<&[u8]> = order.iter().map(|block| &block[..]).collect();
    for key in [None, Some([0xd3, 1, 2, 3, 4, 5, 6, 7])] {
        let folder = core_folder(&order, key);
        let open = || Inputs::new(vec![folder.path().to_path_buf()]).unwrap();
        let read: Vec<Input> = open().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 6);
        for (input, block) in read.iter().zip(&blocks) {
            assert_eq!(input.bytes()[4..], block[..]);
        }
        // The first one's parent is not there, so its height is the one that it tells.
        assert_eq!(heights(open()), Vec::from_iter(1..=6));
        assert_eq!(heights(open().at_least(5)), [5, 6]);
        assert_eq!(
            heights(open().from(Mark::Height(2)).to(Mark::Height(3))),
            [2, 3]
        );
        let hash =
            |block: &[u8]| Mark::Hash(Input::parse("block", block).unwrap().block_hash().unwrap());
        assert_eq!(heights(open().from(hash(&blocks[4]))), [5, 6]);
        let after = open().from(hash(&blocks[1])).to(hash(&blocks[4]));
        assert_eq!(heights(after.at_least(4)), [4, 5]);
        assert!(heights(open().from(hash(&blocks[1])).at_least(9)).is_empty());
        for cut in [
            open().from(Mark::Height(7)),
            open().to(Mark::Height(0)).at_least(3),
        ] {
            let refused = cut.last().unwrap();
            let heights = match refused {
                Err(InputError::OutOfRange { first, last, .. }) => (first, last),
                other => panic!("{other:?}"),
            };
            assert_eq!(heights, (1, 6));
        }
        assert!(heights(open().to(Mark::Height(3)).at_least(5)).is_empty());
        let of_branch: Vec<_> = open().to(hash(&branch)).map(Result::unwrap).collect();
        assert_eq!(of_branch[3].bytes()[4..], branch[..]);
        assert_eq!(of_branch.len(), 4);
    }
    let folder = core_folder(&order, Some([1; 8]));
    fs::write(folder.path().join("xor.dat"), [2; 8]).unwrap();
    let wrong = Inputs::new(vec![folder.path().to_path_buf()])
        .unwrap()
        .next()
        .unwrap();
    assert!(wrong.unwrap_err().to_string().contains("xor.dat"));
}

/// It has no end: reading it whole would take all memory.
#[cfg(unix)]
#[test]
fn a_file_is_not_read_further_than_a_block_can_reach() {
    let endless = Input::read("/dev/zero");
    assert!(matches!(endless, Err(InputError::TooLarge { .. })));
}

#[test]
fn counts_that_no_memory_holds_are_refused() {
    let mut block = small_block(1);
    block.splice(80..81, [0xff; 9]);
    let hostile = Input::parse("hostile", &block);
    assert!(
        matches!(hostile, Err(InputError::Truncated { .. })),
        "{hostile:?}"
    );
}

#[test]
fn the_last_height_has_none_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a", "b"].map(|name| folder.path().join(name));
    for file in &files {
        fs::write(file, "any bytes").unwrap();
    }
    let mut blocks = Inputs::new(files.to_vec()).unwrap().raw(u32::MAX);
    assert_eq!(blocks.next().unwrap().unwrap().height(), u32::MAX);
    let error = blocks.next().unwrap().unwrap_err();
    assert!(matches!(error, InputError::HeightsEnd { .. }), "{error}");
    assert!(blocks.next().is_none());
}
