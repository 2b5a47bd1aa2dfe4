//! How large a cache is best told to be, where all it takes has to stay below a ceiling.

use anyhow::{Context as _, Result};

/// Of the multiples of `step` up to `most`, the size with which the work has the most hits; among
/// equals the smallest. Tries one of eight, and then those around the best. A size with which the
/// work cannot be done, out of memory, is none.
///
/// # Errors
/// When it cannot be done with any: the last one's error.
pub fn best(most: u64, step: u64, mut work: impl FnMut(u64) -> Result<u64>) -> Result<u64> {
    let mut failure = None;
    let mut best: Option<(u64, u64)> = None;
    let mut try_sizes = |best: &mut Option<(u64, u64)>, from: u64, to: u64, by: u64| {
        for number in (from.max(1)..=to.min(most / step)).step_by(by as usize) {
            match work(number * step) {
                Ok(hits) if best.is_none_or(|(most, _)| hits > most) => {
                    *best = Some((hits, number))
                }
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
    };
    try_sizes(&mut best, 8, most / step, 8);
    let around = best.map_or(8, |(_, number)| number);
    try_sizes(&mut best, around.saturating_sub(7), around + 7, 1);
    match (best, failure) {
        (Some((_, number)), _) => Ok(number * step),
        (None, Some(error)) => Err(error).context("too little memory for any size"),
        (None, None) => Ok(step),
    }
}

#[cfg(test)]
mod tests {
    use super::best;
    use anyhow::bail;

    #[test]
    fn the_size_with_the_most_hits_is_found() {
        for limit in [10, 150, 1000, 5000] {
            let found = best(10_000, 10, |size| {
                if size > limit {
                    bail!("out of memory");
                }
                Ok(size)
            });
            assert_eq!(found.unwrap(), limit);
        }
        assert!(best(1000, 10, |_| bail!("out of memory")).is_err());
    }
}
