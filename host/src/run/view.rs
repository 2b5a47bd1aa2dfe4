//! Views: an instance that answers a question about the state.

use std::time::Duration;

use super::Runner;
use super::live::{Live, set_deadline};
use crate::bounds::Bound;
use crate::input::Input;
use crate::metashrew;
use crate::share::SharedImage;
use crate::state::State;
use crate::trap::RunError;

impl Runner {
    /// Calls a view: an export without parameters that reads its arguments where a block would
    /// stand, and returns a pointer to a byte string. What it writes is dropped.
    ///
    /// # Errors
    ///
    /// When there is no such export, the guest fails, or it returns a pointer to nothing readable.
    pub fn view(&self, name: &str, input: &Input, state: &dyn State) -> Result<Vec<u8>, RunError> {
        self.open_view(input, state, None)?.call(name)
    }

    /// Makes an instance that answers one question. With an image, it maps that: its cache is warm,
    /// and pages that it only reads are shared with all the others that map it. A server makes
    /// an instance for each request, from as many threads as it likes.
    ///
    /// The image must be as of `state`: what stands in it is believed. On the metashrew surface a
    /// view at the image's height is answered from the image. One at an earlier height sees
    /// entries written at that height or before, and asks `state` for the others; one at a
    /// later height asks `state` for all.
    ///
    /// The memory grows to hold the image, within the ceiling; the guest's own growth goes on from
    /// there.
    ///
    /// ```no_run
    /// use steadfast_host::{Input, MemoryState, RunConfig, Runner, SharedImage};
    ///
    /// let runner = Runner::new(&std::fs::read("indexer.wasm")?, RunConfig::default())?;
    /// let mut state = MemoryState::default();
    /// let block = runner.start(&Input::read("702861.block")?, &state)?;
    /// let image = SharedImage::new(&block.image()?)?;
    /// block.commit(&mut state)?;
    /// for script in [&b"one"[..], b"another"] {
    ///     let question = Input::new(702_861, script);
    ///     let balance = runner.open_view(&question, &state, Some(&image))?.call("balance")?;
    ///     println!("{balance:?}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the guest could not be started, when the image is another module's or is not for its
    /// region, when it does not fit under the ceiling or the module's own maximum, and when it
    /// cannot be mapped.
    pub fn open_view(
        &self,
        input: &Input,
        state: &dyn State,
        image: Option<&SharedImage>,
    ) -> Result<View, RunError> {
        let mut live = self.instantiate(input, state)?;
        if let Some(image) = image {
            live.check_image(image.address(), image.len() as u64, image.module())?;
            live.map(image)?;
        }
        Ok(View(live))
    }
}

impl Live {
    fn map(&mut self, image: &SharedImage) -> Result<(), RunError> {
        let need = image.memory_needed();
        let had = self.memory.data_size(&self.store);
        self.grow_to(need).map_err(|_| RunError::ImageTooLarge {
            need,
            ceiling: self.ceiling,
        })?;
        self.note_host_pages(had);
        image
            .map_into(&mut self.store, self.memory)
            .map_err(RunError::Map)
    }
}

/// An instance that answers views.
pub struct View(pub(super) Live);

impl View {
    /// Calls a view by its name.
    ///
    /// # Errors
    ///
    /// When there is no such export, the guest fails, or it returns a pointer to nothing readable.
    pub fn call(&mut self, name: &str) -> Result<Vec<u8>, RunError> {
        let live = &mut self.0;
        set_deadline(&mut live.store, live.timeout);
        let view = live
            .instance
            .get_typed_func::<(), u32>(&mut live.store, name)
            .map_err(|_| live.no_view(name))?;
        let returned = view.call(&mut live.store, ());
        live.store.data_mut().end_lines();
        match returned {
            Ok(pointer) => {
                let memory = live.memory.data(&live.store);
                let bytes = metashrew::byte_string(memory, pointer);
                let bytes = bytes.ok_or(RunError::BadView(pointer))?;
                live.bounds.check(Bound::AnswerBytes, bytes.len() as u64)?;
                Ok(memory[bytes].to_vec())
            }
            Err(error) => Err(live.explain(error)),
        }
    }

    /// Gives each call from now on another time than the runner's configuration has; `None` is no
    /// limit.
    pub fn limit_time(&mut self, limit: Option<Duration>) {
        self.0.timeout = limit;
    }

    /// The whole of the guest's memory.
    pub fn memory(&self) -> &[u8] {
        self.0.memory.data(&self.0.store)
    }

    /// The whole of the guest's memory, for a host that puts something there before it calls.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.0.memory.data_mut(&mut self.0.store)
    }

    /// Calls of the metashrew imports so far.
    pub fn imports(&self) -> metashrew::ImportCounts {
        self.0.store.data().exchange.counts()
    }
}
