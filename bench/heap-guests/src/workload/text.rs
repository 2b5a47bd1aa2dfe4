//! Growing vectors and strings, and a JSON document.

use std::fmt::Write as _;

use serde_json::Value;

use super::numbers::Numbers;
use super::raw::mix;

/// Two million numbers pushed one by one.
pub fn vec_push() -> u64 {
    let mut words = Vec::new();
    for at in 0..2 << 20 {
        words.push(mix(at, 7));
    }
    words
        .iter()
        .fold(0, |sum: u64, word| sum.wrapping_add(*word))
}

/// 200,000 lines put together word by word, then one text of them all.
pub fn strings() -> u64 {
    const WORDS: [&str; 8] = [
        "block",
        "of",
        "transactions",
        "spends",
        "an",
        "output",
        "unknown",
        "script",
    ];
    let mut numbers = Numbers::new(0x7e47);
    let lines: Vec<String> = (0..200_000)
        .map(|at| {
            let mut line = String::new();
            for _ in 0..2 + numbers.below(10) {
                line.push_str(WORDS[numbers.below(8)]);
                line.push(' ');
            }
            write!(line, "{at}").expect("writing to a string does not fail");
            line
        })
        .collect();
    let text = lines.join("\n");
    text.bytes()
        .step_by(61)
        .fold(text.len() as u64, |sum, byte| mix(sum, u64::from(byte)))
}

/// Reads the document, and writes it again.
pub fn json(input: &[u8]) -> u64 {
    match serde_json::from_slice::<Value>(input) {
        Ok(document) => document
            .to_string()
            .bytes()
            .step_by(127)
            .fold(0, |sum, byte| mix(sum, u64::from(byte))),
        Err(_) => 0,
    }
}
