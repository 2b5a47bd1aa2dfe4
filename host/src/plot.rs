//! Figures as pictures: SVG files that the docs show.

use std::fs;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::RGBColor;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("there is nothing to draw")]
    Empty,
    /// A value that a logarithmic axis cannot show.
    #[error("a logarithmic axis takes positive values")]
    NotPositive,
    /// It cannot be drawn.
    #[error("cannot draw: {0}")]
    Draw(String),
    /// The file could not be written.
    #[error("cannot draw {path}: {reason}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

type Result<T> = std::result::Result<T, PlotError>;

const FONT: &str = "sans-serif";
const SIZE: (u32, u32) = (1200, 560);

/// What a picture says beside its data.
pub struct Labels<'a> {
    /// Above the picture.
    pub title: &'a str,
    /// Along the horizontal axis.
    pub x: &'a str,
    /// Along the vertical axis, with the unit.
    pub y: &'a str,
}

/// The values of one subject.
pub struct Series<'a, Point> {
    /// The subject.
    pub subject: &'a str,
    /// Its values.
    pub points: Vec<Point>,
}

/// Draws a group of bars for each row, with a bar for each subject: the value at the row's place in
/// its points, if it has one. Values above `top` are cut there.
///
/// # Errors
/// When the file cannot be written.
pub fn bars(
    path: &Path,
    labels: &Labels<'_>,
    rows: &[&str],
    top: f64,
    series: &[Series<'_, Option<f64>>],
) -> Result<()> {
    let svg = drawn(|canvas| draw_bars(canvas, labels, rows, top, series))?;
    write(path, &svg)
}

/// Values that lie further apart than this, as a ratio, stand on a logarithmic axis.
const FAR: f64 = 20.0;

/// Draws a line for each subject through its (x, y) points, over an x axis that is logarithmic
/// where the values are far apart.
///
/// # Errors
/// When there are no points, one is not positive, or the file cannot be written.
pub fn lines(path: &Path, labels: &Labels<'_>, series: &[Series<'_, (f64, f64)>]) -> Result<()> {
    write(path, &lines_svg(labels, series)?)
}

/// As [`lines`], as text.
///
/// # Errors
/// When there are no points, or one is not positive.
pub(crate) fn lines_svg(labels: &Labels<'_>, series: &[Series<'_, (f64, f64)>]) -> Result<String> {
    let points = || series.iter().flat_map(|series| &series.points);
    if points().next().is_none() {
        return Err(PlotError::Empty);
    }
    if !points().all(|&(x, y)| x > 0.0 && y >= 0.0) {
        return Err(PlotError::NotPositive);
    }
    let x = bounds(points().map(|point| point.0));
    let top = points().map(|point| point.1).fold(0.0, f64::max) * 1.05;
    if x.end > FAR * x.start {
        drawn(|canvas| draw_lines(canvas, labels, x.log_scale(), top, series))
    } else {
        drawn(|canvas| draw_lines(canvas, labels, x, top, series))
    }
}

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawResult<'a> =
    std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn drawn(draw: impl for<'a> FnOnce(&Canvas<'a>) -> DrawResult<'a>) -> Result<String> {
    let mut svg = String::new();
    let canvas = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    let drawn = draw(&canvas).map_err(|error| PlotError::Draw(error.to_string()));
    drop(canvas);
    drawn.map(|()| svg)
}

