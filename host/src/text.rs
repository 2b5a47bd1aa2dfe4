//! Text from strangers, for terminals, tables and JSON.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The longest name of a module's own that a message shows, in characters.
const NAME_CHARS: usize = 200;

/// The longest reason that a message shows, in characters.
const REASON_CHARS: usize = 1000;

/// The text with control characters and marks of writing direction spelt out; tabs stay.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\t')
}

/// The same of several lines.
#[must_use]
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\t' || c == '\n')
}

/// What a program printed last, on one line: a panic's message, where there is one.
#[must_use]
pub(crate) fn last_words(printed: &str) -> String {
    let said = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    let lines: Vec<&str> = printed.lines().filter(said).collect();
    let panicked = lines.iter().rposition(|line| line.contains("panicked at"));
    let from = panicked.unwrap_or(lines.len().saturating_sub(1));
    reason(&lines[from..].join(" "))
}

/// A name that a module gives: plain, and cut where it is very long.
#[must_use]
pub fn name(text: &str) -> String {
    cut(text, NAME_CHARS)
}

/// The name of a function, demangled and without its hash, as [`name`] shows it.
#[must_use]
pub(crate) fn function_name(mangled: &str) -> String {
    name(&demangled(mangled))
}

/// The name of a function, demangled and without its hash, or its beginning: a short name may stand
/// for one of a megabyte, and what is not shown is not made.
#[must_use]
pub(crate) fn demangled(mangled: &str) -> String {
    let mut demangled = Beginning(String::new());
    let _ = write!(demangled, "{:#}", rustc_demangle::demangle(mangled));
    demangled.0
}

/// The first bytes that are written, more than a name shows.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const BYTES: usize = 4 * (NAME_CHARS + 1);
        let left = BYTES.saturating_sub(self.0.len());
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(left)]);
        Err(fmt::Error)
    }
}

/// Plain text of up to `most` characters. The rest is cut off.
#[must_use]
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", plain(&text[..end])),
        None => plain(text).into_owned(),
    }
}

/// A reason, plain and in one line, and cut where it is very long.
#[must_use]
pub(crate) fn reason(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&joined, REASON_CHARS)
}

/// JSON in which nothing steers a terminal that shows it. It tells the same.
#[must_use]
pub fn plain_json(json: &str) -> Cow<'_, str> {
    // Between strings stand no such characters, and all of them have four digits.
    let spell = |plain: &mut String, c: char| {
        plain.push_str(&format!("\\u{:04x}", u32::from(c)));
    };
    respell(json, |c| steers(c) && c != '\n' && c != '\t', spell)
}

fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}

fn escape(text: &str, stays: fn(char) -> bool) -> Cow<'_, str> {
    let spell = |plain: &mut String, c: char| plain.extend(c.escape_unicode());
    respell(text, |c| steers(c) && !stays(c), spell)
}

/// The text with the characters of one kind spelt in another way.
fn respell(
    text: &str,
    is_spelt: impl Fn(char) -> bool,
    spell: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&is_spelt) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_spelt(c) {
            true => spell(&mut plain, c),
            false => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(
            plain("a\u{1b}[2J\tb\n\u{9b}"),
            "a\\u{1b}[2J\tb\\u{a}\\u{9b}"
        );
        assert_eq!(plain_lines("a\u{202e}\nb"), "a\\u{202e}\nb");
        assert_eq!(
            plain_json("[\"\u{202e}\u{7f}é\"]\n"),
            "[\"\\u202e\\u007fé\"]\n"
        );
    }

    #[test]
    fn last_words_are_a_panic_or_the_last_line() {
        for (printed, words) in [
            ("", ""),
            ("one\ntwo\n\n", "two"),
            (
                "one\n\nthread 'main' (1) panicked at src/lib.rs:5:9:\nno  such\nkey\nnote: run with `RUST_BACKTRACE=1`\n",
                "thread 'main' (1) panicked at src/lib.rs:5:9: no such key",
            ),
            ("panicked at a\npanicked at b", "panicked at b"),
        ] {
            assert_eq!(last_words(printed), words);
        }
    }

    #[test]
    fn a_short_name_that_stands_for_a_long_one_is_not_written_out() {
        let long = demangled("_RMC0FGZZZ_Eu");
        assert!(
            long.len() > NAME_CHARS && long.len() < 1_000,
            "{}",
            long.len()
        );
        assert!(function_name("_RMC0FGZZZ_Eu").ends_with('…'));
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let long = "é".repeat(NAME_CHARS + 1);
        let shown = name(&long);
        assert_eq!(shown.chars().count(), NAME_CHARS + 1);
        assert!(shown.ends_with('…'));
        assert_eq!(name(&long[2..]), &long[2..]);
    }
}
