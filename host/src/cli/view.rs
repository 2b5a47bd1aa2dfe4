//! `steadfast view`: asks a module about the state.

use std::path::PathBuf;

use anyhow::{Context, bail};
use steadfast_host::{Input, Runner, SharedImage};

/// Calls a view of the module and prints the bytes that it returns, in hexadecimal
#[derive(clap::Args)]
pub struct Arguments {
    /// The indexer
    module: PathBuf,
    /// The view's name: an export without parameters that returns a pointer
    #[arg(long, value_name = "NAME")]
    view: String,
    /// The view's arguments, in hexadecimal
    #[arg(long, value_name = "HEX", default_value = "")]
    input_hex: String,
    /// The height that stands in front of the arguments: the image's by default, or 0 without one.
    /// The database has the newest state alone: a view of an earlier height reads that too
    #[arg(long)]
    height: Option<u32>,
    /// The database with the state
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// An image of the module's cache that `run --warm` has left with the same database: the view begins warm
    #[arg(long, value_name = "FILE", requires = "db")]
    warm: Option<PathBuf>,
    #[command(flatten)]
    memory: super::run::Memory,
}

/// Calls the view and prints what it returns.
pub fn view(arguments: &Arguments) -> anyhow::Result<()> {
    let argument = parse_hex(&arguments.input_hex)?;
    let module = super::read_module(&arguments.module)?;
    let runner = Runner::new(&module, arguments.memory.config(false))
        .with_context(|| arguments.module.display().to_string())?;
    if let Some(path) = arguments.db.as_deref().filter(|path| !path.exists()) {
        bail!("{}: there is no such database", path.display());
    }
    let state = super::open_state(arguments.db.as_deref())?;
    let read = |path: &PathBuf| super::warm::read_image(path, runner.guest(), &*state);
    let image = arguments.warm.as_ref().map(read).transpose()?;
    let image_height = image.as_ref().map(|image| image.info().height);
    let height = arguments.height.or(image_height);
    let input = Input::new(height.unwrap_or(0), &argument);
    let shared = image.map(|image| SharedImage::new(&image)).transpose()?;
    let mut view = runner.open_view(&input, &*state, shared.as_ref())?;
    let bytes = view.call(&arguments.view)?;
    if height.is_none() {
        eprintln!("no height is known: the view was asked at height 0; give --height");
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{hex}");
    Ok(())
}

fn parse_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => Ok(digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()),
        _ => bail!("`{text}` is not a whole number of bytes in hexadecimal"),
    }
}