pub(crate) fn write(path: &Path, svg: &str) -> Result<()> {
    fs::write(path, svg).map_err(|error| PlotError::Write {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn draw_bars<'a>(
    canvas: &Canvas<'a>,
    labels: &Labels<'_>,
    rows: &[&str],
    top: f64,
    series: &[Series<'_, Option<f64>>],
) -> DrawResult<'a> {
    canvas.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(canvas)
        .caption(labels.title, (FONT, 20))
        .margin(12)
        .x_label_area_size(48)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..rows.len() as f64, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc(labels.x)
        .y_desc(labels.y)
        .x_labels(0)
        .draw()?;
    // A gap of one bar's width between groups.
    let width = 1.0 / (series.len() + 1) as f64;
    for (place, series) in series.iter().enumerate() {
        let colour = colour(place);
        let bars = series.points.iter().enumerate().filter_map(|(row, value)| {
            let left = row as f64 + width * (place as f64 + 0.5);
            value.map(|value| {
                Rectangle::new(
                    [(left, 0.0), (left + width, value.min(top))],
                    colour.filled(),
                )
            })
        });
        chart
            .draw_series(bars)?
            .label(series.subject)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    for (row, name) in rows.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(row as f64 + 0.5, 0.0));
        let style = (FONT, 13).into_text_style(canvas);
        let half = canvas.estimate_text_size(name, &style)?.0 as i32 / 2;
        canvas.draw_text(name, &style, (x - half, y + 8))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    canvas.present()
}

fn draw_lines<'a, X>(
    canvas: &Canvas<'a>,
    labels: &Labels<'_>,
    x: X,
    top: f64,
    series: &[Series<'_, (f64, f64)>],
) -> DrawResult<'a>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    canvas.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(canvas)
        .caption(labels.title, (FONT, 20))
        .margin(12)
        .x_label_area_size(48)
        .y_label_area_size(60)
        .build_cartesian_2d(x, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc(labels.x)
        .y_desc(labels.y)
        .draw()?;
    for (place, series) in series.iter().enumerate() {
        let colour = colour(place);
        chart
            .draw_series(LineSeries::new(
                series.points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(series.subject)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    canvas.present()
}

/// The first subject stands out; the others are told apart.
fn colour(place: usize) -> RGBColor {
    const COLOURS: [RGBColor; 10] = [
        RGBColor(0xC4, 0x3C, 0x1E),
        RGBColor(0x1F, 0x5A, 0x99),
        RGBColor(0x5B, 0x8F, 0xC7),
        RGBColor(0x3A, 0x7D, 0x44),
        RGBColor(0x8A, 0xB6, 0x6B),
        RGBColor(0x6B, 0x4E, 0x9B),
        RGBColor(0xA8, 0x8F, 0xC9),
        RGBColor(0x8C, 0x6D, 0x2F),
        RGBColor(0xC9, 0xA9, 0x5C),
        RGBColor(0x77, 0x77, 0x77),
    ];
    COLOURS[place % COLOURS.len()]
}

fn bounds(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    // A range of no width cannot be drawn.
    low..if high > low { high } else { low * 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: Labels<'_> = Labels {
        title: "title",
        x: "across",
        y: "up",
    };

    fn svg(draw: impl FnOnce(&Path) -> Result<()>) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("plot.svg");
        draw(&path).expect("drawn");
        std::fs::read_to_string(&path).expect("written")
    }

    #[test]
    fn every_row_and_subject_is_named_and_absent_values_have_no_bar() {
        let series = |subject, points| Series { subject, points };
        let draw = |second| {
            svg(|path| {
                bars(
                    path,
                    &LABELS,
                    &["first", "second"],
                    2.0,
                    &[
                        series("ours", vec![Some(1.0), Some(9.0)]),
                        series("theirs", vec![Some(0.5), second]),
                    ],
                )
            })
        };
        let (whole, holed) = (draw(Some(1.0)), draw(None));
        for word in ["title", "across", "up", "first", "second", "ours", "theirs"] {
            assert!(whole.contains(word), "{word}");
        }
        let rectangles = |svg: &str| svg.matches("<rect").count();
        assert_eq!(rectangles(&whole), rectangles(&holed) + 1);
    }

    #[test]
    fn a_line_needs_positive_values() {
        let series = |points| {
            [Series {
                subject: "ours",
                points,
            }]
        };
        let path = Path::new("unwritten.svg");
        assert!(lines(path, &LABELS, &series(vec![])).is_err());
        assert!(lines(path, &LABELS, &series(vec![(0.0, 1.0)])).is_err());
        let drawn = svg(|path| lines(path, &LABELS, &series(vec![(1.0, 2.0), (64.0, 3.0)])));
        assert!(drawn.contains("<polyline"));
        let one = svg(|path| lines(path, &LABELS, &series(vec![(8.0, 2.0)])));
        assert!(one.contains("ours"));
    }
}
