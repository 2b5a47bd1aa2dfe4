//! `steadfast view`: asks a module about the state.

use std::path::PathBuf;

use anyhow::{Context, bail};
use steadfast_host::{Input, Runner, SharedImage, parse_height};

use super::warm::{or_cold, read_image};

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
    /// The height that stands in front of the arguments: the database's tip by default, or 0
    /// without one. The database has the newest state alone: a view of an earlier height reads
    /// that too
    #[arg(long, value_parser = parse_height)]
    height: Option<u32>,
    /// The database with the state
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// An image of the module's cache that `run --warm` has left with the same database: the view
    /// begins warm
    #[arg(long, value_name = "FILE", requires = "db")]
    warm: Option<PathBuf>,
    #[command(flatten)]
    memory: super::run::Memory,
}

/// Calls the view and prints what it returns.
pub fn view(arguments: &Arguments) -> anyhow::Result<()> {
    let argument = parse_hex(&arguments.input_hex)?;
    let module = super::read_module(&arguments.module, &arguments.memory.limits)?;
    let runner = Runner::new(&module, arguments.memory.config(false))
        .with_context(|| arguments.module.display().to_string())?;
    let state = super::open_to_read(arguments.db.as_deref())?;
    let read = |path: &PathBuf| -> anyhow::Result<SharedImage> {
        let image = read_image(path, runner.guest(), &*state)?;
        Ok(SharedImage::new(&image)?)
    };
    let shared = arguments.warm.as_ref().and_then(|path| or_cold(read(path)));
    let tip = state.snapshot()?.tip()?.map(|tip| tip.height);
    let height = arguments.height.or(tip);
    let input = Input::new(height.unwrap_or(0), &argument);
    let opened = shared.and_then(|image| {
        let opened = runner.open_view(&input, &*state, Some(&image));
        or_cold(opened.map_err(anyhow::Error::from))
    });
    let mut view = match opened {
        Some(view) => view,
        None => runner.open_view(&input, &*state, None)?,
    };
    let bytes = view.call(&arguments.view).with_context(|| {
        format!(
            "the view `{}` failed{}",
            arguments.view,
            super::stripped(runner.guest())
        )
    })?;
    if height.is_none() {
        super::warn("no height is known: the view was asked at height 0; give --height");
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(super::print(&format!("{hex}\n"))?)
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
