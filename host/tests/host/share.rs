//! An image that instances map copy-on-write.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::thread;

use steadfast_host::engine::Compiler;
use steadfast_host::{Input, MemoryState, RunConfig, RunError, Runner, SharedImage, View};

use crate::guests::{module, quiet};

const PAGE: usize = 65536;

/// Where images stand: four pages up, of which the module declares one.
const AT: usize = 4 * PAGE;

/// Reads, writes and grows as its arguments say: an address, a length and a byte, a `u32` each.
fn reader() -> Vec<u8> {
    reader_with_memory("1")
}

fn reader_with_memory(limits: &str) -> Vec<u8> {
    module(&format!(
        r#"
        (memory (export "memory") {limits})
        (data (i32.const 512) "static data")
        (func $address (result i32) (call $load_input (i32.const 16)) (i32.load (i32.const 20)))
        (func $length (result i32) (i32.load (i32.const 24)))
        (func (export "_start"))
        (func (export "read") (result i32)
            (memory.copy (i32.const 4100) (call $address) (call $length))
            (i32.store (i32.const 4096) (call $length))
            (i32.const 4100))
        (func (export "write") (result i32)
            (memory.fill (call $address) (i32.load (i32.const 28)) (call $length))
            (i32.store (i32.const 4096) (i32.const 0))
            (i32.const 4100))
        (func (export "grow") (result i32)
            (i32.store (i32.const 4100) (memory.grow (i32.const 1)))
            (i32.store (i32.const 4096) (i32.const 4))
            (i32.const 4100))
        "#
    ))
}

fn runner(config: RunConfig) -> Runner {
    Runner::new(&reader(), config).unwrap()
}

/// Bytes none of which is zero.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 % 255) as u8 + 1).collect()
}

fn image(len: usize) -> SharedImage {
    SharedImage::of_bytes(AT as u32, &bytes(len)).unwrap()
}

fn open_at(runner: &Runner, image: Option<&SharedImage>, at: usize, len: usize, byte: u8) -> View {
    let arguments: Vec<u8> = [at as u32, len as u32, byte.into()]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    let input = Input::new(7, &arguments);
    runner
        .open_view(&input, &MemoryState::default(), image)
        .unwrap()
}

#[test]
fn an_instance_finds_the_image_and_zeros_behind_it() {
    for compiler in Compiler::ALL {
        let runner = runner(RunConfig {
            compiler,
            ..quiet()
        });
        for len in [0, 1, 4095, 4096, 4097, PAGE, PAGE + 1, 3 * PAGE + 5000] {
            let image = image(len);
            let mut view = open_at(&runner, Some(&image), AT, len.min(PAGE), 0);
            let memory = view.memory();
            assert_eq!(memory.len() as u64, image.memory_needed(), "{len}");
            assert_eq!(memory.len(), (AT + len).next_multiple_of(PAGE), "{len}");
            assert_eq!(&memory[512..523], b"static data");
            assert_eq!(memory[AT..AT + len], bytes(len), "{len}");
            assert!(memory[AT + len..].iter().all(|&byte| byte == 0), "{len}");
            assert!(memory[PAGE..AT].iter().all(|&byte| byte == 0), "{len}");
            assert_eq!(view.call("read").unwrap(), bytes(len)[..len.min(PAGE)]);
        }
    }
}

