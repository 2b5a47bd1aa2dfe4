//! Modules whose stored data depends on more than their input, each in one way: what `steadfast
//! verify` has to find.
//!
//! Most keep other allocators and have nothing of steadfast in them. Three misuse its cache, and one
//! takes its memory alone.

/// Runs a function as the module's `_start`, and once alone in native builds.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        #[cfg(all(target_family = "wasm", target_os = "unknown"))]
        #[unsafe(no_mangle)]
        extern "C" fn _start() {
            $run();
        }

        #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
        fn main() {
            $run();
        }
    };
}

#[cfg(target_family = "wasm")]
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn __flush(message: *const u8);
    fn __host_len() -> u32;
    fn __load_input(input: *mut u8);
    fn __get_len(key: *const u8) -> u32;
    fn __get(key: *const u8, value: *mut u8);
}

/// Bytes behind their length, as metashrew's functions take them.
fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

/// Stores one value at one key, as metashrew modules do. Natively, nothing.
///
/// # Panics
///
/// When either is 128 bytes or longer.
pub fn store(key: &[u8], value: &[u8]) {
    let mut message = Vec::new();
    for bytes in [key, value] {
        assert!(bytes.len() < 128, "its length is one byte of the message");
        message.extend([0x0a, bytes.len() as u8]);
        message.extend(bytes);
    }
    let framed = framed(&message);
    #[cfg(target_family = "wasm")]
    // SAFETY: the message's length stands in the four bytes before the pointer, and the host keeps
    // no pointer.
    unsafe {
        __flush(framed.as_ptr().add(4));
    }
    drop(framed);
}

/// The byte that is stored at a key; 0 where there is none.
pub fn stored_byte(key: &[u8]) -> u8 {
    let (key, mut value) = (framed(key), [0; 1]);
    #[cfg(target_family = "wasm")]
    // SAFETY: the key's length stands in the four bytes before the pointer, and a value of one byte
    // has room.
    unsafe {
        if __get_len(key.as_ptr().add(4)) == 1 {
            __get(key.as_ptr().add(4), value.as_mut_ptr());
        }
    }
    drop(key);
    std::mem::take(&mut value[0])
}

/// The height of the block, which stands in front of it. Natively, 0.
pub fn height() -> u32 {
    #[cfg(target_family = "wasm")]
    // SAFETY: the host writes as many bytes as it says.
    let input = unsafe {
        let mut input = vec![0; __host_len() as usize];
        __load_input(input.as_mut_ptr());
        input
    };
    #[cfg(not(target_family = "wasm"))]
    let input: Vec<u8> = Vec::new();
    input
        .first_chunk()
        .map_or(0, |height| u32::from_le_bytes(*height))
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
