//! The format of DHAT's viewer, <https://nnethercote.github.io/dh_view/dh_view.html>.

use serde_json::{Value, json};

use crate::profile::heap::HeapProfile;
use crate::profile::recorder::SHORT_LIVED;

/// A heap's profile for DHAT's viewer, as JSON; <https://profiler.firefox.com> reads it too. Time is
/// counted in requests.
#[must_use]
pub fn dhat(title: &str, profile: &HeapProfile) -> String {
    let stacks = &profile.stacks;
    let frames = stacks
        .frames
        .iter()
        .map(|frame| match (&frame.file, frame.line) {
            (Some(file), Some(line)) => format!("0x0: {} ({file}:{line})", frame.function),
            _ => frame.function.clone(),
        });
    // The viewer takes the first one for the root.
    let table: Vec<String> = ["[root]".to_string()].into_iter().chain(frames).collect();
    let value = |values: &[u64], name| stacks.column(name).map_or(0, |column| values[column]);
    let points: Vec<Value> = stacks
        .rows
        .iter()
        .map(|row| {
            let frames: Vec<usize> = row.frames.iter().rev().map(|frame| frame + 1).collect();
            let value = |name| value(&row.values, name);
            json!({
                "tb": value("total_bytes"), "tbk": value("total_blocks"), "tl": value("lifetimes"),
                "mb": value("most_bytes"), "mbk": value("most_blocks"),
                "gb": value("peak_bytes"), "gbk": value("peak_blocks"),
                "eb": value("end_bytes"), "ebk": value("end_blocks"),
                "fs": frames,
            })
        })
        .collect();
    let file = json!({
        "dhatFileVersion": 2,
        "mode": "heap",
        "verb": "Allocated",
        "bklt": true,
        "bkacc": false,
        "tu": "requests",
        "Mtu": "Mrequest",
        "tuth": SHORT_LIVED,
        "cmd": title,
        "pid": 1,
        "tg": profile.counts.requests_at_peak,
        "te": profile.counts.requests(),
        "pps": points,
        "ftbl": table,
    });
    file.to_string()
}
