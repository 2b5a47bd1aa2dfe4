//! A quantity over time, in a bounded number of points.

/// Points at the most.
const POINTS: usize = 512;

/// The greatest value in each of some equal stretches of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Ticks in a stretch.
    pub ticks: u64,
    /// The values, in order.
    pub values: Vec<u64>,
    /// The value that was noted last.
    last: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Timeline {
            ticks: 1,
            values: Vec::new(),
            last: 0,
        }
    }
}

impl Timeline {
    /// Notes a value. Time does not go back.
    pub(super) fn note(&mut self, tick: u64, value: u64) {
        while tick / self.ticks >= POINTS as u64 {
            self.ticks *= 2;
            let halves = self.values.chunks(2);
            self.values = halves
                .map(|it| it.iter().copied().max().unwrap_or(0))
                .collect();
        }
        let place = (tick / self.ticks) as usize;
        while self.values.len() < place {
            // Nothing was noted in the stretches between: the value stayed.
            self.values.push(self.last);
        }
        match self.values.get_mut(place) {
            Some(greatest) => *greatest = value.max(*greatest),
            None => self.values.push(value),
        }
        self.last = value;
    }

    /// The line as text of up to `width` characters, from nothing to the greatest value.
    #[must_use]
    pub fn drawn(&self, width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = self.values.iter().copied().max().unwrap_or(0).max(1);
        let each = self.values.len().div_ceil(width).max(1);
        let stretches = self.values.chunks(each);
        let greatest = stretches.map(|it| it.iter().copied().max().unwrap_or(0));
        greatest
            .map(|value| BARS[(value as u128 * 7 / u128::from(most)) as usize])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_time_has_few_points_and_keeps_its_greatest_value() {
        let mut line = Timeline::default();
        for tick in 0..1_000_000 {
            line.note(tick, if tick == 700_000 { 9 } else { tick % 4 });
        }
        assert!(line.values.len() <= POINTS, "{}", line.values.len());
        let at = 700_000 / line.ticks as usize;
        assert_eq!(line.values[at], 9);
        assert_eq!(line.values.iter().filter(|value| **value > 3).count(), 1);
        let drawn = line.drawn(50);
        assert!(drawn.chars().count() <= 50);
        assert_eq!(drawn.matches('█').count(), 1, "{drawn}");
    }
}
