//! Reads one variable of the environment and stores a heap address: the C library copies all of
//! them, into memory that it grows.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    // SAFETY: the module has one thread.
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };

fn run() {
    let variable = std::env::var_os("CONTROL_VARIABLE");
    let block = vec![u8::from(variable.is_some()); 1 << 20];
    control_guests::store(b"address", &control_guests::address_of(&block[..]));
}

control_guests::entry!(run);
