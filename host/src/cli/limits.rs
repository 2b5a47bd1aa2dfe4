//! The options that limit what a module may take of the host.

use std::num::NonZeroU32;
use std::time::Duration;

use steadfast_host::config::TIMEOUT;
use steadfast_host::{Bound, Bounds, RunConfig};

/// What a module may take of the host, beside its memory.
#[derive(clap::Args)]
pub struct Limits {
    /// The most time that a block or a view may take; 600 seconds by default
    #[arg(long, value_parser = parse_seconds, value_name = "SECONDS|off")]
    timeout: Option<Time>,
    /// The most instructions that a block or a view may run, as wasmtime counts fuel; no limit by
    /// default
    #[arg(long, value_name = "NUMBER")]
    fuel_limit: Option<u64>,
    /// Raises or lowers one of the other bounds, such as `module-bytes=100000000`;
    /// docs/security.md has them all
    #[arg(long, value_parser = parse_bound, value_name = "NAME=NUMBER")]
    bound: Vec<(Bound, u64)>,
}

/// A time, or none.
#[derive(Clone, Copy)]
pub struct Time(pub Option<Duration>);

impl Limits {
    /// The bounds that they set.
    pub fn bounds(&self) -> Bounds {
        let set = |bounds: Bounds, &(bound, most): &(Bound, u64)| bounds.with(bound, most);
        self.bound.iter().fold(Bounds::default(), set)
    }

    /// The time that there is for a block.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.map_or(Some(TIMEOUT), |Time(limit)| limit)
    }

    /// A configuration with these limits.
    pub fn apply(&self, config: RunConfig) -> RunConfig {
        RunConfig {
            timeout: self.timeout(),
            fuel_limit: self.fuel_limit,
            bounds: self.bounds(),
            ..config
        }
    }
}

/// Reads what says which entries a cache is to lose.
pub fn parse_seed(text: &str) -> Result<NonZeroU32, String> {
    let seed = text.parse();
    seed.map_err(|_| format!("`{text}` is no number from 1 to {}", u32::MAX))
}

/// Reads a number of seconds; `off` is no limit.
pub fn parse_seconds(text: &str) -> Result<Time, String> {
    if text == "off" {
        return Ok(Time(None));
    }
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(Ok(limit)) if !limit.is_zero() => Ok(Time(Some(limit))),
        _ => Err(format!(
            "`{text}` is no number of seconds above 0, and not `off`"
        )),
    }
}

fn parse_bound(text: &str) -> Result<(Bound, u64), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(name, number)| Some((Bound::named(name)?, number.parse().ok()?)));
    let Some(parsed) = parsed else {
        let names = Bound::ALL.map(Bound::name).join(", ");
        return Err(format!(
            "`{text}` is not NAME=NUMBER with one of the names {names}"
        ));
    };
    Ok(parsed)
}
