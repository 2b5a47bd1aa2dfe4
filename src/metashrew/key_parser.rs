//! Keys as people read them: text between slashes as it is, anything else in hexadecimal.

use alloc::string::String;
use core::fmt::Write as _;

/// How keys are shown. Lengths in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyParseConfig {
    /// Longer text is cut, and `...` put behind it.
    pub max_utf8_segment_length: usize,
    /// Longer binary data is cut, and `...` put behind it.
    pub max_binary_segment_length: usize,
    /// Whether binary data of up to 8 bytes is shown whole, whatever the limit.
    pub show_full_short_binary: bool,
    /// Shorter segments are taken for binary data.
    pub min_utf8_segment_length: usize,
}

impl Default for KeyParseConfig {
    fn default() -> Self {
        KeyParseConfig {
            max_utf8_segment_length: 32,
            max_binary_segment_length: 16,
            show_full_short_binary: true,
            min_utf8_segment_length: 2,
        }
    }
}

/// What `show_full_short_binary` calls short.
const SHORT_BYTES: usize = 8;

/// A key with its segments between slashes shown as text or in hexadecimal. Any bytes are a key.
///
/// ```
/// use steadfast::metashrew::key_parser::{KeyParseConfig, parse_key_readable};
///
/// let key = b"/blockhash/byheight/\x01\x00\x00\x00";
/// assert_eq!(parse_key_readable(key, &KeyParseConfig::default()), "/blockhash/byheight/01000000");
/// ```
pub fn parse_key_readable(key: &[u8], config: &KeyParseConfig) -> String {
    show(key, config, push_binary)
}

/// As [`parse_key_readable`], with the defaults.
pub fn parse_key_default(key: &[u8]) -> String {
    parse_key_readable(key, &KeyParseConfig::default())
}

/// As [`parse_key_readable`], but binary data of 4 or 8 bytes is shown as the little-endian number
/// that it is, in hexadecimal, and of data as long as a hash, 20 or 32 bytes, the first 8.
///
/// ```
/// use steadfast::metashrew::key_parser::{KeyParseConfig, parse_key_enhanced};
///
/// let key = b"/blockhash/byheight/\x01\x00\x00\x00";
/// assert_eq!(parse_key_enhanced(key, &KeyParseConfig::default()), "/blockhash/byheight/00000001");
/// ```
pub fn parse_key_enhanced(key: &[u8], config: &KeyParseConfig) -> String {
    show(key, config, |shown, data, config| {
        if let Ok(number) = data.try_into().map(u32::from_le_bytes) {
            push(shown, format_args!("{number:08x}"));
        } else if let Ok(number) = data.try_into().map(u64::from_le_bytes) {
            push(shown, format_args!("{number:016x}"));
        } else if matches!(data.len(), 20 | 32) {
            push_cut(shown, data, SHORT_BYTES);
        } else {
            push_binary(shown, data, config);
        }
    })
}

/// Binary data in hexadecimal, two digits a byte.
pub(super) fn hexadecimal(data: &[u8]) -> String {
    let mut shown = String::new();
    push_cut(&mut shown, data, data.len());
    shown
}

fn show(
    key: &[u8],
    config: &KeyParseConfig,
    binary: impl Fn(&mut String, &[u8], &KeyParseConfig),
) -> String {
    let mut shown = String::new();
    for (number, segment) in key.split(|&byte| byte == b'/').enumerate() {
        if number > 0 {
            shown.push('/');
        }
        match text(segment, config) {
            Some(text) => push_text(&mut shown, text, config.max_utf8_segment_length),
            None => binary(&mut shown, segment, config),
        }
    }
    shown
}

/// A segment as text, if it is long enough and at least seven tenths of its bytes can be read.
fn text<'a>(segment: &'a [u8], config: &KeyParseConfig) -> Option<&'a str> {
    if segment.len() < config.min_utf8_segment_length {
        return None;
    }
    let text = core::str::from_utf8(segment).ok()?;
    let can_be_read = |c: &char| c.is_ascii_graphic() || c.is_ascii_whitespace() || !c.is_ascii();
    let readable: usize = text.chars().filter(can_be_read).map(char::len_utf8).sum();
    (readable * 10 >= segment.len() * 7).then_some(text)
}

fn push_text(shown: &mut String, text: &str, max: usize) {
    if text.len() <= max {
        return shown.push_str(text);
    }
    let cut = super::frame::whole_characters(text, max);
    shown.push_str(&text[..cut]);
    shown.push_str("...");
}

fn push_binary(shown: &mut String, data: &[u8], config: &KeyParseConfig) {
    let is_short = config.show_full_short_binary && data.len() <= SHORT_BYTES;
    let max = if is_short {
        data.len()
    } else {
        config.max_binary_segment_length
    };
    push_cut(shown, data, max);
}

fn push_cut(shown: &mut String, data: &[u8], max: usize) {
    for byte in data.iter().take(max) {
        push(shown, format_args!("{byte:02x}"));
    }
    if data.len() > max {
        shown.push_str("...");
    }
}

fn push(shown: &mut String, text: core::fmt::Arguments<'_>) {
    // A string takes any text.
    let _ = shown.write_fmt(text);
}
