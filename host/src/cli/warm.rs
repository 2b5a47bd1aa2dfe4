//! The cache between the blocks of `steadfast run`, between runs, and for `steadfast view`.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{anyhow, bail};
use steadfast::region::Start;
use steadfast_host::{
    AsOf, BlockReport, Carried, Chain, Compression, Finished, Guest, ImageError, Input, Position,
    RegionImage, RunError, Runner, SharedCache, State, StateError, state_digest,
};

use super::cache_file::CacheFile;

/// The cache between blocks, and its file where it has one.
pub struct Warm {
    /// What the last block left, unless it is shared.
    left: Option<Carried>,
    shared: Option<SharedCache>,
    /// The blocks that were indexed. What has other hashes is of another chain.
    chain: Chain,
    file: Option<CacheFile>,
    way: Way,
    /// Whether the block at hand began with a cache.
    began_warm: bool,
}

/// How the cache gets from one block to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its pages move: least work for blocks, and nobody else can have it.
    Move,
    /// It is mapped: a file is written of it while blocks go on.
    Share,
    /// It is copied, where the system does neither.
    Copy,
    /// It does not.
    None,
}

impl Warm {
    /// The cache of one run, which begins cold.
    pub fn between_blocks() -> Warm {
        Warm {
            left: None,
            shared: None,
            chain: Chain::new([0; 4]),
            file: None,
            way: Way::Move,
            began_warm: false,
        }
    }

    /// Reads the file, if there is one that belongs to this module and state. Says why it is not
    /// used otherwise: the first block then begins cold. Without a database the file stays as it
    /// is then, since what this run leaves belongs to a state that is forgotten. Fails where the
    /// file is no image: it would be replaced.
    pub fn open(
        path: &Path,
        compress: bool,
        every: Option<NonZeroU32>,
        runner: &Runner,
        state: &dyn State,
        has_db: bool,
    ) -> Result<Warm, ImageError> {
        // An image behind a link is replaced where it stands.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        RegionImage::check_replaceable(&path)?;
        if runner.config().cache == Some(0) {
            super::warn(&format!(
                "{} is neither read nor written: --cache off leaves the module no cache",
                path.display()
            ));
            return Ok(Warm::between_blocks());
        }
        let was_there = path.exists();
        let fate = match has_db {
            true => "a cache that this run leaves replaces it",
            false => "it stays as it is, since this run has no database: give --db PATH",
        };
        let image = match was_there {
            true => or_cold(
                read_image(&path, runner.guest(), state)
                    .map_err(|reason| anyhow!("{reason:#}; {fate}")),
            ),
            false => None,
        };
        if image.is_none() && was_there && !has_db {
            return Ok(Warm::between_blocks());
        }
        let compression = match compress {
            true => Compression::Lz4,
            false => Compression::None,
        };
        let mut file = CacheFile::new(path, compression, every);
        if image.is_some() {
            file.note_read();
        }
        Ok(Warm {
            left: image.map(Carried::Image),
            file: Some(file),
            way: Way::Share,
            ..Warm::between_blocks()
        })
    }

    /// Whether it has a file.
    pub fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Runs a block with what the one before it left. Where the block does not follow that one, the
    /// cache is first brought to the block that this one builds on, or dropped.
    pub fn start(
        &mut self,
        runner: &Runner,
        input: &Input,
        position: Position,
        state: &dyn State,
    ) -> Result<Finished, RunError> {
        if let Some(file) = &mut self.file {
            file.note_block();
        }
        let left = self.left.take();
        let left = left.and_then(|left| self.brought(left, input, position));
        let shared = self.shared.take();
        self.shared = shared.and_then(|shared| self.brought(shared, input, position));
        self.began_warm = left.is_some() || self.shared.is_some();
        let finished = match (left, self.way) {
            (Some(Carried::Image(image)), _) => runner.start_warm(input, state, Some(&image)),
            (Some(Carried::Region(held)), _) => runner.start_held(input, state, Some(held)),
            (None, Way::Share) => runner.start_shared(input, state, self.shared.as_ref()),
            (None, Way::Copy) => runner.start_warm(input, state, None),
            (None, Way::None) => runner.start(input, state),
            (None, Way::Move) => runner.start_held(input, state, None),
        }?;
        if let Some(reason) = finished.refused_image() {
            self.say_cold(input, reason);
        }
        Ok(finished)
    }

    /// A cache as of the block that this one builds on, if it can be brought there.
    fn brought<C: AsOf>(&self, mut cache: C, input: &Input, position: Position) -> Option<C> {
        if position != Position::Next
            && let Err(reason) = self.chain.bring(&mut cache, input)
        {
            self.say_cold(input, &reason);
            return None;
        }
        Some(cache)
    }

