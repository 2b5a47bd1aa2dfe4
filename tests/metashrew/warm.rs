//! Blocks that set a view's height or mode, or read before their input: they store the same in
//! fresh instances, with a warm image, and in an instance that is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{bytes, on_host, reserve_little};
use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::lru_cache::{
    CacheAllocationMode, clear_view_height, get_lru_cache, set_lru_cache,
};
use steadfast::metashrew::*;
use steadfast::region::{Status, seal};

/// A block: its height, its branch, and whether it writes `/tip`.
type Block = (u32, u8, bool);

/// The second branch replaces blocks 2 and 3, the third one block 4.
const BLOCKS: [Block; 8] = [
    (1, b'a', true),
    (2, b'a', true),
    (3, b'a', true),
    (2, b'b', false),
    (3, b'b', true),
    (4, b'b', true),
    (4, b'c', false),
    (5, b'c', true),
];

/// Reads the tip, and has the flush tell what it was.
fn note(step: u8) {
    let tip = get(bytes("/tip"));
    set(Arc::new(vec![b'/', b'r', step]), tip);
}

/// Writes what the block's input says.
fn write(input: &[u8]) {
    if input[5] == 1 {
        set(bytes("/tip"), Arc::new(input[..5].to_vec()));
    }
}

fn height_of(input: &[u8]) -> u32 {
    u32::from_le_bytes(*input.first_chunk().expect("a height is in front"))
}

/// A name, and a program.
type Named = (&'static str, fn());

/// The programs. Each takes its input before it reads the state.
const PROGRAMS: [Named; 7] = [
    ("a block", || {
        let input = input();
        note(0);
        write(&input);
        flush();
    }),
    ("a view's height while it reads", || {
        let input = input();
        set_view_for_height(height_of(&input));
        note(0);
        set_view_for_height(7);
        note(1);
        clear_view_height();
        write(&input);
        flush();
    }),
    ("a view's height while it flushes", || {
        let input = input();
        note(0);
        set_view_for_height(height_of(&input));
        note(1);
        write(&input);
        flush();
        clear_view_cache();
    }),
    ("a view's height while it takes its input", || {
        set_view_for_height(4);
        let input = input();
        clear_view_height();
        note(0);
        write(&input);
        flush();
    }),
    ("a view's height now and then", || {
        let input = input();
        if height_of(&input) % 2 == 0 {
            set_view_for_height(9);
        }
        note(0);
        write(&input);
        flush();
        note(1);
        reset();
        clear_view_cache();
    }),
    ("the views' mode", || {
        set_cache_mode(CacheAllocationMode::View);
        let input = input();
        note(0);
        set_view_for_height(1);
        note(1);
        clear_view_height();
        write(&input);
        flush();
    }),
    ("the views' mode while it reads", || {
        let input = input();
        set_cache_mode(CacheAllocationMode::View);
        note(0);
        set_view_for_height(6);
        note(1);
        clear_view_height();
        set_cache_mode(CacheAllocationMode::Indexer);
        note(2);
        write(&input);
        flush();
        note(3);
        reset();
    }),
];

/// What the host hands from one block to the next.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    /// The image that the last block has offered.
    Image,
    Instance,
    /// No cache at all: the region is somebody else's.
    Off,
}

/// Runs the program over the blocks, and goes back in the chain where they do. Returns what was
/// flushed.
fn run(program: fn(), between: Between) -> Vec<Vec<u8>> {
    let program = move || {
        reserve_little();
        program();
    };
    stand_in::instance(|| {
        stand_in::with(|host| host.store.clear());
        on_host("/tip", "before the first block");
        let mut states = BTreeMap::new();
        for (height, branch, writes) in BLOCKS {
            stand_in::with(|host| {
                let state = states.entry(height).or_insert_with(|| host.store.clone());
                host.store = state.clone();
                host.input = [&height.to_le_bytes()[..], &[branch, writes.into()]].concat();
                host.image = host.offers.pop().unwrap_or_default();
                if !host.image.is_empty() {
                    seal(&mut host.image, Status::Sealed).expect("it begins with a header");
                }
            });
            let flushed_before = stand_in::with(|host| host.flushes.len());
            match between {
                Between::Nothing => {
                    stand_in::with(|host| host.image.clear());
                    stand_in::instance(program);
                }
                Between::Image => stand_in::instance(program),
                Between::Instance => program(),
                Between::Off => stand_in::instance(move || {
                    reserve_little();
                    let _elsewhere = steadfast::open_cache();
                    program();
                }),
            }
            stand_in::with(|host| {
                for message in &host.flushes[flushed_before..] {
                    apply(message, &mut host.store);
                }
            });
            states.retain(|before, _| *before <= height);
        }
        stand_in::with(|host| std::mem::take(&mut host.flushes))
    })
}

/// Whatever the host hands on, the program stores what it stores with nothing.
fn stores_the_same(name: &str, program: fn(), with: &[Between]) {
    let cold = run(program, Between::Nothing);
    for between in with {
        assert_eq!(run(program, *between), cold, "{name}: {between:?}");
    }
}

const ANY: [Between; 3] = [Between::Image, Between::Instance, Between::Off];

#[test]
fn blocks_store_the_same_with_any_cache() {
    for (name, program) in PROGRAMS {
        stores_the_same(name, program, &ANY);
    }
}

/// In a fresh instance: the image may be of another branch, and nobody has told of the block yet.
#[test]
fn what_is_read_before_the_input_is_not_of_another_branch() {
    let program = || {
        note(0);
        let input = input();
        note(1);
        write(&input);
        flush();
    };
    stores_the_same("read before the input", program, &[Between::Image]);
}

