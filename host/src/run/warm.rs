//! Blocks that begin with the cache that an earlier one left.

use super::{Finished, Live, Runner};
use crate::exchange::ImageExchange;
use crate::held::{HeldRegion, OwnPages};
use crate::image::{ImageError, Origin, RegionImage};
use crate::input::Input;
use crate::report::BlockReport;
use crate::state::State;
use crate::trap::RunError;

impl Runner {
    /// As [`start`](Self::start), with the cache that an earlier block left. The image must be as
    /// of `state`; see [`AsOf::bring_to`](crate::AsOf::bring_to). Where it does not fit under
    /// the ceiling, or belongs to another module, the cache begins cold, and
    /// [`Finished::refused_image`] says why.
    ///
    /// # Errors
    ///
    /// When the guest could not be started at all.
    pub fn start_warm(
        &self,
        input: &Input,
        state: &dyn State,
        image: Option<&RegionImage>,
    ) -> Result<Finished, RunError> {
        let mut live = self.instantiate(input, state)?;
        let given = match (image, self.guest.asks_for_image()) {
            (image, true) => live.exchange_images(image),
            (Some(image), false) => live.restore(image),
            (None, false) => Ok(()),
        };
        live.refused_image = given.err();
        Finished::start(live, input)
    }
}

impl Runner {
    /// As [`start`](Self::start), with the region that an earlier block left: its pages move into
    /// the new instance, at a cost that does not depend on the cache. It must be as of `state`;
    /// see [`AsOf::bring_to`](crate::AsOf::bring_to). Where it does not fit under the ceiling,
    /// or belongs to another module, the cache begins cold, and [`Finished::refused_image`] says
    /// why.
    ///
    /// ```no_run
    /// use steadfast_host::{HeldRegion, Input, MemoryState, RunConfig, Runner};
    ///
    /// let runner = Runner::new(&std::fs::read("indexer.wasm")?, RunConfig::default())?;
    /// let mut state = MemoryState::default();
    /// let mut held: Option<HeldRegion> = None;
    /// for file in ["1.block", "2.block"] {
    ///     let finished = runner.start_held(&Input::read(file)?, &state, held.take())?;
    ///     let (report, region) = finished.commit_and_hold(&mut state)?;
    ///     println!("{} reads of the state", report.imports.get_lens);
    ///     held = region.ok();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the guest could not be started at all.
    pub fn start_held(
        &self,
        input: &Input,
        state: &dyn State,
        held: Option<HeldRegion>,
    ) -> Result<Finished, RunError> {
        let mut live = self.instantiate(input, state)?;
        let put = if self.guest.asks_for_image() {
            live.exchange_region(held)
        } else {
            held.map_or(Ok(()), |held| live.put(held))
        };
        live.refused_image = put.err();
        Finished::start(live, input)
    }
}

impl Live {
    /// Has the region ready for when the guest asks.
    fn exchange_region(&mut self, held: Option<HeldRegion>) -> Result<(), ImageError> {
        let mut images = ImageExchange::of(self.module);
        images.move_regions(OwnPages::OF_RUNNER);
        let taken = held.map_or(Ok(()), |held| images.take_up_held(held));
        self.store.data_mut().exchange.exchange_images(images);
        taken
    }

    /// Moves the region to where it stood, if it is the module's and there is room for it.
    fn put(&mut self, held: HeldRegion) -> Result<(), ImageError> {
        self.prepare(&held, held.memory_wanted())?;
        held.put(self.memory.data_mut(&mut self.store), OwnPages::OF_RUNNER)
    }

    /// Has the image ready for when the guest asks, and takes the one that it offers.
    fn exchange_images(&mut self, image: Option<&RegionImage>) -> Result<(), ImageError> {
        let mut images = ImageExchange::of(self.module);
        let taken = image.map_or(Ok(()), |image| {
            self.check(image)?;
            images.take_up(image.clone(), image.info().height)
        });
        self.store.data_mut().exchange.exchange_images(images);
        taken
    }

    fn check(&self, origin: &Origin) -> Result<(), ImageError> {
        let bytes = origin.info().frontier.into();
        self.check_image(origin.address(), bytes, Some(origin.module()))
    }

    /// Makes sure that a region is the module's, and grows memory for it: to `wanted` bytes if it
    /// can be, and to what it needs otherwise.
    pub(super) fn prepare(&mut self, origin: &Origin, wanted: u64) -> Result<(), ImageError> {
        self.check(origin)?;
        let had = self.memory.data_size(&self.store);
        if self.grow_to(wanted).is_err() {
            self.make_room(origin)?;
        }
        self.note_host_pages(had);
        Ok(())
    }

    /// Grows memory to what a region needs.
    fn make_room(&mut self, origin: &Origin) -> Result<(), ImageError> {
        let need = origin.memory_needed();
        self.grow_to(need).map_err(|_| ImageError::Memory {
            need,
            have: self.ceiling,
        })
    }

    /// Puts an image where its region begins, if it is the module's and there is room for it.
    fn restore(&mut self, image: &RegionImage) -> Result<(), ImageError> {
        self.check(image)?;
        self.make_room(image)?;
        image.restore(self.memory.data_mut(&mut self.store))
    }
}

impl Finished {
    /// Why the image that it was [started](Runner::start_warm) with was not used, where the host
    /// refused it. What the guest made of one that it found stands in its instance info.
    pub fn refused_image(&self) -> Option<&ImageError> {
        self.live.refused_image.as_ref()
    }

    /// The image of the cache that the block left, for the next one; to be used once what it
    /// flushed has been committed.
    ///
    /// # Errors
    ///
    /// When the block failed, or left no cache that is whole.
    pub fn image(&self) -> Result<RegionImage, ImageError> {
        let images = self.live.store.data().exchange.images();
        if let Some(offered) = images.and_then(ImageExchange::offered)
            && self.outcome.is_ok()
        {
            return Ok(offered.clone());
        }
        let info = self.instance_info().filter(|_| self.outcome.is_ok());
        let base = info.map_or(0, |info| info.region_start);
        let memory = if info.is_some() { self.memory() } else { &[] };
        RegionImage::capture(memory, base, self.live.module)
    }

    /// As [`commit`](Self::commit), and takes the region out of the instance, for the next block to
    /// [start with](Runner::start_held).
    ///
    /// # Errors
    ///
    /// When the block failed or the state cannot be written. The state is then as it was before.
    /// The second error says why there is no region: the block left no cache, or the system
    /// does not move its pages.
    pub fn commit_and_hold(
        self,
        state: &mut dyn State,
    ) -> Result<(BlockReport, Result<HeldRegion, ImageError>), RunError> {
        self.commit_and(state, |live, base| {
            let memory = live.memory.data_mut(&mut live.store);
            HeldRegion::take(memory, base, live.module, OwnPages::OF_RUNNER)
        })
    }
}
