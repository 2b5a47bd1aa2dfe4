//! `componentize COMMAND COMPONENT`: makes a component of a command for WASI preview 1 with
//! wasmtime's adapter, as `wasm-tools component new` and `jco new --wasi-command` do.
//!
//! A package of its own: the features that it asks of shared dependencies would have the engine
//! built twice.

use std::{env, fs};

use anyhow::{Context, Result};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as ADAPTER,
};
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let mut path = || {
        arguments
            .next()
            .context("usage: componentize COMMAND COMPONENT")
    };
    let (command, component) = (path()?, path()?);
    let command = fs::read(command).context("the command cannot be read")?;
    let encoded = ComponentEncoder::default()
        .module(&command)?
        .adapter(NAME, ADAPTER)?
        .encode()?;
    fs::write(component, encoded).context("the component cannot be written")
}
