//! Blocks that begin with the cache that an earlier one left.

use super::{Finished, Live, Runner};
use crate::image::{ImageError, ImageExchange, RegionImage};
use crate::input::Input;
use crate::state::State;
use crate::trap::RunError;

impl Runner {
    /// As [`start`](Self::start), with the cache that an earlier block left. The image must be as of `state`. Where it
    /// does not fit under the ceiling, or belongs to another module, the cache begins cold.
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
        let image = image.filter(|image| image.module() == self.guest.digest());
        if self.guest.asks_for_image() {
            live.exchange_images(image)?;
        } else if let Some(image) = image {
            live.restore(image);
        }
        live.start(input)
    }
}

impl Live {
    /// Has the image ready for when the guest asks, and takes the one that it offers.
    fn exchange_images(&mut self, image: Option<&RegionImage>) -> Result<(), RunError> {
        let mut images = ImageExchange::of(self.module);
        if let Some(image) = image {
            let taken = images.take_up(image.clone(), image.info().height);
            taken.map_err(|error| RunError::Instantiate(error.to_string()))?;
        }
        self.store.data_mut().exchange.exchange_images(images);
        Ok(())
    }

    /// Puts an image where its region begins, if there is room for it.
    fn restore(&mut self, image: &RegionImage) {
        if self.grow_to(image.memory_needed()).is_ok() {
            // The only error is a memory that is too small.
            let _ = image.restore(self.memory.data_mut(&mut self.store));
        }
    }
}

impl Finished {
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
