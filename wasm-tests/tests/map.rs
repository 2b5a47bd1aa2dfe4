//! The map of a real run: what it tells.

use steadfast_host::map::{Cell, CellKind};
use steadfast_host::prometheus::Prometheus;
use steadfast_host::{
    Input, InstanceStats, MemoryMap, MemoryState, Output, RunConfig, Runner, find_record,
};
use wasm_tests::indexer;

/// What every form of the map has, and what those for people have beside.
const PARTS: [&str; 8] = [
    "heap held",
    "heap free",
    "region header",
    "format 2, open, height",
    "buckets in use, load 0.",
    "pool main",
    "pool views",
    "pool application",
];
const CHARTS: [&str; 4] = [
    "buckets of the index",
    "free runs of the heap",
    "small blocks",
    "by promotions and inserts since their last use",
];

/// An instance's memory after a block, and the same in figures.
fn memory_and_map(ceiling: u64) -> (Vec<u8>, MemoryMap) {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("block", block).unwrap();
    let config = RunConfig {
        ceiling,
        output: Output::Discard,
        ..RunConfig::default()
    };
    let runner = Runner::new(&indexer("indexer_metashrew"), config).unwrap();
    let finished = runner.start(&input, &MemoryState::default()).unwrap();
    let finished = finished.succeeded().unwrap();
    let record = finished.record().unwrap();
    let map = MemoryMap::of_memory("a run", finished.memory(), &record);
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
        let record = find_record(&memory).unwrap();
        let cache = InstanceStats::read(&memory, &record).cache.unwrap();
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
            for part in PARTS {
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

#[test]
fn any_memory_has_a_map() {
    let (memory, _) = memory_and_map(129 << 20);
    let record = find_record(&memory).unwrap();
    let (heap, region) = (record.heap_start as usize, record.region_start as usize);
    for seed in 0..25_usize {
        let mut damaged = memory.clone();
        for step in 0..200 {
            let noise = (seed * 7919 + step).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let base = if step % 2 == 0 { heap } else { region };
            damaged[base + (noise >> 20) % 60_000] = noise as u8;
        }
        damaged.truncate(damaged.len() - seed * 9_000);
        let map = MemoryMap::of_memory("damaged", &damaged, &record);
        assert!(!map.to_string().is_empty() && !map.to_html().is_empty());
    }
}

#[test]
fn metrics_are_in_the_text_format() {
    let (memory, _) = memory_and_map(129 << 20);
    let seen = InstanceStats::read(&memory, &find_record(&memory).unwrap());
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
