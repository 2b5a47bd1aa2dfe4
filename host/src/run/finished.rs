//! An instance that has run on a block, and what becomes of that.

use std::sync::Arc;

use steadfast::format::InstanceInfo;

use super::live::{Live, Ran};
use crate::guest::one_line;
use crate::heap_marks::HeapMarks;
use crate::input::Input;
use crate::metashrew::Call;
use crate::output::Printed;
use crate::report::BlockReport;
use crate::state::{Pair, State, Tip};
use crate::trace::{Recorder, Trace};
use crate::trap::RunError;

/// An instance whose `_start` has ended, in one way or another.
pub struct Finished {
    pub(super) live: Live,
    report: BlockReport,
    pub(super) outcome: Result<Vec<Pair>, RunError>,
    tip: Tip,
}

impl Finished {
    /// Runs `_start` of an instance on one block.
    pub(super) fn start(mut live: Live, input: &Input) -> Result<Self, RunError> {
        let Ran { report, outcome } = live.call_start(input)?;
        Ok(Finished {
            live,
            report,
            outcome,
            tip: Tip::of(input),
        })
    }

    /// The whole of the guest's memory as it was left.
    pub fn memory(&self) -> &[u8] {
        self.live.memory.data(&self.live.store)
    }

    /// The instance info in the guest's memory, for a module that is built on steadfast.
    pub fn instance_info(&self) -> Option<InstanceInfo> {
        self.live.instance_info()
    }

    /// The figures of this run.
    pub fn report(&self) -> &BlockReport {
        &self.report
    }

    /// The most of the heap that was in use at once, by size: at a flush, or when the guest
    /// returned or stopped. `None` where
    /// [`RunConfig::watch_heap`](crate::RunConfig::watch_heap) is off, and of a guest that is not
    /// built on steadfast.
    pub fn heap_marks(&self) -> Option<&HeapMarks> {
        self.live.store.data().exchange.heap_marks()
    }

    /// The imports that it called, in order, reads of the state, log lines and the environment
    /// apart.
    pub fn calls(&self) -> &[Call] {
        self.live.store.data().exchange.calls()
    }

    /// What it printed through WASI, where output is [captured](crate::Output::Capture).
    pub fn printed(&self) -> Printed {
        self.live.printed()
    }

    /// What was recorded so far, of an instance that [records](crate::Runner::start_recorded); it
    /// ends with this.
    pub fn take_trace(&mut self) -> Option<Trace> {
        let exchange = &mut self.live.store.data_mut().exchange;
        exchange.recorder().take().map(Recorder::into_trace)
    }

    /// What the block flushed, or why it failed.
    pub fn outcome(&self) -> &Result<Vec<Pair>, RunError> {
        &self.outcome
    }

    /// The same, of a block that did not fail.
    ///
    /// # Errors
    ///
    /// Why it failed.
    pub fn succeeded(self) -> Result<Finished, RunError> {
        let outcome = Ok(self.outcome?);
        Ok(Finished { outcome, ..self })
    }

    /// Writes what the block flushed, all of it or nothing, and makes the block the state's tip.
    ///
    /// # Errors
    ///
    /// When the block failed or the state cannot be written. The state is then as it was before.
    pub fn commit(self, state: &mut dyn State) -> Result<BlockReport, RunError> {
        let (report, ()) = self.commit_and(state, |_, _| ())?;
        Ok(report)
    }

    /// As [`commit`](Self::commit), and keeps what `take` takes of the instance, which is told
    /// where its region begins.
    pub(super) fn commit_and<T>(
        self,
        state: &mut dyn State,
        take: impl FnOnce(&mut Live, u32) -> T,
    ) -> Result<(BlockReport, T), RunError> {
        let Finished {
            mut live,
            report,
            outcome,
            tip,
        } = self;
        let writes = outcome?;
        let base = live.instance_info().map_or(0, |info| info.region_start);
        let taken = take(&mut live, base);
        // The instance holds a snapshot of the state.
        drop(live);
        state.write(&writes, Some(tip))?;
        Ok((report, taken))
    }

    /// Writes what the block flushed, and runs `_start` on the next one in the same instance, as a
    /// host may that keeps it: the guest's cache is warm then. A WASI command starts only once.
    ///
    /// Time, imports and written pairs of the next report are the next block's; all else has added
    /// up since the instance was made.
    ///
    /// # Errors
    ///
    /// When the block failed, the state cannot be read or written, or the guest could not be
    /// started again.
    pub fn next(mut self, input: &Input, state: &mut dyn State) -> Result<Finished, RunError> {
        // A state in memory is copied if it is written while a snapshot of it is held.
        self.live.store.data_mut().exchange.release_state()?;
        state.write(&self.outcome?, Some(self.tip))?;
        if self.live.fuel < u64::MAX {
            let refuelled = self.live.store.set_fuel(self.live.fuel);
            refuelled.map_err(|error| RunError::Instantiate(one_line(&error)))?;
        }
        let exchange = &mut self.live.store.data_mut().exchange;
        exchange.turn_to(Arc::clone(input.bytes()), state.snapshot()?);
        Finished::start(self.live, input)
    }
}
