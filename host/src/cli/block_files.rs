//! The blocks of commands that need them all at once.

use std::path::PathBuf;

use steadfast_host::{Bounds, Input, InputError, Inputs, parse_height};

/// The options that say which blocks these are.
#[derive(clap::Args)]
pub struct BlockFiles {
    /// A file with a serialised Bitcoin block, or with one that has its height in front as a
    /// little-endian u32, or a folder of such files; any number of them, indexed in the order given
    #[arg(long, num_args = 1.., value_name = "FILE|FOLDER")]
    pub input: Vec<PathBuf>,
    /// Hands each file over as it is, for other chains than Bitcoin
    #[arg(long, requires_all = ["height", "input"])]
    raw: bool,
    /// The height of the first `--raw` file; each of the others is one higher
    #[arg(long, value_name = "HEIGHT", requires = "raw", value_parser = parse_height)]
    height: Option<u32>,
}

impl BlockFiles {
    /// Reads all of them.
    pub fn read(&self, bounds: Bounds) -> Result<Vec<Input>, InputError> {
        let inputs = Inputs::new(self.input.clone())?.within(bounds);
        match self.height {
            Some(first) => inputs.raw(first).collect(),
            None => inputs.collect(),
        }
    }
}
