//! Keys as people read them.

use steadfast::metashrew::key_parser::*;
use steadfast::metashrew::{
    parse_cache_key, parse_cache_key_enhanced, parse_cache_key_with_config,
};

#[test]
fn text_is_shown_and_binary_data_in_hexadecimal() {
    for (key, plain, enhanced) in [
        (&b""[..], "", ""),
        (b"/", "/", "/"),
        (b"//a", "//61", "//61"),
        (
            b"/blockhash/byheight/\x01\x00\x00\x00",
            "/blockhash/byheight/01000000",
            "/blockhash/byheight/00000001",
        ),
        (
            b"/n/\x02\x01\0\0\0\0\0\0/x1",
            "/6e/0201000000000000/x1",
            "/6e/0000000000000102/x1",
        ),
        (
            &[0xAB; 20],
            "abababababababababababababababab...",
            "abababababababab...",
        ),
        (
            &[0xAB; 32],
            "abababababababababababababababab...",
            "abababababababab...",
        ),
        (&[0xAB; 9], "ababababababababab", "ababababababababab"),
    ] {
        assert_eq!(parse_cache_key(key), plain);
        assert_eq!(parse_key_default(key), plain);
        assert_eq!(parse_cache_key_enhanced(key), enhanced);
    }
}

#[test]
fn the_configuration_bounds_what_is_shown() {
    let config = KeyParseConfig {
        max_utf8_segment_length: 5,
        max_binary_segment_length: 2,
        show_full_short_binary: false,
        min_utf8_segment_length: 4,
    };
    assert_eq!(
        parse_cache_key_with_config(b"/abc/abcdef/\x01\x02\x03", &config),
        "/6162.../abcde.../0102..."
    );
    let whole = KeyParseConfig {
        show_full_short_binary: true,
        ..config
    };
    assert_eq!(
        parse_key_readable(b"/abc/\x01\x02\x03", &whole),
        "/616263/010203"
    );
    assert_eq!(parse_key_enhanced(b"/\x01\x02\x03", &whole), "/010203");
}

/// Characters of several bytes at the cut, cut characters, every byte: nothing panics.
#[test]
fn any_bytes_are_a_key() {
    let text = "/é€😀é€😀é€😀é€😀é€😀/é".as_bytes();
    for max in 0..40 {
        let config = KeyParseConfig {
            max_utf8_segment_length: max,
            max_binary_segment_length: max,
            show_full_short_binary: max % 2 == 0,
            min_utf8_segment_length: max % 5,
        };
        for end in 0..=text.len() {
            for shown in [
                parse_key_readable(&text[..end], &config),
                parse_key_enhanced(&text[..end], &config),
            ] {
                assert!(shown.starts_with('/') || end == 0);
            }
        }
    }
    for byte in 0..=255u8 {
        for len in 0..40 {
            let _ = parse_cache_key_enhanced(&vec![byte; len]);
        }
    }
}
