//! The format of pprof: a protocol buffer, compressed with gzip.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::profile::stacks::{Numbered, Stacks};
use crate::profile::symbols::Frame;

/// As `profile.proto` has it, the parts that are used.
#[derive(Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

/// Names are numbers in the table of strings.
#[derive(Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    name: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// Locations are innermost first.
#[derive(Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// All columns as pprof reads them; `column` is the one that it shows first.
#[must_use]
pub fn pprof(stacks: &Stacks, column: usize) -> Vec<u8> {
    let mut strings = Strings::new();
    let sample_type = stacks.columns.iter().map(|column| ValueType {
        name: strings.number(column.name),
        unit: strings.number(column.unit),
    });
    let sample_type: Vec<ValueType> = sample_type.collect();
    let default_sample_type = sample_type.get(column).map_or(0, |it| it.name);
    let (location, function) = locations(&stacks.frames, &mut strings);
    let sample = stacks.rows.iter().map(|row| Sample {
        location_id: row.frames.iter().rev().map(|it| id(*it)).collect(),
        value: row.values.iter().map(|it| signed(*it)).collect(),
    });
    let profile = Profile {
        sample: sample.collect(),
        sample_type,
        location,
        function,
        string_table: strings.0.all,
        default_sample_type,
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let written = gzip.write_all(&profile.encode_to_vec());
    let written = written.and_then(|()| gzip.finish());
    written.expect("a vector takes all that is written")
}

/// A location for each frame, and a function for each name in a file.
fn locations(frames: &[Frame], strings: &mut Strings) -> (Vec<Location>, Vec<Function>) {
    let mut functions = Numbered::new();
    let location = |(place, frame): (usize, &Frame)| {
        let name = strings.number(&frame.function);
        let filename = strings.number(frame.file.as_deref().unwrap_or_default());
        Location {
            id: id(place),
            line: vec![Line {
                function_id: id(functions.number((name, filename))),
                line: frame.line.unwrap_or(0).into(),
            }],
        }
    };
    let locations = frames.iter().enumerate().map(location).collect();
    let function = |(place, (name, filename))| Function {
        id: id(place),
        name,
        filename,
    };
    let functions = functions.all.into_iter().enumerate();
    (locations, functions.map(function).collect())
}

/// Numbers begin with 1: 0 is none.
fn id(place: usize) -> u64 {
    place as u64 + 1
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The table of strings. The first one is empty.
struct Strings(Numbered<String>);

impl Strings {
    fn new() -> Self {
        let mut strings = Numbered::new();
        strings.number(String::new());
        Strings(strings)
    }

    fn number(&mut self, text: &str) -> i64 {
        self.0.number(text.to_string()) as i64
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::profile::formats::tests::two_stacks;

    #[test]
    fn pprof_reads_what_was_written() {
        let stacks = two_stacks();
        let mut bytes = Vec::new();
        let file = pprof(&stacks, 1);
        GzDecoder::new(&file[..]).read_to_end(&mut bytes).unwrap();
        let profile = Profile::decode(&bytes[..]).unwrap();
        let text = |number: i64| profile.string_table[number as usize].as_str();
        assert_eq!(profile.string_table[0], "");
        assert_eq!(text(profile.default_sample_type), "blocks");
        let units = profile.sample_type.iter().map(|it| text(it.unit));
        assert_eq!(units.collect::<Vec<_>>(), ["bytes", "count"]);
        let named = |id: &u64| {
            let location = profile.location.iter().find(|it| it.id == *id).unwrap();
            let line = &location.line[0];
            let function = profile.function.iter();
            let function = function.clone().find(|it| it.id == line.function_id);
            let function = function.unwrap();
            (text(function.name), text(function.filename), line.line)
        };
        let first = &profile.sample[0];
        let frames: Vec<_> = first.location_id.iter().map(named).collect();
        assert_eq!(frames, [("leaf;<b>", "leaf.rs", 7), ("start", "", 0)]);
        assert_eq!(first.value, [30, 3]);
        assert_eq!(profile.sample[1].value, [12, 1]);
    }
}
