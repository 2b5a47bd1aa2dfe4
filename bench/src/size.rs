//! Bytes that the crate adds to a module with four exports.

use anyhow::Result;

use crate::figures::{Figure, Figures, Value};
use crate::guests;

/// What the four exports take over an allocator that does nothing.
const BASELINE: &str = "bump";

const SUBJECTS: [&str; 3] = ["steadfast", "steadfast-cache", "std"];

/// The metric, and the folder with the modules built for it.
const LEVELS: [(&str, &str); 2] = [("bytes_o3", "bench"), ("bytes_oz", "bench-small")];

/// Measures each subject's code, at both levels.
///
/// # Errors
/// When a guest is missing.
pub fn measure(figures: &mut Figures) -> Result<()> {
    for subject in SUBJECTS {
        for (metric, bytes) in over_bump(subject)? {
            figures.push(Figure {
                bench: "size",
                row: String::from("four-exports"),
                subject: subject.to_owned(),
                metric,
                value: Value::Number(bytes),
                unit: "B",
            });
        }
    }
    Ok(())
}

/// For each level its metric, and the bytes that the subject's module has over the baseline's.
///
/// # Errors
/// When a guest is missing.
pub fn over_bump(subject: &str) -> Result<Vec<(&'static str, f64)>> {
    LEVELS
        .into_iter()
        .map(|(metric, folder)| {
            let size = |subject: &str| -> Result<f64> {
                let module = guests::read(&format!("{folder}/size-{subject}.wasm"))?;
                Ok(guests::code_and_data(&module)? as f64)
            };
            Ok((metric, size(subject)? - size(BASELINE)?))
        })
        .collect()
}
