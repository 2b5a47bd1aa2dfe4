//! The map of a real run: what it tells.

use std::mem::offset_of;

use steadfast::format::{FORMAT_VERSION, Header};
use steadfast_host::map::{Cell, CellKind, Moment};
use steadfast_host::prometheus::Prometheus;
use steadfast_host::table::{grouped, instance_rows};
use steadfast_host::{
    Finished, HeapMarks, Input, InstanceStats, MemoryMap, MemoryState, Output, Report, RunConfig,
    Runner, Table, find_instance_info,
};
use wasm_tests::indexer;

/// What every form of the map has, and what those for people have beside.
const PARTS: [&str; 7] = [
    "heap held",
    "heap free",
    "region header",
    "buckets in use, load 0.",
    "pool main",
    "pool views",
    "pool application",
];
const CHARTS: [&str; 4] = [
    "buckets of the index",
    "free runs of the heap",
    "small blocks",
    "by new ones since their last use",
];

/// The indexer after a block.
fn indexed(ceiling: u64) -> Finished {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("block", block).unwrap();
    let config = RunConfig {
        ceiling,
        output: Output::Discard,
        watch_heap: true,
        ..RunConfig::default()
    };
    let runner = Runner::new(&indexer("indexer_metashrew"), config).unwrap();
    let finished = runner.start(&input, &MemoryState::default()).unwrap();
    finished.succeeded().unwrap()
}

/// An instance's memory after a block, and the same in figures.
fn memory_and_map(ceiling: u64) -> (Vec<u8>, MemoryMap) {
    let finished = indexed(ceiling);
    let info = finished.instance_info().unwrap();
    let map = MemoryMap::of_memory("a run", finished.memory(), &info);
    (finished.memory().to_vec(), map)
}

#[test]
fn the_map_covers_all_memory_and_agrees_with_the_counters() {
    for ceiling in [129 << 20, 512 << 20] {
        let (memory, map) = memory_and_map(ceiling);
        let mut end = 0;
        for row in &map.rows {
            assert_eq!(row.start, end, "{}", row.name);
            end += row.bytes;
        }
        assert_eq!(end, memory.len() as u64);
        let info = find_instance_info(&memory).unwrap();
        let cache = InstanceStats::read(&memory, &info).cache.unwrap();
        let entries: u64 = map.ages.iter().map(|age| age.entries).sum();
        let bytes: u64 = map.ages.iter().map(|age| age.bytes).sum();
        assert!(entries > 8_000, "the block's outputs are held: {entries}");
        assert_eq!(
            (entries, bytes),
            (cache.entries.into(), cache.used_bytes.into())
        );
        let [heap, region] = &map.strips[..] else {
            panic!("a strip for the heap, one for the region");
        };
        assert!(heap.cells.iter().any(|cell| cell.kind == CellKind::Slab));
        assert!(
            region
                .cells
                .iter()
                .any(|cell| cell.kind == CellKind::Entries)
        );
        let text = map.to_string();
        assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
        let index = map.index.as_ref().unwrap();
        let held = (0..).zip(&index.buckets);
        let held: u32 = held.map(|(held, buckets)| held * buckets).sum();
        assert_eq!(held, cache.entries, "each entry has one slot");
        let free = |cell: &&Cell| cell.kind == CellKind::Free;
        assert!(heap.cells.iter().any(|cell| free(&cell)));
        let (svg, html) = (map.to_svg(), map.to_html());
        let json = serde_json::to_string(&map).unwrap();
        for (form, text) in [
            ("text", &text),
            ("svg", &svg),
            ("html", &html),
            ("json", &json),
        ] {
            let format = format!("format {FORMAT_VERSION}, open, height");
            for part in PARTS.into_iter().chain([format.as_str()]) {
                assert!(text.contains(part), "{form} has no `{part}`");
            }
        }
        for (form, text) in [("text", &text), ("svg", &svg), ("html", &html)] {
            for part in CHARTS {
                assert!(text.contains(part), "{form} has no `{part}`");
            }
        }
        for field in ["free_runs", "classes", "index", "ages", "strips"] {
            assert!(json.contains(&format!("\"{field}\":")), "{field}");
        }
    }
}

/// The block gives all of its blocks back, so that only empty slabs are left.
#[test]
fn what_was_in_use_is_shown_and_empty_slabs_are_free_memory() {
    let finished = indexed(512 << 20);
    let info = finished.instance_info().unwrap();
    let map = MemoryMap::of_memory("a run", finished.memory(), &info);
    assert_eq!(map.classes, [], "nothing is in use");
    assert!(map.free_runs.len() > 1, "empty slabs stand between");
    let text = map.to_string();
    assert!(text.contains("0.0 % of it scattered"), "{text}");
    let moment = Moment::of(&finished).unwrap();
    let marks = moment.heap.clone();
    assert!(marks.blocks.values().sum::<usize>() > 5_000, "{marks:?}");
    assert!(marks.large_bytes > 1 << 20, "{marks:?}");
    let held: usize = marks
        .blocks
        .iter()
        .map(|(size, number)| size * number)
        .sum();
    assert!(held as u64 + marks.large_bytes < moment.heap_peak_bytes);
    let map = map.with_history(vec![moment]);
    let shown = map
        .classes
        .iter()
        .map(|row| (row.block_bytes, row.most_blocks));
    assert!(shown.eq(marks.blocks), "{:?}", map.classes);
    // Their slabs are empty, and still there.
    let mut with_slabs = 0;
    for row in &map.classes {
        assert_eq!(row.live_blocks, 0);
        assert_eq!(row.capacity_blocks, row.slabs * (8192 / row.block_bytes));
        with_slabs += usize::from(row.slabs > 0);
    }
    assert!(with_slabs > 0, "{:?}", map.classes);
}

