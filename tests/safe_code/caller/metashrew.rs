//! The metashrew surface, over a host that does what it likes.

use std::sync::Arc;

use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::host_interface::{self, HostKey};
use steadfast::metashrew::key_parser::{KeyParseConfig, parse_key_enhanced, parse_key_readable};
use steadfast::metashrew::lru_cache::{self, CacheAllocationMode};
use steadfast::metashrew::{self, PrefixAnalysisConfig};

use super::Caller;
use crate::random::Random;

fn shared(bytes: Vec<u8>) -> Arc<Vec<u8>> {
    Arc::new(bytes)
}

pub fn block(caller: &mut Caller) {
    let random = &mut caller.random;
    let input = match random.chance(4) {
        true => random.bytes(8),
        false => (random.below(5) as u32).to_le_bytes().to_vec(),
    };
    stand_in::with(|host| host.input = input);
    if random.chance(2) {
        metashrew::initialize();
    }
    metashrew::input();
    for _ in 0..random.below(6) {
        let key = shared(random.key());
        match random.below(3) {
            0 => drop(metashrew::get(key)),
            _ => metashrew::set(key, shared(random.value())),
        }
    }
    match random.below(6) {
        0 => metashrew::reset(),
        1 => metashrew::clear(),
        _ => metashrew::flush(),
    }
}

pub fn view(caller: &mut Caller) {
    let random = &mut caller.random;
    metashrew::set_view_for_height(random.u32());
    let value = metashrew::get(shared(random.key()));
    metashrew::set(shared(random.key()), shared(random.value()));
    if random.chance(2) {
        metashrew::clear_view_cache();
    }
    metashrew::export_bytes(value.to_vec());
}

pub fn lru_cache(caller: &mut Caller) {
    let random = &mut caller.random;
    let (key, value) = (shared(random.key()), shared(random.value()));
    match random.below(9) {
        0 => lru_cache::set_lru_cache(key, value),
        1 => drop(lru_cache::get_lru_cache(&key)),
        2 => metashrew::cache_set(format!("{key:?}"), value),
        3 => drop(metashrew::cache_remove(&format!("{key:?}"))),
        4 => lru_cache::set_height_partitioned_cache(random.u32(), key, value),
        5 => drop(lru_cache::get_height_partitioned_cache(random.u32(), &key)),
        6 => metashrew::force_evict_to_target_percentage(random.u32()),
        7 => metashrew::set_cache_mode(
            random.pick(&[CacheAllocationMode::Indexer, CacheAllocationMode::View]),
        ),
        _ => lru_cache::force_reinitialize_caches(),
    }
    metashrew::lru_cache_stats();
    metashrew::lru_cache_memory_usage();
}

pub fn debugging(caller: &mut Caller) {
    let random = &mut caller.random;
    match random.below(6) {
        0 => metashrew::enable_lru_debug_mode(),
        1 => metashrew::disable_lru_debug_mode(),
        2 => metashrew::set_prefix_analysis_config(PrefixAnalysisConfig {
            min_prefix_length: random.size() >> random.below(64),
            max_prefix_length: random.size() >> random.below(64),
            min_keys_per_prefix: random.size() >> random.below(64),
        }),
        3 => drop(metashrew::generate_lru_debug_report()),
        4 => drop(metashrew::get_comprehensive_memory_report()),
        _ => metashrew::set_log_sink(|_, line| {
            // It is told not to; some of the lines come while the crate is at work.
            metashrew::get(Arc::new(line.as_bytes().to_vec()));
        }),
    }
    let config = KeyParseConfig {
        max_utf8_segment_length: random.size() >> random.below(64),
        max_binary_segment_length: random.size() >> random.below(64),
        show_full_short_binary: random.chance(2),
        min_utf8_segment_length: random.size() >> random.below(64),
    };
    let key = random.bytes(80);
    let _ = (
        parse_key_readable(&key, &config),
        parse_key_enhanced(&key, &config),
    );
}

pub fn host_reads(caller: &mut Caller) {
    let random = &mut caller.random;
    let key = random.key();
    if random.chance(3) {
        stand_in::with(|host| host.store.insert(key.clone(), random.value()));
    }
    let on_host = HostKey::new(&key);
    if random.chance(8) {
        let announced = random.u32() as i32;
        stand_in::with(|host| host.announces = Some(announced >> random.below(32)));
        let len = std::panic::catch_unwind(|| host_interface::value_len(&key));
        stand_in::with(|host| host.announces = None);
        drop(len);
    }
    let len = match random.chance(2) {
        true => on_host.value_len(),
        false => random.below(100) as usize,
    };
    if random.chance(3) {
        stand_in::with(|host| host.store.insert(key.clone(), random.value()));
    }
    let value = on_host.read();
    let mut buffer = vec![0; len];
    on_host.load(&mut buffer);
    assert_eq!(buffer, value);
}

pub fn host_writes(caller: &mut Caller) {
    let random = &mut caller.random;
    let pairs: Vec<_> = (0..random.below(4))
        .map(|_| (random.key(), random.value()))
        .collect();
    match random.below(4) {
        0 => {
            let seed = random.next();
            host_interface::flush(Fickle(Random::new(seed)));
        }
        1 => host_interface::log(&"aé€".repeat(random.below(400) as usize)),
        2 => host_interface::log_line(format_args!("{pairs:?}")),
        _ => host_interface::flush(pairs.iter().map(|(key, value)| (&key[..], &value[..]))),
    }
}

/// Pairs that are others in each clone.
struct Fickle(Random);

impl Clone for Fickle {
    fn clone(&self) -> Self {
        let address = std::ptr::from_ref(self).addr() as u64;
        Self(Random::new(address ^ 1))
    }
}

impl Iterator for Fickle {
    type Item = (&'static [u8], &'static [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let all = &[7; 300][..];
        let (key, value) = all.split_at(self.0.below(200) as usize);
        (!self.0.chance(5)).then_some((key, value))
    }
}
