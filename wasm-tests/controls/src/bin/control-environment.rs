//! Reads one variable of the environment and stores a heap address: the C library copies all of them, into memory that it
//! grows.

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    // SAFETY: the module has one thread.
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };

#[cfg(target_family = "wasm")]
fn main() {
    let variable = std::env::var_os("CONTROL_VARIABLE");
    let block = vec![u8::from(variable.is_some()); 1 << 20];
    control_guests::store(b"address", &control_guests::address_of(&block[..]));
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
