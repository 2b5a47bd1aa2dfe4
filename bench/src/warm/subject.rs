//! The ways in which a block gets the cache that the one before it left.

use std::time::Instant;

use anyhow::Result;
use steadfast_host::{Finished, HeldRegion, Input, RegionImage, Runner, SharedCache};

use super::shared::Shared;
use crate::process;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One instance lives on: nothing is handed over.
    Kept,
    /// The region's pages move.
    Moved,
    /// The region is mapped, and what a block wrote is taken up.
    Shared,
    /// The region is copied out, verified, and copied in.
    Copied,
    /// Each block begins with an empty cache.
    Cold,
}

impl Way {
    pub const ALL: [Way; 5] = [Way::Kept, Way::Moved, Way::Shared, Way::Copied, Way::Cold];

    pub fn name(self) -> &'static str {
        match self {
            Way::Kept => "kept",
            Way::Moved => "moved",
            Way::Shared => "shared",
            Way::Copied => "copied",
            Way::Cold => "cold",
        }
    }
}

/// What the block before left.
enum Left {
    Nothing,
    Instance(Box<Finished>),
    Region(HeldRegion),
    Shared(Box<SharedCache>),
    Image(RegionImage),
}

/// A chain of blocks, indexed in one way.
pub struct Subject {
    pub way: Way,
    state: Shared,
    left: Left,
    pub blocks: Vec<Block>,
}

/// What one block took.
#[derive(Clone, Debug)]
pub struct Block {
    /// All but writing the state.
    pub index_ns: f64,
    pub cpu_ns: f64,
    pub guest_ns: f64,
    /// All but the guest and writing the state: making the instance, its end, and the hand-over.
    pub hand_over_ns: f64,
    pub faults: f64,
    pub reads: f64,
}

impl Subject {
    pub fn new(way: Way, state: Shared, image: &RegionImage) -> Subject {
        Subject {
            way,
            state,
            left: match way {
                Way::Cold => Left::Nothing,
                _ => Left::Image(image.clone()),
            },
            blocks: Vec::new(),
        }
    }

    /// Indexes a block. All of it is timed, from making the instance to keeping its cache.
    pub fn index(&mut self, runner: &Runner, input: &Input) -> Result<()> {
        let faults = process::minor_faults()?;
        let cpu = process::cpu_ns();
        let began = Instant::now();
        let state = &mut self.state;
        let mut cache = None;
        let finished = match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Shared(shared) => {
                let shared = cache.insert(*shared);
                runner.start_shared(input, state, Some(shared))?
            }
            Left::Nothing => runner.start(input, state)?,
            Left::Instance(last) => last.next(input, state)?,
            Left::Region(held) => runner.start_held(input, state, Some(held))?,
            Left::Image(image) => runner.start_warm(input, state, Some(&image))?,
        };
        let finished = finished.succeeded()?;
        let report = finished.report();
        let (guest_ns, reads) = (report.guest_ns, report.imports.get_lens);
        match self.way {
            Way::Kept => self.left = Left::Instance(Box::new(finished)),
            Way::Moved => self.left = Left::Region(finished.commit_and_hold(state)?.1?),
            Way::Shared => {
                finished.commit_and_share(state, &mut cache)?.1?;
                self.left = cache.map_or(Left::Nothing, |cache| Left::Shared(Box::new(cache)));
            }
            Way::Copied => {
                self.left = Left::Image(finished.image()?);
                finished.commit(state)?;
            }
            Way::Cold => drop(finished.commit(state)?),
        }
        let noting = self.state.take_noting();
        let index_ns = began.elapsed().as_nanos() as f64 - noting.ns;
        let guest_ns = guest_ns as f64;
        self.blocks.push(Block {
            index_ns,
            cpu_ns: process::cpu_ns() - cpu - noting.cpu_ns,
            guest_ns,
            hand_over_ns: index_ns - guest_ns,
            faults: process::minor_faults()? - faults,
            reads: reads as f64,
        });
        Ok(())
    }

    /// Writes what a kept instance has not written yet, and gives the region that was moved last.
    pub fn end(&mut self) -> Result<Option<HeldRegion>> {
        match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Instance(last) => drop(last.commit(&mut self.state)?),
            Left::Region(region) => return Ok(Some(region)),
            Left::Nothing | Left::Image(_) | Left::Shared(_) => {}
        }
        Ok(None)
    }
}
