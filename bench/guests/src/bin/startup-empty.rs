//! Does nothing: what an instance costs by itself.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
extern "C" fn _start() {}

#[cfg(not(target_family = "wasm"))]
fn main() {
    _start();
}
