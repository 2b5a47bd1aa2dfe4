//! Keys' prefixes.

use alloc::vec::Vec;

use super::{KeyPrefixStats, Lookups, PrefixAnalysisConfig};
use crate::metashrew::allocator::percent;
use crate::metashrew::key_parser::{KeyParseConfig, hexadecimal, parse_key_enhanced};
use crate::metashrew::keyed::Keyed;

/// The prefix that a key is noted under, if it has one.
pub fn of<'a>(key: &'a [u8], config: &PrefixAnalysisConfig) -> Option<&'a [u8]> {
    let candidate = key.get(..config.max_prefix_length).unwrap_or(key);
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'/';
    let end = candidate.iter().position(|byte| !is_part(byte));
    let candidate = &candidate[..end.unwrap_or(candidate.len())];
    let last_slash = candidate.iter().rposition(|&byte| byte == b'/')?;
    let prefix = &candidate[..=last_slash];
    (prefix.len() >= config.min_prefix_length).then_some(prefix)
}

/// The statistics of the prefixes with enough keys. One that is the beginning of a longer one,
/// which has at least four fifths as many lookups, tells nothing more and is left out.
pub fn statistics(
    prefixes: &Keyed<Lookups>,
    min_keys: usize,
    all_hits: u64,
) -> Vec<KeyPrefixStats> {
    let enough = prefixes
        .iter()
        .filter(|(_, lookups)| lookups.keys.len() >= min_keys);
    let is_told = |prefix: &[u8], own: &Lookups| {
        !enough.clone().any(|(longer, its)| {
            longer.len() > prefix.len()
                && longer.starts_with(prefix)
                && total(its) * 5 >= total(own) * 4
        })
    };
    let mut told: Vec<KeyPrefixStats> = enough
        .clone()
        .filter(|(prefix, lookups)| is_told(prefix, lookups))
        .map(|(prefix, lookups)| KeyPrefixStats {
            prefix: hexadecimal(prefix),
            prefix_readable: parse_key_enhanced(prefix, &KeyParseConfig::default()),
            hits: lookups.hits,
            misses: lookups.misses,
            unique_keys: lookups.keys.len(),
            hit_percentage: percent(lookups.hits as f64, all_hits as f64),
        })
        .collect();
    told.sort_by(|a, b| {
        let by_lookups = (b.hits + b.misses).cmp(&(a.hits + a.misses));
        by_lookups.then_with(|| a.prefix.cmp(&b.prefix))
    });
    told
}

fn total(lookups: &Lookups) -> u64 {
    lookups.hits + lookups.misses
}
