//! The options that say which blocks `steadfast run` indexes.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use steadfast_host::{Inputs, Mark, Position, State, Tip, display_hash, parse_height};

/// Which blocks are indexed.
#[derive(clap::Args)]
pub struct Blocks {
    /// Where blocks come from, in the order given: a file with one serialised block, with its
    /// height in front as a little-endian u32 or without; a file with blocks in hexadecimal,
    /// one a line, as `bitcoin-cli getblock HASH 0` prints them; a folder of such files;
    /// Bitcoin Core's folder `blocks`; or `-` for standard input
    #[arg(long, required = true, num_args = 1.., value_name = "FILE|FOLDER|-")]
    pub input: Vec<PathBuf>,
    /// Begins with this block
    #[arg(long, value_name = "HEIGHT|HASH")]
    from: Option<Mark>,
    /// Ends with this block
    #[arg(long, value_name = "HEIGHT|HASH")]
    to: Option<Mark>,
    /// Hands each file over as it is, for other chains than Bitcoin: the first one at the height
    /// behind the state's tip, or as `--height` says
    #[arg(long)]
    raw: bool,
    /// The height of the first `--raw` file; each of the others is one higher
    #[arg(long, value_name = "HEIGHT", requires = "raw", value_parser = parse_height)]
    height: Option<u32>,
    /// Lets a block be any number of heights above the one before
    #[arg(long)]
    allow_gap: bool,
    /// Lets a block stand at or below the state's tip, or on another block than that. It is
    /// indexed onto the state as that is: what later blocks wrote is not undone
    #[arg(long)]
    reindex: bool,
}

/// What to do with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is indexed.
    Index,
    /// It is in the state already.
    Skip,
}

impl Blocks {
    /// The options that name one of these blocks for a command that takes single blocks.
    pub fn one(&self) -> String {
        let input = match self.input.as_slice() {
            [one] if one.is_file() => one.display().to_string(),
            _ => String::from("BLOCK"),
        };
        match (self.raw, self.height) {
            (false, _) => format!("--input {input}"),
            (true, Some(height)) => format!("--input {input} --raw --height {height}"),
            (true, None) => format!("--input {input} --raw --height HEIGHT"),
        }
    }

    /// The blocks, for a state with this tip.
    pub fn open(&self, tip: Option<Tip>) -> anyhow::Result<Inputs> {
        if let (Some(Mark::Height(from)), Some(Mark::Height(to))) = (self.from, self.to) {
            ensure!(
                from <= to,
                "--from {from} is above --to {to}, so there is no block to index"
            );
        }
        let mut inputs = Inputs::new(self.input.clone())?;
        if let Some(mark) = self.from {
            inputs = inputs.from(mark);
        }
        if let Some(mark) = self.to {
            inputs = inputs.to(mark);
        }
        if self.raw {
            let next = tip.and_then(|tip| tip.height.checked_add(1));
            let height = self.height.or(next);
            let height = height.context("--raw needs --height N for the first block of a state")?;
            inputs = inputs.raw(height);
        }
        Ok(match tip {
            Some(tip) if !self.reindex => inputs.at_least(tip.height),
            _ => inputs,
        })
    }

    /// Whether a block follows what the state is as of, or the options allow it otherwise.
    pub fn check(
        &self,
        block: &steadfast_host::Input,
        state: &dyn State,
    ) -> anyhow::Result<(Step, Position)> {
        let snapshot = state.snapshot()?;
        let position = Position::of(block, &*snapshot)?;
        let is_allowed = match position {
            Position::Next => true,
            Position::Written if !self.reindex => return Ok((Step::Skip, position)),
            Position::Gap => self.allow_gap,
            Position::Written | Position::Other | Position::OtherParent => self.reindex,
        };
        if is_allowed {
            return Ok((Step::Index, position));
        }
        let tip = snapshot
            .tip()?
            .context("a state without a tip takes any block")?;
        let next = u64::from(tip.height) + 1;
        let name = block.name();
        let this = Tip::of(block);
        match position {
            Position::Gap => bail!(
                "{name}: {this} does not follow the state, which is as of {tip}: block {next} is expected; give the blocks between, or say --allow-gap"
            ),
            Position::OtherParent => {
                let parent = block
                    .parent_hash()
                    .map_or_else(String::new, |hash| display_hash(&hash));
                bail!(
                    "{name}: {this} builds on {parent}, and the state is as of {tip}: block {next} of that chain is expected; say --reindex to index this one onto the state as it is"
                )
            }
            _ => bail!(
                "{name}: {this} is not a block that the state has, and the state is as of {tip}: block {next} is expected; put the blocks in the order of their heights, or say --reindex to index this one onto the state as it is"
            ),
        }
    }
}
