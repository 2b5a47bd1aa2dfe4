//! Lookups of a cache. A damaged region can hold any counts, so sums saturate.

/// Lookups that found their key, and those that did not.
#[derive(Clone, Copy)]
pub(crate) struct Lookups {
    pub hits: u64,
    pub misses: u64,
}

impl Lookups {
    /// All of them.
    pub fn all(self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// The share that found their key; `None` if there were none.
    pub fn hit_ratio(self) -> Option<f64> {
        let all = self.all();
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::Lookups;

    #[test]
    fn counts_that_cannot_be_do_no_harm() {
        let [none, some, most] = [(0, 0), (1, 3), (u64::MAX, u64::MAX)]
            .map(|(hits, misses)| Lookups { hits, misses }.hit_ratio());
        assert_eq!((none, some, most), (None, Some(0.25), Some(1.0)));
    }
}
