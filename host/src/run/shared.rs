//! Blocks that views go on beside.

use steadfast::format::Status;

use super::{Finished, Live, Runner, View};
use crate::exchange::ImageExchange;
use crate::held::{OwnPages, ask_for_huge_pages};
use crate::image::ImageError;
use crate::input::Input;
use crate::report::BlockReport;
use crate::shared_cache::SharedCache;
use crate::state::State;
use crate::trap::RunError;

impl Runner {
    /// As [`start`](Self::start), with the cache as of the last committed block, which views go on
    /// [using](Self::open_view_of). It must be as of `state`; see
    /// [`AsOf::bring_to`](crate::AsOf::bring_to). Where it does not fit under the ceiling, or
    /// belongs to another module, the cache begins cold, and [`Finished::refused_image`] says why.
    ///
    /// The state and the cache stand behind one lock, so that a view gets both as of one block:
    ///
    /// ```no_run
    /// use std::sync::RwLock;
    ///
    /// use steadfast_host::{Input, MemoryState, RunConfig, RunError, Runner, SharedCache};
    ///
    /// #[derive(Default)]
    /// struct Node {
    ///     state: MemoryState,
    ///     cache: Option<SharedCache>,
    /// }
    ///
    /// fn index(runner: &Runner, node: &RwLock<Node>, block: &Input) -> Result<(), RunError> {
    ///     let finished = {
    ///         let node = node.read().unwrap();
    ///         runner.start_shared(block, &node.state, node.cache.as_ref())?
    ///     };
    ///     let Node { state, cache } = &mut *node.write().unwrap();
    ///     if let (_, Err(reason)) = finished.commit_and_share(state, cache)? {
    ///         eprintln!("the next block begins cold: {reason}");
    ///     }
    ///     Ok(())
    /// }
    ///
    /// fn answer(runner: &Runner, node: &RwLock<Node>, question: &Input) -> Result<Vec<u8>, RunError> {
    ///     let mut view = {
    ///         let node = node.read().unwrap();
    ///         runner.open_view_of(question, &node.state, node.cache.as_ref())?
    ///     };
    ///     view.call("balance")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When the guest could not be started at all.
    pub fn start_shared(
        &self,
        input: &Input,
        state: &dyn State,
        cache: Option<&SharedCache>,
    ) -> Result<Finished, RunError> {
        let mut live = self.instantiate(input, state)?;
        if let Some(cache) = cache {
            match live.begin_with(cache) {
                Ok(()) if self.guest.asks_for_image() => live.tell_of(cache),
                mapped => live.refused_image = mapped.err(),
            }
        }
        Finished::start(live, input)
    }

    /// As [`open_view`](Self::open_view), with the cache as of the last committed block, while the
    /// next one is indexed: see [`start_shared`](Self::start_shared). The view goes on finding that
    /// block when another one has been committed.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_view_of(
        &self,
        input: &Input,
        state: &dyn State,
        cache: Option<&SharedCache>,
    ) -> Result<View, RunError> {
        let mut live = self.instantiate(input, state)?;
        if let Some(cache) = cache {
            live.prepare(cache, cache.memory_needed())?;
            live.map_shared(cache, Status::Shared)?;
        }
        Ok(View(live))
    }
}

impl Live {
    /// Lets the next block begin with the cache, in a region that is as large as it was, if there
    /// is room.
    fn begin_with(&mut self, cache: &SharedCache) -> Result<(), ImageError> {
        self.prepare(cache, cache.memory_wanted())?;
        let heap = &mut self.memory.data_mut(&mut self.store)[..cache.address() as usize];
        ask_for_huge_pages(heap);
        self.map_shared(cache, Status::Sealed)
    }

    /// Has a guest that asks for its image find it where the host has mapped it.
    fn tell_of(&mut self, cache: &SharedCache) {
        let mut images = ImageExchange::of(self.module);
        // What it offers is noted, and not copied: the commit takes it up.
        images.move_regions(OwnPages::OF_RUNNER);
        images.find_in_place(cache);
        self.store.data_mut().exchange.exchange_images(images);
    }

    fn map_shared(&mut self, cache: &SharedCache, status: Status) -> Result<(), ImageError> {
        let memory = self.memory.data_mut(&mut self.store);
        self.lease = Some(cache.map_over(memory, status, OwnPages::OF_RUNNER)?);
        Ok(())
    }
}

impl Finished {
    /// As [`commit`](Self::commit), and takes what the block wrote to its region up into `cache`,
    /// for the next block and for views. Takes time in proportion to the pages that it wrote, and
    /// to their number once more for each view that is still running; see [`SharedCache`]. The
    /// first block's region is taken up whole.
    ///
    /// # Errors
    ///
    /// When the block failed or the state cannot be written. The state is then as it was before; so
    /// is the cache, where it was the block that failed. The second error says why there is no
    /// cache any more: the block left none, or the system refuses.
    pub fn commit_and_share(
        self,
        state: &mut dyn State,
        cache: &mut Option<SharedCache>,
    ) -> Result<(BlockReport, Result<(), ImageError>), RunError> {
        let (report, left) = self.commit_and(state, |live, base| {
            let lease = live.lease.take();
            let memory = live.memory.data(&live.store);
            SharedCache::after(cache.take(), lease, memory, base, live.module)
        })?;
        Ok((report, left.map(|left| *cache = Some(left))))
    }
}
