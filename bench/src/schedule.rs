//! Who goes when, where several are timed.

/// The order in which `count` take their turns in a round.
///
/// What ran before leaves its traces in the processor's caches, so over `count` rounds each follows
/// each other once; where `count` is odd, twice over twice as many.
pub fn of_round(round: usize, count: usize) -> impl Iterator<Item = usize> {
    let backwards = count > 0 && (round / count) % 2 == 1;
    (0..count).map(move |turn| {
        let turn = if backwards { count - 1 - turn } else { turn };
        // From either end in turn, so that each step is of another length.
        let place = if turn % 2 == 0 {
            turn / 2
        } else {
            count - 1 - turn / 2
        };
        (place + round) % count
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn each_follows_each_other_equally_often() {
        for count in 0..10 {
            let mut pairs = BTreeMap::new();
            for round in 0..2 * count {
                let order: Vec<_> = of_round(round, count).collect();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..count).collect::<Vec<_>>());
                for pair in order.windows(2) {
                    *pairs.entry((pair[0], pair[1])).or_insert(0) += 1;
                }
            }
            assert_eq!(pairs.len(), count * count.saturating_sub(1));
            assert!(
                pairs.values().all(|&times| times == 2),
                "{count}: {pairs:?}"
            );
        }
    }
}
