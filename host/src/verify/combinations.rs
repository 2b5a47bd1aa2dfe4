//! Which values of several axes are tried together.
//!
//! An axis is the number of its values; value 0 is its default. A combination has one value for
//! each axis.

/// One value for each axis.
pub(super) type Combination = Vec<usize>;

/// Combinations in which every two values of different axes meet at least once. The first is all
/// defaults, and those that follow depart from it in one axis alone; then comes what it takes to
/// cover the other pairs, found greedily.
pub(super) fn pairwise(sizes: &[usize]) -> Vec<Combination> {
    let mut rows = one_at_a_time(sizes);
    let mut missing: Vec<Pair> = pairs(sizes)
        .filter(|pair| !rows.iter().any(|row| pair.is_in(row)))
        .collect();
    while let Some(first) = missing.first() {
        let row = complete(sizes, first, &missing);
        missing.retain(|pair| !pair.is_in(&row));
        rows.push(row);
    }
    rows
}

/// All combinations, with the first axis changing slowest.
pub(super) fn product(sizes: &[usize]) -> Vec<Combination> {
    sizes.iter().fold(vec![Vec::new()], |rows, &size| {
        let extended = |row: &Combination| {
            let row = row.clone();
            (0..size).map(move |value| [&row[..], &[value]].concat())
        };
        rows.iter().flat_map(extended).collect()
    })
}

fn one_at_a_time(sizes: &[usize]) -> Vec<Combination> {
    let default = vec![0; sizes.len()];
    let departures = sizes.iter().enumerate().flat_map(|(axis, &size)| {
        let default = default.clone();
        (1..size).map(move |value| {
            let mut row = default.clone();
            row[axis] = value;
            row
        })
    });
    [default.clone()].into_iter().chain(departures).collect()
}

/// A value of one axis, and a value of another.
struct Pair([(usize, usize); 2]);

impl Pair {
    fn is_in(&self, row: &[usize]) -> bool {
        self.0.iter().all(|&(axis, value)| row[axis] == value)
    }
}

fn pairs(sizes: &[usize]) -> impl Iterator<Item = Pair> {
    let values = |axis: usize| (0..sizes[axis]).map(move |value| (axis, value));
    (0..sizes.len()).flat_map(move |first| {
        (first + 1..sizes.len()).flat_map(move |second| {
            values(first).flat_map(move |one| values(second).map(move |other| Pair([one, other])))
        })
    })
}

/// The row that has `pair`, and on each other axis the value with which most of the missing pairs
/// are covered.
fn complete(sizes: &[usize], pair: &Pair, missing: &[Pair]) -> Combination {
    let mut row: Vec<Option<usize>> = vec![None; sizes.len()];
    for (axis, value) in pair.0 {
        row[axis] = Some(value);
    }
    for axis in 0..sizes.len() {
        if row[axis].is_some() {
            continue;
        }
        let covered = |value: usize| {
            let meets = |&(at, wanted): &(usize, usize)| match at == axis {
                true => wanted == value,
                false => row[at] == Some(wanted),
            };
            let covers = |pair: &&Pair| pair.0.iter().all(meets);
            missing.iter().filter(covers).count()
        };
        // The first of the best: `max_by_key` answers the last.
        row[axis] = (0..sizes[axis]).rev().max_by_key(|&value| covered(value));
    }
    row.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Axes of one value, of many, and more of them than a run has.
    const CASES: [&[usize]; 8] = [
        &[1],
        &[4],
        &[2, 2],
        &[1, 1, 1],
        &[7, 5, 3, 6],
        &[4, 5, 3, 6, 2],
        &[2, 2, 2, 2, 2, 2, 2, 2],
        &[1, 9, 1, 8, 3],
    ];

    #[test]
    fn every_pair_is_covered() {
        for sizes in CASES {
            let rows = pairwise(sizes);
            for pair in pairs(sizes) {
                let covered = rows.iter().any(|row| pair.is_in(row));
                assert!(covered, "{sizes:?}: {:?} in {rows:?}", pair.0);
            }
            let fits = |row: &Combination| {
                row.len() == sizes.len() && row.iter().zip(sizes).all(|(value, size)| value < size)
            };
            assert!(rows.iter().all(fits), "{sizes:?}: {rows:?}");
        }
    }

    #[test]
    fn each_value_stands_alone_once_and_the_default_first() {
        for sizes in CASES {
            let rows = pairwise(sizes);
            assert!(rows[0].iter().all(|&value| value == 0), "{sizes:?}");
            for (axis, &size) in sizes.iter().enumerate() {
                for wanted in 1..size {
                    let mut alone = vec![0; sizes.len()];
                    alone[axis] = wanted;
                    assert_eq!(rows.iter().filter(|row| **row == alone).count(), 1);
                }
            }
        }
    }

    #[test]
    fn there_are_far_fewer_rows_than_in_the_product() {
        let sizes = [7, 5, 3, 6];
        let (pairs, all) = (pairwise(&sizes).len(), product(&sizes).len());
        assert_eq!(all, 7 * 5 * 3 * 6);
        // Seven engines with six caches are 42 at the least.
        assert!((42..80).contains(&pairs), "{pairs}");
    }

    #[test]
    fn the_product_has_every_combination_once() {
        let mut rows = product(&[2, 3, 1]);
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), 6);
        assert_eq!(product(&[]), [Combination::new()]);
    }
}
