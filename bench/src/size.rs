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
    for (metric, folder) in LEVELS {
        let size = |subject: &str| -> Result<f64> {
            let module = guests::read(&format!("{folder}/size-{subject}.wasm"))?;
            Ok(guests::code_and_data(&module)? as f64)
        };
        let baseline = size(BASELINE)?;
        for subject in SUBJECTS {
            figures.push(Figure {
                bench: "size",
                row: String::from("four-exports"),
                subject: subject.to_owned(),
                metric,
                value: Value::Number(size(subject)? - baseline),
                unit: "B",
            });
        }
    }
    Ok(())
}
