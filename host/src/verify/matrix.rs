//! Which scenario is run on which engine.

use super::axis::{self, Axis, Known, Values};
use super::combinations::{Combination, pairwise, product};
use super::engine::{Engine, Ready};
use super::scenario::{Scenario, Sequence};
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
        let mut axes = axis::crossed(subject, known, config.extent);
        let crossed = axes.len();
        axes.extend(axis::apart(subject, known, config.extent));
        let start = Scenario {
            ceiling: known.ceiling,
            ..Scenario::reference()
        };
        let mut matrix = Matrix { runs: Vec::new() };
        for combination in combinations(places.len(), &axes, crossed, config.extent) {
            let place = places[combination[0]];
            let values = axes.iter().zip(&combination[1..]);
            let scenario = values.fold(start.clone(), |scenario, (values, &number)| {
                let departed = values.apply(&scenario, number);
                match &engines[place].1 {
                    Ok(engine) if can_run(engine.as_ref(), &departed) => departed,
                    _ => scenario,
                }
            });
            matrix.push(engines, place, scenario, config);
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

/// The combinations of so many engines and of the values of all axes; the first `crossed` axes
/// always meet each other and the engines.
fn combinations(
    engines: usize,
    axes: &[Values],
    crossed: usize,
    extent: Extent,
) -> Vec<Combination> {
    let lens = axes.iter().map(Values::len);
    let sizes: Vec<usize> = [engines].into_iter().chain(lens).collect();
    let (always, apart) = sizes.split_at(1 + crossed);
    let rows = match extent {
        Extent::Quick | Extent::Pairs => pairwise(always),
        Extent::Full => product(always),
    };
    let filled = |row: Combination| [row, vec![0; apart.len()]].concat();
    let mut rows: Vec<Combination> = rows.into_iter().map(filled).collect();
    if extent == Extent::Full {
        rows.extend(pairwise(&sizes));
        return rows;
    }
    for (axis, values) in axes.iter().enumerate().skip(crossed) {
        let engines = match values.axis() {
            Axis::Stack => engines,
            _ => 1,
        };
        for (engine, value) in (0..engines).flat_map(|at| (1..values.len()).map(move |v| (at, v))) {
            let mut row = vec![0; sizes.len()];
            (row[0], row[1 + axis]) = (engine, value);
            rows.push(row);
        }
    }
    rows
}

fn can_run(engine: &dyn Engine, scenario: &Scenario) -> bool {
    let keeps = engine.keeps_instances() || scenario.sequence != Sequence::Kept;
    keeps && (engine.sets_stack() || scenario.stack.is_none())
}
