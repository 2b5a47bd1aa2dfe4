//! Modules whose stored data depends on more than their input, each in one way: what `steadfast verify` has to find.
//!
//! They keep other allocators and have nothing of steadfast in them.

/// Stores one value at one key, as metashrew modules do.
///
/// # Panics
///
/// When either is 128 bytes or longer.
#[cfg(target_family = "wasm")]
pub fn store(key: &[u8], value: &[u8]) {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn __flush(message: *const u8);
    }

    let mut message = Vec::new();
    for bytes in [key, value] {
        assert!(bytes.len() < 128, "its length is one byte of the message");
        message.extend([0x0a, bytes.len() as u8]);
        message.extend(bytes);
    }
    let mut framed = (message.len() as u32).to_le_bytes().to_vec();
    framed.extend(message);
    // SAFETY: the message's length stands in the four bytes before the pointer, and the host keeps no pointer.
    unsafe { __flush(framed.as_ptr().add(4)) }
}

/// How many blocks of 50 MiB can be reserved, up to 20.
pub fn reserved_blocks() -> u8 {
    const STEP_BYTES: usize = 50 << 20;
    let mut blocks = Vec::new();
    for _ in 0..20 {
        let mut block: Vec<u8> = Vec::new();
        if block.try_reserve(STEP_BYTES).is_ok() {
            blocks.push(block);
        }
    }
    blocks.len() as u8
}

/// The address of something, as bytes.
pub fn address_of<T: ?Sized>(of: &T) -> [u8; 4] {
    ((&raw const *of).cast::<u8>().addr() as u32).to_le_bytes()
}
