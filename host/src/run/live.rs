//! An instance of a guest, and what a host does to it.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use steadfast::Plan;
use steadfast::format::InstanceInfo;
use wasmtime::{ExternType, Instance, Memory, Store, ValType};

use crate::bounds::Bounds;
use crate::ceiling::PAGE_BYTES;
use crate::context::Context;
use crate::core_dump::CoreDumps;
use crate::deadline;
use crate::digest::Digest;
use crate::guest::{check_place, one_line};
use crate::guest_info::GuestInfo;
use crate::image::{ImageError, check_module};
use crate::input::Input;
use crate::instance_stats::InstanceStats;
use crate::output::Printed;
use crate::page_file::Lease;
use crate::report::BlockReport;
use crate::state::Pair;
use crate::text;
use crate::trap::{Known, RunError, explain};
use crate::wasi;

/// An instance, and what it needs to live.
pub(super) struct Live {
    /// What its memory maps. It goes first: the memory may change from then on.
    pub(super) lease: Option<Lease>,
    pub(super) store: Store<Context>,
    pub(super) instance: Instance,
    pub(super) memory: Memory,
    pub(super) guest_info: Option<GuestInfo>,
    pub(super) ceiling: u64,
    pub(super) timeout: Option<Duration>,
    /// The fuel that it has been given, where it is counted.
    pub(super) fuel: u64,
    pub(super) bounds: Bounds,
    pub(super) core_dumps: Option<CoreDumps>,
    /// Where its region is to be, of guests that are built on steadfast.
    pub(super) plan: Option<Plan>,
    pub(super) module: Digest,
    pub(super) logged: Arc<Mutex<String>>,
    /// Why the image that it was to begin with is not used.
    pub(super) refused_image: Option<ImageError>,
    /// Stops at each epoch, to be looked at.
    pub(super) is_sampled: bool,
}

/// What came of one call of `_start`.
pub(super) struct Ran {
    pub report: BlockReport,
    pub outcome: Result<Vec<Pair>, RunError>,
}

