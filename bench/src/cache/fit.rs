//! How large a cache may be told to be, so that all it takes stays below a ceiling.

use anyhow::{Context as _, Result};

/// The largest multiple of `step` up to `most` with which the work can be done; out of memory, a guest stops.
///
/// # Errors
/// When it cannot be done at all: the smallest one's error.
pub fn largest(most: u64, step: u64, mut work: impl FnMut(u64) -> Result<()>) -> Result<u64> {
    // `fits` are done, `fails` are not.
    let (mut fits, mut fails) = (0, most / step + 1);
    while fails - fits > 1 {
        let middle = fits.midpoint(fails);
        match work(middle * step) {
            Ok(()) => fits = middle,
            Err(error) if middle == 1 => {
                return Err(error).context("too little memory for any size");
            }
            Err(_) => fails = middle,
        }
    }
    Ok(fits * step)
}

#[cfg(test)]
mod tests {
    use super::largest;
    use anyhow::ensure;

    #[test]
    fn the_largest_is_found() {
        for limit in [10, 15, 100, 1000] {
            let found = largest(1000, 10, |size| Ok(ensure!(size <= limit)));
            assert_eq!(found.unwrap(), limit / 10 * 10);
        }
        assert!(largest(1000, 10, |_| Ok(ensure!(false))).is_err());
    }
}
