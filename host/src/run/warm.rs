//! Blocks that begin with the cache that an earlier one left.

use super::{Finished, Live, Runner};
use crate::image::{ImageError, ImageExchange, RegionImage};
use crate::input::Input;
use crate::state::State;
use crate::trap::RunError;

impl Runner {
    /// As [`start`](Self::start), with the cache that an earlier block left. The image must be as of `state`; see
    /// [`RegionImage::bring_to`]. Where it does not fit under the ceiling, or belongs to another module, the cache begins cold, and
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
        live.start(input)
    }
}

impl Live {
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

    fn check(&self, image: &RegionImage) -> Result<(), ImageError> {
        let bytes = image.info().frontier.into();
        self.check_image(image.address(), bytes, Some(image.module()))
    }

    /// Puts an image where its region begins, if it is the module's and there is room for it.
    fn restore(&mut self, image: &RegionImage) -> Result<(), ImageError> {
        self.check(image)?;
        let need = image.memory_needed();
        self.grow_to(need).map_err(|_| ImageError::Memory {
            need,
            have: self.ceiling,
        })?;
        image.restore(self.memory.data_mut(&mut self.store))
    }
}

impl Finished {
    /// Why the image that it was [started](Runner::start_warm) with was not used, where the host refused it. What the guest made of
    /// one that it found stands in its record.
    pub fn refused_image(&self) -> Option<&ImageError> {
        self.live.refused_image.as_ref()
    }

    /// The image of the cache that the block left, for the next one; to be used once what it flushed has been committed.
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
        let record = self.record().filter(|_| self.outcome.is_ok());
        let base = record.map_or(0, |record| record.region_start);
        let memory = if record.is_some() { self.memory() } else { &[] };
        RegionImage::capture(memory, base, self.live.module)
    }
}
