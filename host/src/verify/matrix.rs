//! Which scenario is run on which engine.

use super::axis::{self, Known};
use super::combinations::{pairwise, product};
use super::engine::Ready;
use super::scenario::Scenario;
use super::subject::Subject;
use super::{Extent, VerifyConfig, committed};

/// The runs that are made.
pub(super) struct Matrix {
    /// The place of the engine, and what it runs.
    pub runs: Vec<(usize, Scenario)>,
}

impl Matrix {
    /// The engines that are here, of which `first` made the reference, with everything that is
    /// known to make a difference.
    pub fn new(
        subject: &Subject,
        engines: &[(&'static str, Ready)],
        first: usize,
        known: &Known,
        config: &VerifyConfig,
    ) -> Self {
        let ready = |place: &usize| engines[*place].1.is_ok();
        let others = (0..engines.len()).filter(|place| *place != first);
        let places: Vec<usize> = [first].into_iter().chain(others.filter(ready)).collect();
        let axes = axis::crossed(subject, known, config.extent);
        let values = axes.iter().map(axis::Values::len);
        let sizes: Vec<usize> = [places.len()].into_iter().chain(values).collect();
        let combinations = match config.extent {
            Extent::Quick | Extent::Pairs => pairwise(&sizes),
            Extent::Full => product(&sizes),
        };
        let mut matrix = Matrix { runs: Vec::new() };
        let start = Scenario {
            ceiling: known.ceiling,
            ..Scenario::reference()
        };
        for combination in combinations {
            let values = axes.iter().zip(&combination[1..]);
            let scenario = values.fold(start.clone(), |scenario, (values, &number)| {
                values.apply(&scenario, number)
            });
            matrix.push(engines, places[combination[0]], scenario, config);
        }
        let refusals = axis::refusals(subject, known, config.extent);
        for &place in &places {
            if place == first || config.extent == Extent::Full {
                for scenario in &refusals {
                    matrix.push(engines, place, scenario.clone(), config);
                }
            }
        }
        for &place in &places {
            if engines[place]
                .1
                .as_ref()
                .is_ok_and(|engine| engine.sets_stack())
            {
                matrix.push(engines, place, axis::small_stack(known), config);
            }
        }
        matrix
            .runs
            .sort_by_key(|(place, _)| (*place != first, *place));
        matrix
    }

    /// Adds a run, within what its engine has for memory, unless it is there already.
    fn push(
        &mut self,
        engines: &[(&'static str, Ready)],
        place: usize,
        scenario: Scenario,
        config: &VerifyConfig,
    ) {
        let engine = engines[place].1.as_ref();
        let commits = engine.is_ok_and(|engine| engine.commits_memory());
        let scenario = match commits {
            true => scenario.within(committed(config)),
            false => scenario,
        };
        if !self.runs.contains(&(place, scenario.clone())) {
            self.runs.push((place, scenario));
        }
    }
}
