//! Bytes of code that an allocator adds to a module with four exports.

use anyhow::Result;

use super::BENCH;
use crate::figures::{Figure, Figures, Value};
use crate::size;

/// The row's name.
pub const ROW: &str = "code-size";

/// Measures every subject but the floor, which is what the others are measured over.
///
/// # Errors
/// When a guest is missing.
pub fn measure(subjects: &[&str], figures: &mut Figures) -> Result<()> {
    for &subject in subjects.iter().filter(|&&subject| subject != "floor") {
        for (metric, bytes) in size::over_bump(subject)? {
            figures.push(Figure {
                bench: BENCH,
                row: ROW.to_owned(),
                subject: subject.to_owned(),
                metric,
                value: Value::Number(bytes),
                unit: "B",
            });
        }
    }
    Ok(())
}
