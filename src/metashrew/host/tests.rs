extern crate std;

use super::stand_in;
use crate::metashrew::host_interface::*;
use crate::metashrew::message;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

fn flushed(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    flush(pairs.iter().copied());
    stand_in::with(|host| host.flushes.last().cloned().expect("just flushed"))
}

#[test]
fn a_flush_is_the_documented_message() {
    assert_eq!(
        flushed(&[(b"k", b"vv"), (b"gone", b"")]),
        b"\x0A\x01k\x0A\x02vv\x0A\x04gone\x0A\x00"
    );
    assert_eq!(flushed(&[]), b"");
}

#[test]
fn a_flush_is_sized_exactly_around_each_length_of_varint() {
    // Miri takes minutes for each of the longest.
    let lengths = if cfg!(miri) { 6 } else { 8 };
    for len in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]
        .into_iter()
        .take(lengths)
    {
        let value = vec![7; len];
        let message =
            message::encode([(&b"key"[..], &value[..])].into_iter()).expect("below 2 GiB");
        assert_eq!(message.len(), message.capacity(), "value of {len} bytes");
        flushed(&[(b"key", &value)]);
        assert_eq!(value_len(b"key"), len);
        let mut loaded = vec![0; len];
        load(b"key", &mut loaded);
        assert_eq!(loaded, value);
        assert_eq!(read(b"key"), value);
    }
}

#[test]
fn an_empty_value_deletes() {
    flushed(&[(b"key", b"value")]);
    assert_eq!(value_len(b"key"), 5);
    flushed(&[(b"key", b"")]);
    assert_eq!(value_len(b"key"), 0);
    assert!(stand_in::with(|host| host.store.is_empty()));
}

#[test]
fn keys_of_any_length_reach_the_host() {
    for len in [0, 1, MAX_STACK_KEY_BYTES, MAX_STACK_KEY_BYTES + 1, 100_000] {
        let key = vec![b'k'; len];
        flushed(&[(&key, b"value")]);
        let on_host = HostKey::new(&key);
        assert_eq!(on_host.value_len(), 5);
        let mut value = [0; 5];
        on_host.load(&mut value);
        assert_eq!(&value, b"value", "a key of {len} bytes");
    }
}

#[test]
fn a_value_that_the_host_announced_and_did_not_write_halts() {
    stand_in::with(|host| host.announces = Some(9));
    for buffer in [[0; 9], [0xFF; 9]] {
        let mut value = buffer;
        std::panic::catch_unwind(move || load(b"gone", &mut value)).expect_err("halts");
    }
    let logged = stand_in::with(|host| host.log.concat());
    assert!(logged.contains("a value of 9 bytes"), "{logged}");
}

#[test]
fn a_long_text_is_logged_in_pieces_at_character_boundaries() {
    let text: String = core::iter::repeat_n("aé€", 700).collect();
    log(&text);
    let pieces = stand_in::with(|host| host.log.clone());
    assert!(pieces.len() > 1);
    assert!(
        pieces
            .iter()
            .all(|piece| piece.len() <= MAX_STACK_KEY_BYTES)
    );
    assert_eq!(pieces.concat(), text);
}

#[test]
fn a_halt_logs_what_it_panics_with_even_when_the_line_is_cut() {
    let long: String = core::iter::repeat_n('€', 400).collect();
    let panic = std::panic::catch_unwind(|| halt(format_args!("no: {long}"))).expect_err("halts");
    let said = panic
        .downcast_ref::<String>()
        .expect("a formatted panic")
        .clone();
    assert_eq!(said, alloc::format!("no: {long}"));
    let logged = stand_in::with(|host| host.log.concat());
    let line = logged.strip_suffix('\n').expect("a line ends");
    assert!(logged.len() > MAX_STACK_KEY_BYTES - 4 && said.starts_with(line));
}

#[test]
fn an_export_is_found_by_its_pointer() {
    let first = export_bytes(vec![1, 2, 3]);
    let second = export_bytes(Vec::new());
    stand_in::with(|host| {
        assert_eq!(host.exports[first as usize], [1, 2, 3]);
        assert_eq!(host.exports[second as usize], []);
    });
}