    /// Writes what the block flushed, and goes over to the cache that it left. One that left none
    /// is followed by a cold one.
    pub fn commit(
        &mut self,
        finished: Finished,
        input: &Input,
        state: &mut dyn State,
    ) -> Result<BlockReport, RunError> {
        if finished.outcome().is_err() {
            // It failed perhaps because of the cache.
            self.shared = None;
            if self.began_warm && self.file.is_some() {
                super::warn(
                    "the cache that the block began with is dropped: the next run begins cold",
                );
            }
        }
        let report = match self.way {
            Way::None => return finished.commit(state),
            Way::Share => {
                let (report, shared) = finished.commit_and_share(state, &mut self.shared)?;
                if let Err(ImageError::Share(reason)) = &shared {
                    super::warn(&format!(
                        "the file of the cache is written between two blocks, since the system does not share pages: {reason}"
                    ));
                    self.way = Way::Move;
                }
                self.chain.append(input, self.shared.as_mut());
                self.see_start(input, &report);
                return Ok(report);
            }
            Way::Move => {
                let (report, held) = finished.commit_and_hold(state)?;
                if let Err(ImageError::Move(reason)) = &held {
                    super::warn(&format!(
                        "the cache is copied from block to block, since the system does not move its pages: {reason}"
                    ));
                    self.way = Way::Copy;
                }
                self.left = held.ok().map(Carried::Region);
                report
            }
            Way::Copy => {
                let image = finished.image();
                let report = finished.commit(state)?;
                self.left = image.ok().map(Carried::Image);
                report
            }
        };
        self.chain.append(input, self.left.as_mut());
        self.see_start(input, &report);
        Ok(report)
    }

    /// Says why a block did not begin with the cache that it was given. Gives no more where that
    /// itself is in the way.
    fn see_start(&mut self, input: &Input, report: &BlockReport) {
        let Some(Start::Cold(reason)) = report.cache_start().filter(|_| self.began_warm) else {
            return;
        };
        if !report.region_is_taken() {
            return self.say_cold(input, &ImageError::Refused(reason));
        }
        super::warn(
            "every block begins with an empty cache from now on: the module keeps another allocator than steadfast's, which finds its region's place taken by the cache of the block before",
        );
        (self.left, self.shared, self.way) = (None, None, Way::None);
    }

    /// Begins to write the file if it is time.
    pub fn keep_when_due(&mut self, state: &dyn State) -> Result<(), StateError> {
        match self.file.as_ref().is_some_and(CacheFile::is_due) {
            true => self.begin_keeping(state),
            false => Ok(()),
        }
    }

    /// Writes the file, where there is to be one, for the state as it is now, unless it stands
    /// there already; drops it where there is no cache as of that. What is in the way of that
    /// costs the next run its warm cache, and this one nothing.
    pub fn keep(&mut self, state: &dyn State) -> Result<(), StateError> {
        if self.file.as_ref().is_some_and(CacheFile::is_behind) {
            self.begin_keeping(state)?;
        }
        if let Some(file) = &mut self.file {
            file.finish();
        }
        Ok(())
    }

    fn begin_keeping(&mut self, state: &dyn State) -> Result<(), StateError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let digest = state_digest(state)?;
        match (&self.shared, &self.left) {
            (Some(shared), _) => {
                let snapshot = shared.snapshot();
                file.begin(digest, move || snapshot?.image());
            }
            (None, Some(Carried::Image(image))) => {
                let image = image.clone();
                file.begin(digest, move || Ok(image));
            }
            (None, Some(Carried::Region(held))) => {
                let image = held.image();
                file.begin(digest, move || image);
            }
            (None, None) => file.drop_cache(),
        }
        Ok(())
    }

    /// Without a file, nobody has asked for more than blocks that follow each other.
    fn say_cold(&self, input: &Input, reason: &ImageError) {
        if self.file.is_some() || !matches!(reason, ImageError::NoParent | ImageError::NoTag) {
            super::warn(&format!(
                "block {}: the cache begins cold: {reason}",
                input.height()
            ));
        }
    }
}

/// What begins with a cache, or nothing: without one the results are the same, so why is told, and
/// no more.
pub fn or_cold<T>(begun: anyhow::Result<T>) -> Option<T> {
    begun
        .inspect_err(|reason| super::warn(&format!("the cache begins cold: {reason:#}")))
        .ok()
}

/// Reads an image that belongs to this module, at this state. It is unpacked only then.
pub fn read_image(path: &Path, guest: &Guest, state: &dyn State) -> anyhow::Result<RegionImage> {
    let at_hand = state_digest(state)?;
    let (image, _) = RegionImage::read_if(path, |claim| {
        guest.check_image(claim.base, claim.module)?;
        if claim.state != at_hand {
            return Err(ImageError::State {
                expected: at_hand,
                found: claim.state,
            });
        }
        Ok(guest.most_image_bytes())
    })?;
    let tip = state.snapshot()?.tip()?;
    let tagged = image.tag().zip(tip.and_then(|tip| tip.hash));
    if let Some((tag, hash)) = tagged
        && tag.hash != hash
    {
        bail!("the image is as of {tag}, and the state is as of another block");
    }
    Ok(image)
}