#[test]
fn a_history_of_any_length_is_drawn_on_one_axis() {
    let finished = indexed(512 << 20);
    let info = finished.instance_info().unwrap();
    let first = Moment::of(&finished).unwrap();
    let mut lengths = Vec::new();
    for blocks in [1, 30, 2_000] {
        let history = (0..blocks).map(|place| Moment {
            first: 100 + place,
            last: 100 + place,
            hits: 3,
            misses: 1,
            ..first.clone()
        });
        let map = MemoryMap::of_memory("a run", finished.memory(), &info);
        let map = map.with_history(history.collect());
        let svg = map.to_svg();
        let bars = svg.matches("class=\"pick\"").count();
        assert!(
            (3..=3 * 160).contains(&bars),
            "{blocks} blocks have {bars} bars"
        );
        let peak = format!("heap peak {} B", grouped(first.heap_peak_bytes));
        for words in [&*peak, "75.0 % of", "prefers-color-scheme:dark"] {
            assert!(svg.contains(words), "{words}");
        }
        let last = format!("{} 75.0 %", 99 + blocks);
        let text = map.to_string();
        let rows = text
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        let found = rows
            .filter(|row| row.len() == 6)
            .any(|row| format!("{} {} {}", row[0], row[4], row[5]) == last);
        assert!(found, "{text}");
        lengths.push(map.to_html().len());
    }
    assert!(lengths[2] < 1 << 20, "{lengths:?}");
}

/// Nothing was allocated, cached or looked up.
#[test]
fn a_block_that_used_nothing_is_drawn() {
    let nothing = Moment {
        heap_peak_bytes: 0,
        cache_bytes: 0,
        hits: 0,
        misses: 0,
        heap: HeapMarks::default(),
        ..Moment::of(&indexed(129 << 20)).unwrap()
    };
    let (_, map) = memory_and_map(129 << 20);
    let svg = map.with_history(vec![nothing]).to_svg();
    assert!(
        svg.contains("heap peak 0 B, cache 0 B, no lookups"),
        "{svg}"
    );
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn a_hostile_name_stays_text() {
    let (memory, _) = memory_and_map(129 << 20);
    let info = find_instance_info(&memory).unwrap();
    let name = "</title></style><script>alert(1)</script>&\"'";
    let map = MemoryMap::of_memory(name, &memory, &info);
    for picture in [map.to_svg(), map.to_html()] {
        assert!(!picture.contains("<script>alert"), "the name is markup");
        assert!(picture.contains("&lt;script&gt;alert"), "the name is shown");
    }
    assert_eq!(
        map.to_html().matches("http").count(),
        1,
        "SVG's name is no address to fetch"
    );
}

#[test]
fn any_memory_has_a_map() {
    let (memory, _) = memory_and_map(129 << 20);
    let info = find_instance_info(&memory).unwrap();
    let (heap, region) = (info.heap_start as usize, info.region_start as usize);
    for seed in 0..25_usize {
        let mut damaged = memory.clone();
        for step in 0..200 {
            let noise = (seed * 7919 + step).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let base = if step % 2 == 0 { heap } else { region };
            damaged[base + (noise >> 20) % 60_000] = noise as u8;
        }
        damaged.truncate(damaged.len() - seed * 9_000);
        let map = MemoryMap::of_memory("damaged", &damaged, &info);
        assert!(!map.to_string().is_empty() && !map.to_html().is_empty());
    }
}

#[test]
fn metrics_are_in_the_text_format() {
    let (memory, _) = memory_and_map(129 << 20);
    let seen = InstanceStats::read(&memory, &find_instance_info(&memory).unwrap());
    let text = Prometheus(&seen).to_string();
    let mut described = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            described = rest.split(' ').next().unwrap().to_string();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(name.split('{').next(), Some(&*described), "{line}");
            assert!(value.parse::<u64>().is_ok(), "{line}");
        }
    }
    assert!(text.contains("steadfast_cache_misses_total{pool=\"main\"} 11924\n"));
}

/// Of a module that was built with another version of steadfast.
#[test]
fn a_region_of_another_format_is_told() {
    let (mut memory, _) = memory_and_map(512 << 20);
    let info = find_instance_info(&memory).unwrap();
    let told = |memory: &[u8]| {
        let stats = InstanceStats::read(memory, &info);
        let rows = instance_rows(&stats);
        let row = rows.into_iter().find(|(name, _)| name == "cache");
        (stats.other_format, row.map(|(_, text)| text))
    };
    assert_eq!(told(&memory), (None, None), "its rows have other names");
    let other = FORMAT_VERSION - 1;
    let at = info.region_start as usize + offset_of!(Header, format);
    memory[at..at + 4].copy_from_slice(&other.to_le_bytes());
    let (found, row) = told(&memory);
    assert_eq!(found, Some(other));
    let row = row.unwrap();
    assert!(row.contains(&format!("format version {other}")), "{row}");
    assert!(row.contains("build the module"), "{row}");
    let map = MemoryMap::of_memory("another", &memory, &info).to_string();
    let words = format!("a cache in format version {other}, which this tool does not read");
    assert!(map.contains(&words), "{map}");
    // A run tells it too.
    let finished = indexed(512 << 20);
    let mut block = finished.report().clone();
    let observed = block.observed.as_mut().unwrap();
    (observed.cache, observed.other_format) = (None, Some(other));
    let runner = Runner::new(&indexer("indexer_metashrew"), RunConfig::default()).unwrap();
    let mut report = Report::new(runner.guest(), 512 << 20);
    report.add(block);
    let table = Table(&report).to_string();
    assert!(table.contains(&row), "{table}");
}