/// Who never tells a height has no use of an image, and is not harmed by one.
#[test]
fn blocks_that_tell_no_height_store_the_same_with_an_image() {
    let program = || {
        let input = host_interface::input();
        note(0);
        write(&input);
        flush();
        note(1);
        reset();
    };
    stores_the_same("no height", program, &[Between::Image]);
    // Nor is the next block that does.
    let program: fn() = || {
        let input = host_interface::input();
        if input[4] == b'b' {
            note(0);
        } else {
            let _ = steadfast::metashrew::input();
            note(1);
        }
        write(&input);
        flush();
    };
    stores_the_same("a height now and then", program, &[Between::Image]);
}

/// Its own entries it finds again, and the next block none of them that could be another branch's.
#[test]
fn what_is_stored_before_the_input_is_found_and_no_longer_than_it_holds() {
    let program = || {
        let input = host_interface::input();
        let key = Arc::new(b"/own".to_vec());
        if input[4] == b'b' {
            let _ = steadfast::metashrew::input();
            note(2);
        } else {
            let value = Arc::new(input[..5].to_vec());
            set_lru_cache(key.clone(), value.clone());
            assert_eq!(get_lru_cache(&key), Some(value.clone()));
            set(key, value);
        }
        write(&input);
        flush();
    };
    stores_the_same("stored before the input", program, &[Between::Image]);
}

/// Writes a flush's pairs to a state. Keys and values are shorter than 128 bytes.
fn apply(message: &[u8], store: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut fields = Vec::new();
    let mut rest = message;
    while let [0x0A, len, more @ ..] = rest {
        let (field, behind) = more.split_at(usize::from(*len));
        fields.push(field.to_vec());
        rest = behind;
    }
    for pair in fields.chunks(2) {
        match &pair[1][..] {
            [] => store.remove(&pair[0]),
            value => store.insert(pair[0].clone(), value.to_vec()),
        };
    }
}

/// As a host that gives nothing back before the block ends.
fn flush_held_back() {
    let before = stand_in::with(|host| host.store.clone());
    flush();
    stand_in::with(|host| host.store = before);
}

/// Begins a block: notes what a key holds, and answers the key and its next value.
fn begin_and_note() -> [Arc<Vec<u8>>; 2] {
    let input = input();
    let key = bytes("/key");
    let seen = get(key.clone());
    set(Arc::new([b"/seen", &input[..5]].concat()), seen);
    [key, Arc::new(input[..5].to_vec())]
}

/// Notes what a key holds now.
fn note_now(key: &Arc<Vec<u8>>) {
    set(bytes("/now"), get(key.clone()));
}

/// A block's writes, in every way taken back or looked at again before the block ends.
const LATER: [Named; 9] = [
    ("clear after the flush", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value);
        flush_held_back();
        clear();
        let _ = get(key);
    }),
    ("a second input", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value);
        flush_held_back();
        let _ = input();
        note_now(&key);
        flush_held_back();
    }),
    ("a second input before the flush", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value);
        let _ = input();
        note_now(&key);
        flush_held_back();
    }),
    ("an entry of what is reset", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value.clone());
        set_lru_cache(key, value);
        reset();
        flush_held_back();
    }),
    ("an entry of what is reset after a flush", || {
        let [key, value] = begin_and_note();
        flush_held_back();
        set(key.clone(), value.clone());
        set_lru_cache(key.clone(), value);
        reset();
        clear();
        note_now(&key);
        flush_held_back();
    }),
    ("an entry of what a view's end forgets", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value.clone());
        set_lru_cache(key.clone(), value);
        set_view_for_height(1);
        clear_view_cache();
        note_now(&key);
        flush_held_back();
    }),
    ("a view after the flush", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value);
        flush_held_back();
        set_view_for_height(1);
        note_now(&key);
        clear_view_cache();
        note_now(&key);
        flush_held_back();
    }),
    ("a write after the flush that is cleared", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value);
        flush_held_back();
        set(key.clone(), bytes("never flushed"));
        clear();
        note_now(&key);
        flush_held_back();
    }),
    ("an entry of one's own after such a write", || {
        let [key, value] = begin_and_note();
        set(key.clone(), value);
        flush_held_back();
        set(key.clone(), bytes("never flushed"));
        clear();
        set_lru_cache(key.clone(), bytes("made up"));
        note_now(&key);
        flush_held_back();
    }),
];

/// The host gives a block's writes back only when the block has ended, so what it answers until
/// then is not what it holds afterwards.
#[test]
fn what_the_host_still_holds_is_not_taken_for_what_it_holds_next() {
    for (name, program) in LATER {
        stores_the_same(name, program, &ANY);
    }
}

/// What a block knows of its own writes depends on what the program has said, never on what the
/// cache held.
#[test]
fn a_flush_before_the_input_leaves_the_same_values_with_any_cache() {
    let program = || {
        // Nothing tells the surface which block it is.
        let input = host_interface::input();
        let (key, value) = (bytes("/key"), Arc::new(input[..5].to_vec()));
        let seen = get(key.clone());
        set(Arc::new([b"/seen", &input[..5]].concat()), seen);
        set(key.clone(), value.clone());
        flush_held_back();
        set_view_for_height(1);
        clear_view_cache();
        note_now(&key);
        set(key, value);
        flush_held_back();
    };
    let with = [Between::Image, Between::Off];
    stores_the_same("a flush before the input", program, &with);
}
