//! The Firefox profiler's processed format.

use fxprof_processed_profile::{
    CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile, ReferenceTimestamp,
    SamplingInterval, Timestamp, WeightType,
};
use serde_json::{Value, json};

use crate::profile::stacks::Stacks;

/// A column as JSON for <https://profiler.firefox.com>: a sample for each stack, as heavy as its value.
/// Samples are a millisecond apart, in the order of their functions' names: time tells nothing
/// there.
#[must_use]
pub fn firefox(title: &str, stacks: &Stacks, column: usize) -> String {
    let rows = stacks.by_name(column);
    let start = Timestamp::from_nanos_since_reference(0);
    let mut profile = Profile::new(
        title,
        ReferenceTimestamp::from_millis_since_unix_epoch(0.0),
        SamplingInterval::from_millis(1),
    );
    let process = profile.add_process(title, 1, start);
    let thread = profile.add_thread(process, 1, start, true);
    profile.set_thread_name(thread, stacks.columns[column].name);
    if stacks.columns[column].unit == "bytes" {
        profile.set_thread_samples_weight_type(thread, WeightType::Bytes);
    }
    for (time, (names, _)) in rows.iter().enumerate() {
        let frames: Vec<FrameInfo> = names
            .iter()
            .map(|name| FrameInfo {
                frame: Frame::Label(profile.intern_string(name)),
                category_pair: CategoryHandle::OTHER.into(),
                flags: FrameFlags::empty(),
            })
            .collect();
        let stack = profile.intern_stack_frames(thread, frames.into_iter());
        let time = Timestamp::from_millis_since_reference(time as f64);
        profile.add_sample(thread, time, stack, CpuDelta::ZERO, 1);
    }
    let mut file = serde_json::to_value(&profile).expect("a profile has a form in JSON");
    // Weights of 32 bits are all that samples take there.
    let weights: Vec<Value> = rows.iter().map(|(_, value)| json!(value)).collect();
    file["threads"][0]["samples"]["weight"] = weights.into();
    file.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::formats::collapsed;
    use crate::profile::formats::tests::two_stacks;

    /// The samples of a file's only thread, as collapsed stacks.
    fn read(file: &Value) -> String {
        let thread = &file["threads"][0];
        let number = |table: &str, column: &str, row: u64| {
            let number = &thread[table][column][row as usize];
            number.as_u64()
        };
        let name = |frame| {
            let function = number("frameTable", "func", frame).unwrap();
            let name = number("funcTable", "name", function).unwrap();
            thread["stringArray"][name as usize].as_str().unwrap()
        };
        let sample = |row| {
            let mut names = Vec::new();
            let mut at = number("samples", "stack", row);
            while let Some(stack) = at {
                let frame = number("stackTable", "frame", stack).unwrap();
                names.insert(0, name(frame).replace(';', ","));
                at = number("stackTable", "prefix", stack);
            }
            let weight = number("samples", "weight", row).unwrap();
            format!("{} {weight}\n", names.join(";"))
        };
        let length = thread["samples"]["length"].as_u64().unwrap();
        (0..length).map(sample).collect()
    }

    #[test]
    fn samples_weigh_what_collapsed_stacks_say() {
        let mut stacks = two_stacks();
        // More than 32 bits.
        stacks.rows[0].values[0] = 1 << 40;
        for (column, unit) in [(0, "bytes"), (1, "samples")] {
            let file: Value = serde_json::from_str(&firefox("title", &stacks, column)).unwrap();
            assert_eq!(read(&file), collapsed(&stacks, column));
            assert_eq!(file["threads"][0]["samples"]["weightType"], unit);
        }
    }
}