#[test]
fn between_the_parts_of_an_image_there_are_zeros() {
    let (first, second) = (bytes(5000), bytes(PAGE + 77));
    let gap = 3 * PAGE as u32 + 123;
    let parts: [(u32, &[u8]); 2] = [(0, &first), (gap, &second)];
    let image = SharedImage::of_parts(AT as u32, &parts).unwrap();
    let view = open_at(&runner(quiet()), Some(&image), 0, 0, 0);
    let mut expected = vec![0; view.memory().len() - AT];
    expected[..5000].copy_from_slice(&first);
    expected[gap as usize..][..PAGE + 77].copy_from_slice(&second);
    assert!(view.memory()[AT..] == expected);

    let overlap = SharedImage::of_parts(AT as u32, &[(0, &first), (4999, &second)]);
    assert_eq!(overlap.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn no_instance_sees_what_another_wrote() {
    let runner = runner(quiet());
    let (image, expected) = (image(2 * PAGE + 9), bytes(2 * PAGE + 9));
    let whole = |image| open_at(&runner, image, AT, 2 * PAGE + 9, 0xee);
    let still = whole(Some(&image));
    let mut addresses = BTreeSet::new();
    let mut reused = 0;
    for _ in 0..50 {
        let mut writer = whole(Some(&image));
        let found = &writer.memory()[AT..AT + expected.len()];
        assert_eq!(found, expected, "a fresh instance has the image");
        reused += u32::from(!addresses.insert(writer.memory().as_ptr().addr()));
        writer.call("write").unwrap();
        let written = &writer.memory()[AT..AT + expected.len()];
        assert!(written.iter().all(|&byte| byte == 0xee));
        assert_eq!(&still.memory()[AT..AT + expected.len()], expected);
        drop(writer);

        // At the same address, without the image: the guest's own growth gives it zeros.
        let mut plain = whole(None);
        reused += u32::from(!addresses.insert(plain.memory().as_ptr().addr()));
        for _ in 0..6 {
            plain.call("grow").unwrap();
        }
        assert_eq!(plain.memory().len(), 7 * PAGE);
        assert!(plain.memory()[PAGE..].iter().all(|&byte| byte == 0));
    }
    assert!(reused > 0, "no address was used twice");
}

/// From 2 MiB on, the system may hold an image in huge pages, whole or in part.
#[test]
fn a_large_image_is_shared_and_written_apart_as_a_small_one_is() {
    const HUGE: usize = 2 << 20;
    let runner = runner(quiet());
    let expected = bytes(3 * HUGE + 4097);
    for at in [HUGE, HUGE + PAGE] {
        let parts: [(u32, &[u8]); 2] = [
            (0, &expected),
            ((5 * HUGE + 12345) as u32, &expected[..HUGE + 999]),
        ];
        let image = SharedImage::of_parts(at as u32, &parts).unwrap();
        let mut whole = vec![0; image.len()];
        for (start, part) in parts {
            whole[start as usize..][..part.len()].copy_from_slice(part);
        }
        let still = open_at(&runner, Some(&image), 0, 0, 0);
        let mut writer = open_at(&runner, Some(&image), 0, 0, 0);
        let memory = &mut writer.memory_mut()[at..][..whole.len()];
        assert!(memory == whole, "a fresh instance has the image");
        let mut written = whole.clone();
        for place in [
            0,
            HUGE - 1,
            HUGE,
            2 * HUGE + 777,
            3 * HUGE + 4096,
            whole.len() - 1,
        ] {
            (memory[place], written[place]) = (0xEE, 0xEE);
        }
        assert!(memory == written, "what it wrote, and nothing else");
        assert!(still.memory()[at..][..whole.len()] == whole);
        drop(writer);
        let next = open_at(&runner, Some(&image), 0, 0, 0);
        assert!(next.memory()[at..][..whole.len()] == whole);
        assert!(
            next.memory()[at + whole.len()..]
                .iter()
                .all(|&byte| byte == 0)
        );
    }
}

#[test]
fn instances_on_many_threads_keep_apart() {
    let runner = runner(quiet());
    let (image, expected) = (image(PAGE), bytes(PAGE));
    thread::scope(|scope| {
        for byte in [0xa1, 0xa2, 0xa3, 0xa4] {
            let (runner, image, expected) = (&runner, &image, &expected);
            scope.spawn(move || {
                for _ in 0..100 {
                    let mut view = open_at(runner, Some(image), AT + 100, 30_000, byte);
                    assert_eq!(view.call("read").unwrap(), expected[100..30_100]);
                    view.call("write").unwrap();
                    assert_eq!(view.call("read").unwrap(), [byte; 30_000]);
                    assert_eq!(view.memory()[AT + 30_100], expected[30_100]);
                }
            });
        }
    });
}

#[test]
fn an_image_outlives_its_handles_as_long_as_an_instance_maps_it() {
    let runner = runner(quiet());
    let image = image(PAGE);
    let mut view = open_at(&runner, Some(&image), AT, PAGE, 0);
    drop(image);
    assert_eq!(view.call("read").unwrap(), bytes(PAGE));
}

#[test]
fn memory_grows_on_behind_the_image_up_to_the_ceiling() {
    let image = image(PAGE + 1);
    let runner = runner(RunConfig {
        ceiling: 8 * PAGE as u64,
        ..quiet()
    });
    let mut view = open_at(&runner, Some(&image), 0, 0, 0);
    for before in [6u32, 7, u32::MAX, u32::MAX] {
        assert_eq!(view.call("grow").unwrap(), before.to_le_bytes());
    }
    let memory = view.memory();
    assert_eq!(memory.len(), 8 * PAGE);
    assert_eq!(memory[AT..AT + PAGE + 1], bytes(PAGE + 1));
    assert!(memory[AT + PAGE + 1..].iter().all(|&byte| byte == 0));
}

#[test]
fn an_image_that_does_not_fit_is_refused() {
    let (input, state) = (Input::new(7, b""), MemoryState::default());
    let refused = |runner: &Runner, len| {
        let opened = runner.open_view(&input, &state, Some(&image(len)));
        opened.err().map(|error| match error {
            RunError::ImageTooLarge { need, ceiling } => (need, ceiling),
            other => panic!("{other}"),
        })
    };
    let ceiling = 6 * PAGE as u64;
    let low = runner(RunConfig { ceiling, ..quiet() });
    assert_eq!(refused(&low, 2 * PAGE), None);
    let need = 7 * PAGE as u64;
    assert_eq!(refused(&low, 2 * PAGE + 1), Some((need, ceiling)));

    let maximum = Runner::new(&reader_with_memory("1 6"), quiet()).unwrap();
    assert_eq!(refused(&maximum, 2 * PAGE), None);
    assert_eq!(refused(&maximum, 2 * PAGE + 1), Some((need, 1 << 32)));
}

#[test]
fn an_image_stands_at_a_page_and_within_the_address_space() {
    for (at, len) in [(AT as u32 + 4096, 1), (u32::MAX - 65535, PAGE + 1)] {
        let error = SharedImage::of_bytes(at, &bytes(len)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let highest = SharedImage::of_bytes(u32::MAX - 65535, &bytes(PAGE)).unwrap();
    assert_eq!(highest.memory_needed(), 1 << 32);
    let mut view = open_at(&runner(quiet()), Some(&highest), usize::MAX << 16, PAGE, 0);
    assert_eq!(view.call("read").unwrap(), bytes(PAGE));
}

#[test]
fn memory_that_is_too_short_is_refused_and_left_alone() {
    let image = image(1);
    let mut memory = vec![9; AT];
    // SAFETY: nothing is mapped where the image does not fit.
    let error = unsafe { image.map_over(&mut memory) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(memory.iter().all(|&byte| byte == 9));
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_does_not_begin_at_a_page_is_refused_and_left_alone() {
    let image = image(1);
    let mut memory = vec![9; AT + 2 * PAGE];
    let start = memory.as_ptr().align_offset(4096) + 16;
    // SAFETY: nothing is mapped where the pages do not fit.
    let error = unsafe { image.map_over(&mut memory[start..]) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(memory.iter().all(|&byte| byte == 9));
}
