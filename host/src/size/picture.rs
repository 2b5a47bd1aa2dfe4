//! The curve as a picture.

use std::path::Path;

use super::curve::Point;
use super::prediction::Prediction;
use crate::plot::{self, PlotError};

/// Points of the drawn curve.
const DRAWN: usize = 60;

/// Draws the hit ratio by the region's size, and what runs have shown beside it, into a file.
///
/// # Errors
///
/// When it cannot be drawn, or the file cannot be written.
pub fn draw(path: &Path, prediction: &Prediction<'_>, measured: &[Point]) -> Result<(), PlotError> {
    plot::write(path, &curve_svg(prediction, measured)?)
}

/// As [`draw`], as text.
///
/// # Errors
///
/// When it cannot be drawn.
pub fn curve_svg(prediction: &Prediction<'_>, measured: &[Point]) -> Result<String, PlotError> {
    let drawn = |points: &[Point]| {
        let point = |point: &Point| (point.capacity as f64 / 1024.0, 100.0 * point.hit_ratio);
        points.iter().map(point).collect()
    };
    let mut series = vec![plot::Series {
        subject: "predicted",
        points: drawn(&prediction.points(DRAWN)),
    }];
    if !measured.is_empty() {
        series.push(plot::Series {
            subject: "measured",
            points: drawn(measured),
        });
    }
    let labels = plot::Labels {
        title: "Hit ratio of the cache by the region's size",
        x: "region in KiB",
        y: "hits of lookups in %",
    };
    plot::lines_svg(&labels, &series)
}
