//! Which files are blocks.

use crate::guests::small_block;
use steadfast_host::{Input, InputError};

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
fn a_block_in_hexadecimal_is_told() {
    let digits = |byte: &u8| format!("{byte:02x}");
    let text: String = small_block(2).iter().map(digits).collect();
    let (first, rest) = text.split_at(64);
    for text in [&text, &format!("{first}\r\n{rest}\n"), &text.to_uppercase()] {
        let refused = Input::parse("text", text.as_bytes()).unwrap_err();
        assert!(
            matches!(refused, InputError::Hexadecimal { .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains("xxd -r -p"), "{refused}");
    }
    for other in ["\n", "not a block"] {
        let refused = Input::parse("text", other.as_bytes());
        assert!(!matches!(refused, Err(InputError::Hexadecimal { .. })));
    }
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
