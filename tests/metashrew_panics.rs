//! The text of a panic reaches the host's log. Alone here: the panic hook belongs to the process.
#![cfg(not(target_family = "wasm"))]

use std::cell::Cell;
use std::panic::{catch_unwind, set_hook};
use std::sync::Once;

use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::{host_interface, log_panics};

thread_local! {
    /// Panics that reached the hook that was there before.
    static PASSED_ON: Cell<u32> = const { Cell::new(0) };
}

fn begin() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| set_hook(Box::new(|_| PASSED_ON.set(PASSED_ON.get() + 1))));
    log_panics();
}

#[test]
fn a_test_still_shows_why_it_fails() {
    begin();
    log_panics();
    assert!(catch_unwind(|| panic!("it fails")).is_err());
    assert_eq!(PASSED_ON.get(), 1);
}

#[test]
fn a_halt_is_told_once() {
    begin();
    stand_in::with(|host| host.announces = Some(-1));
    assert!(catch_unwind(|| host_interface::read(b"key")).is_err());
    let log = stand_in::with(|host| host.log.concat());
    assert!(log.contains("for the length of a value"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn a_panic_is_told_in_one_line() {
    begin();
    let told = catch_unwind(|| panic!("block {} is cut off", 7));
    // While the host is in use its log cannot be written to; the panic must pass all the same.
    let within = catch_unwind(|| stand_in::with(|_| panic!("in the host's hands")));
    assert!(told.is_err() && within.is_err());
    let log = stand_in::with(|host| host.log.concat());
    assert!(log.contains("block 7 is cut off"), "{log}");
    assert!(log.ends_with('\n') && !log.contains("in the host's hands"));
}