impl Live {
    /// Runs `_start`. Answers the figures of the run, and what it flushed or why it failed.
    pub(super) fn call_start(&mut self, input: &Input) -> Result<Ran, RunError> {
        let start = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, "_start")
            .map_err(|error| RunError::Instantiate(one_line(&error)))?;
        set_deadline(&mut self.store, self.timeout);
        if self.is_sampled {
            self.store.set_epoch_deadline(1);
        }
        let before = Instant::now();
        let returned = start.call(&mut self.store, ());
        let guest_ns = before.elapsed().as_nanos() as u64;
        let (memory, context) = self.memory.data_and_store_mut(&mut self.store);
        if let Some(recorder) = context.exchange.recorder() {
            recorder.end_block(memory);
        }
        context.exchange.look_at_heap(memory);
        context.end_lines();
        let outcome = match returned {
            Err(error) if wasi::exit_status(&error) != Some(0) => Err(self.explain(error)),
            _ => self.take_writes(),
        };
        let report = self.report(input, guest_ns, &outcome);
        Ok(Ran { report, outcome })
    }

    pub(super) fn pregrow(&mut self, pages: u64) -> Result<(), RunError> {
        let ceiling = self.ceiling;
        self.grow_to(pages * PAGE_BYTES)
            .map_err(|_| RunError::Pregrow { pages, ceiling })
    }

    /// Grows memory to so many bytes, in whole pages, unless it has them: the host's own growth,
    /// within the ceiling.
    pub(super) fn grow_to(&mut self, bytes: u64) -> Result<(), wasmtime::Error> {
        let pages = bytes.div_ceil(PAGE_BYTES);
        let more = pages.saturating_sub(self.memory.size(&self.store));
        if more == 0 {
            return Ok(());
        }
        self.store.data_mut().limits.set_host_grows(true);
        let grown = self.memory.grow(&mut self.store, more);
        self.store.data_mut().limits.set_host_grows(false);
        grown.map(drop)
    }

    pub(super) fn limit_cache(&mut self, limit: u32) -> Result<(), RunError> {
        self.tell(|info, memory| info.limit_cache(memory, limit))
            .ok_or(RunError::NoInstanceInfo)
    }

    pub(super) fn forget_by(&mut self, seed: NonZeroU32) -> Result<(), RunError> {
        self.tell(|info, memory| info.forget_by(memory, seed))
            .ok_or(RunError::NoInstanceInfo)
    }

    /// Tells a guest that is built on steadfast which module it is, so that it refuses another
    /// one's image.
    pub(super) fn name_module(&mut self) {
        let module = self.module;
        // Other guests have no instance info.
        let _ = self.tell(|info, memory| info.name_module(memory, &module));
    }

    /// Tells a guest whose region is above its heap that it need not look for somebody else in the
    /// pages that the host has grown from here on.
    pub(super) fn note_host_pages(&mut self, had: usize) {
        if self.plan.is_some() {
            // Others have no instance info.
            let _ = self.tell(|info, memory| info.note_host_pages(memory, had as u32));
        }
    }

    /// Tells the guest something in its instance info, if it has one.
    fn tell(&mut self, tell: impl FnOnce(GuestInfo, &mut [u8]) -> Option<()>) -> Option<()> {
        tell(self.guest_info?, self.memory.data_mut(&mut self.store))
    }

    pub(super) fn instance_info(&self) -> Option<InstanceInfo> {
        self.guest_info?.read(self.memory.data(&self.store))
    }

    pub(super) fn explain(&mut self, error: wasmtime::Error) -> RunError {
        let dumps = self.core_dumps.as_ref();
        keep_dump(dumps, &error, &mut self.store, &self.bounds);
        let known = Known {
            ceiling: self.ceiling,
            memory: self.memory.data_size(&self.store) as u64,
            refused: self.store.data().limits.grows().refused,
            timeout: self.timeout,
            fuel: self.fuel,
        };
        let error = explain(error, self.instance_info().as_ref(), &known);
        error.with_words(|| text::last_words(&self.output()))
    }

    /// What is told where no view has a name.
    pub(super) fn no_view(&self, name: &str) -> RunError {
        let exports = self.instance.module(&self.store).exports();
        let views = exports.filter(|export| match export.ty() {
            ExternType::Func(function) => {
                let mut results = function.results();
                function.params().len() == 0
                    && matches!((results.next(), results.next()), (Some(ValType::I32), None))
            }
            _ => false,
        });
        RunError::NoView {
            name: text::name(name),
            views: views.map(|view| text::name(view.name())).collect(),
        }
    }

    /// Checks that an image is for this module, and for its region.
    pub(super) fn check_image(
        &self,
        base: u32,
        bytes: u64,
        module: Option<Digest>,
    ) -> Result<(), ImageError> {
        if let Some(found) = module {
            check_module(found, self.module)?;
        }
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        check_place(plan, base)?;
        let most = plan.region_max().get();
        if bytes > most {
            return Err(ImageError::TooLarge { bytes, most });
        }
        Ok(())
    }

    fn take_writes(&mut self) -> Result<Vec<Pair>, RunError> {
        let exchange = &mut self.store.data_mut().exchange;
        exchange.check_calls()?;
        exchange.take_writes().ok_or(RunError::NoFlush)
    }

    fn output(&self) -> String {
        let mut output = self
            .logged
            .lock()
            .expect("no holder of the log panics")
            .clone();
        let Printed { stdout, stderr } = self.printed();
        for printed in [stdout, stderr] {
            output.push_str(&text::plain_lines(&String::from_utf8_lossy(&printed)));
        }
        output
    }

    pub(super) fn printed(&self) -> Printed {
        self.store.data().world.printed()
    }

    fn report(
        &self,
        input: &Input,
        guest_ns: u64,
        outcome: &Result<Vec<Pair>, RunError>,
    ) -> BlockReport {
        let memory = self.memory.data(&self.store);
        let context = self.store.data();
        BlockReport {
            height: input.height(),
            guest_ns,
            // Counted down from the maximum; an engine that does not count answers an error.
            fuel: self.store.get_fuel().ok().map(|left| self.fuel - left),
            memory_bytes: self.memory.size(&self.store) * PAGE_BYTES,
            grows: context.limits.grows(),
            observed: self
                .instance_info()
                .map(|info| InstanceStats::read(memory, &info)),
            imports: context.exchange.counts(),
            written_pairs: outcome.as_ref().map_or(0, |writes| writes.len() as u64),
            output: self.output(),
        }
    }
}

/// Stops the guest when it has had so much time from now on.
pub(super) fn set_deadline(store: &mut Store<Context>, limit: Option<Duration>) {
    let epochs = limit.map_or(u64::MAX / 2, deadline::epochs);
    store.set_epoch_deadline(epochs);
    // While it waits, no code of its own runs.
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    store.data_mut().world.set_deadline(deadline);
}

/// Keeps the core dump of a guest that failed, where that is wanted.
pub(super) fn keep_dump(
    dumps: Option<&CoreDumps>,
    error: &wasmtime::Error,
    store: &mut Store<Context>,
    bounds: &Bounds,
) {
    if let Some(dumps) = dumps {
        dumps.keep(error, store, bounds);
    }
}
