//! The imports of the wasm module `env`, and what stands in for them on native targets.
//!
//! The one file of the metashrew surface that is specific to a target.

#[cfg(all(feature = "image", target_arch = "wasm32"))]
pub(super) use image_imports::{load_image, offer_image};
#[cfg(target_arch = "wasm32")]
pub(super) use imports::{export, flush, get, get_len, host_len, load_input, log};
#[cfg(not(all(target_arch = "wasm32", target_os = "wasi")))]
pub(super) use metashrew_log::{log_line, log_text};
#[cfg(not(target_arch = "wasm32"))]
pub(super) use stand_in::{export, flush, get, get_len, host_len, load_input, log};
#[cfg(all(feature = "image", not(target_arch = "wasm32")))]
pub(super) use stand_in::{load_image, offer_image};
#[cfg(all(target_arch = "wasm32", target_os = "wasi"))]
pub(super) use wasi_log::{log_line, log_text};

/// Whether the host is a stand-in, whose log nobody reads.
#[cfg(feature = "std")]
pub(super) const IS_STAND_IN: bool = cfg!(not(target_arch = "wasm32"));

/// The sink of a metashrew guest, and of its native stand-in.
#[cfg(not(all(target_arch = "wasm32", target_os = "wasi")))]
mod metashrew_log {
    use crate::metashrew::{Level, host_interface};

    pub(in super::super) use host_interface::log as log_text;

    pub(in super::super) fn log_line(level: Level, line: &str) {
        match level {
            Level::Info | Level::Error => host_interface::log_line(format_args!("{line}")),
            Level::Warning => host_interface::log_line(format_args!("WARNING: {line}")),
        }
    }
}

/// The sink of a WASI program: its standard error.
#[cfg(all(target_arch = "wasm32", target_os = "wasi"))]
mod wasi_log {
    pub(in super::super) use crate::memory::platform::write_error as log_text;
    use crate::metashrew::Level;

    pub(in super::super) fn log_line(level: Level, line: &str) {
        let mark = match level {
            Level::Info | Level::Error => "",
            Level::Warning => "WARNING: ",
        };
        for text in [mark, line, "\n"] {
            log_text(text);
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod imports {
    use crate::metashrew::frame::{Frame, PREFIX_BYTES};
    use crate::metashrew::host_interface::halt;
    use alloc::vec::Vec;

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn __host_len() -> i32;
        fn __load_input(into: *mut u8);
        fn __get_len(key: *const u8) -> i32;
        fn __get(key: *const u8, into: *mut u8);
        fn __flush(message: *const u8);
        fn __log(text: *const u8);
    }

    /// Hosts treat a pointer as an `i32`: a buffer that ends above 2 GiB is out of their reach.
    fn check_reach(buffer: &[u8]) {
        const REACH: usize = 1 << 31;
        let start = buffer.as_ptr() as usize;
        if start.saturating_add(buffer.len()) > REACH {
            halt(format_args!(
                "a buffer of {} bytes at {start:#x} ends above 2 GiB, where the host cannot reach; use a smaller plan",
                buffer.len()
            ));
        }
    }

    fn pointer(frame: Frame<'_>) -> *const u8 {
        check_reach(frame.data());
        frame.data().as_ptr()
    }

    pub(in super::super) fn host_len() -> i32 {
        // SAFETY: takes nothing and touches no memory.
        unsafe { __host_len() }
    }

    pub(in super::super) fn load_input(into: &mut [u8]) {
        check_reach(into);
        // SAFETY: the host writes as many bytes as `__host_len` announced, which is `into`'s
        // length.
        unsafe { __load_input(into.as_mut_ptr()) }
    }

    pub(in super::super) fn get_len(key: Frame<'_>) -> i32 {
        // SAFETY: the length stands in the four bytes before the pointer, and the host reads that
        // many bytes.
        unsafe { __get_len(pointer(key)) }
    }

    pub(in super::super) fn get(key: Frame<'_>, into: &mut [u8]) {
        check_reach(into);
        // SAFETY: the key is framed; the host writes as many bytes as `__get_len` said, which is
        // `into`'s length.
        unsafe { __get(pointer(key), into.as_mut_ptr()) }
    }

    pub(in super::super) fn flush(message: Frame<'_>) {
        // SAFETY: the message is framed; the host reads it and keeps no pointer.
        unsafe { __flush(pointer(message)) }
    }

    pub(in super::super) fn log(text: Frame<'_>) {
        // SAFETY: the text is framed; the host reads it and keeps no pointer. A frame on the stack
        // is always in reach, and checking it here would log again.
        unsafe { __log(text.data().as_ptr()) }
    }

    pub(in super::super) fn export(framed: Vec<u8>) -> i32 {
        let data = &framed.leak()[PREFIX_BYTES..];
        check_reach(data);
        data.as_ptr() as i32
    }
}

/// What a host that keeps images of caches has besides.
#[cfg(all(feature = "image", target_arch = "wasm32"))]
mod image_imports {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn __load_image(into: *mut u8, capacity: usize) -> i32;
        fn __offer_image(image: *const u8, len: usize);
    }

    /// Has the host write the image that it has, and answers its length. Where that is more than
    /// there is room for, nothing was written; a host without an image answers 0, as does one
    /// for which the pointer, a `u32`, is out of reach.
    pub(in super::super) fn load_image(into: &mut [u8]) -> u32 {
        // SAFETY: the host writes at most as many bytes as it is told.
        let len = unsafe { __load_image(into.as_mut_ptr(), into.len()) };
        u32::try_from(len).unwrap_or(0)
    }

    pub(in super::super) fn offer_image(image: &[u8]) {
        // SAFETY: the host reads as many bytes as it is told, and keeps no pointer.
        unsafe { __offer_image(image.as_ptr(), image.len()) }
    }
}

/// A host in the test's own process, one to each thread.
///
/// A thread is to native code what an instance is to a host: pending writes, cache and reserved
/// memory are the thread's too. The test harness runs each test on a thread of its own, so tests do
/// not see each other. [`instance`](stand_in::instance) makes another instance of the module within
/// one test.
///
/// It decodes what it is given as a real host does, from the framed bytes, and panics on what a
/// real host would refuse or, worse, ignore.
#[cfg(not(target_arch = "wasm32"))]
pub mod stand_in {
    extern crate std;

    use crate::metashrew::frame::{Frame, PREFIX_BYTES};
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::cell::RefCell;
    use std::panic::{self, AssertUnwindSafe};

    std::thread_local! {
        static HOST: RefCell<StandIn> = RefCell::default();
    }

    /// What the host has and was given.
    #[derive(Debug, Default)]
    pub struct StandIn {
        /// What the module is handed: the height, then the block or the view's argument.
        pub input: Vec<u8>,
        /// The stored values; a flush writes here.
        pub store: BTreeMap<Vec<u8>, Vec<u8>>,
        /// The pieces of text logged so far.
        pub log: Vec<String>,
        /// The messages flushed so far, as they came.
        pub flushes: Vec<Vec<u8>>,
        /// The results exported so far; an exported pointer is an index here.
        pub exports: Vec<Vec<u8>>,
        /// How many values were asked for so far, present or not.
        pub reads: usize,
        /// What a broken host answers for the length of any value.
        pub announces: Option<i32>,
        /// The image that the module is handed for its cache; empty if there is none.
        #[cfg(feature = "image")]
        pub image: Vec<u8>,
        /// The images offered so far.
        #[cfg(feature = "image")]
        pub offers: Vec<Vec<u8>>,
    }

    /// Calls `then` with this thread's host.
    ///
    /// # Panics
    ///
    /// If `then` itself calls into the host.
    pub fn with<R>(then: impl FnOnce(&mut StandIn) -> R) -> R {
        HOST.with_borrow_mut(then)
    }

    /// Runs `f` as a fresh instance of the module: nothing written, nothing cached, no memory
    /// reserved. This thread's host serves it, and has what it flushed, logged and exported.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use steadfast::metashrew::{flush, get, host::stand_in, set};
    ///
    /// let key = || Arc::new(b"key".to_vec());
    /// stand_in::instance(|| {
    ///     set(key(), Arc::new(b"value".to_vec()));
    ///     flush();
    /// });
    /// // The next block's instance finds it with the host.
    /// assert_eq!(stand_in::instance(|| get(key())), Arc::new(b"value".to_vec()));
    /// ```
    ///
    /// # Panics
    ///
    /// If `f` does.
    pub fn instance<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        let host = with(core::mem::take);
        let (host, result) = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                with(|own| *own = host);
                let result = panic::catch_unwind(AssertUnwindSafe(f));
                (with(core::mem::take), result)
            });
            thread.join().expect("what it panics with is caught")
        });
        with(|own| *own = host);
        result.unwrap_or_else(|payload| panic::resume_unwind(payload))
    }

    pub(in super::super) fn host_len() -> i32 {
        with(|host| i32::try_from(host.input.len()).expect("the test's input is below 2 GiB"))
    }

    pub(in super::super) fn load_input(into: &mut [u8]) {
        with(|host| into.copy_from_slice(&host.input));
    }

    pub(in super::super) fn get_len(key: Frame<'_>) -> i32 {
        with(|host| {
            host.reads += 1;
            if let Some(broken) = host.announces {
                return broken;
            }
            let len = host.store.get(key.data()).map_or(0, Vec::len);
            i32::try_from(len).expect("the test's value is below 2 GiB")
        })
    }

    pub(in super::super) fn get(key: Frame<'_>, into: &mut [u8]) {
        with(|host| {
            if let Some(value) = host.store.get(key.data()) {
                into.copy_from_slice(value);
            }
        });
    }

    pub(in super::super) fn flush(message: Frame<'_>) {
        let fields = decode(message.data());
        with(|host| {
            for pair in fields.chunks(2) {
                let [key, value] = pair else {
                    panic!("the flush holds a key without a value");
                };
                if value.is_empty() {
                    host.store.remove(*key);
                } else {
                    host.store.insert(key.to_vec(), value.to_vec());
                }
            }
            host.flushes.push(message.data().to_vec());
        });
    }

    #[cfg(feature = "image")]
    pub(in super::super) fn load_image(into: &mut [u8]) -> u32 {
        with(|host| {
            if let Some(into) = into.get_mut(..host.image.len()) {
                into.copy_from_slice(&host.image);
            }
            u32::try_from(host.image.len()).expect("the test's image is below 4 GiB")
        })
    }

    #[cfg(feature = "image")]
    pub(in super::super) fn offer_image(image: &[u8]) {
        with(|host| host.offers.push(image.to_vec()));
    }

    pub(in super::super) fn log(text: Frame<'_>) {
        let text = String::from_utf8(text.data().to_vec()).expect("logged text is UTF-8");
        // A test that panics while it has the host would have its text logged here: std prints it.
        HOST.with(|host| {
            if let Ok(mut host) = host.try_borrow_mut() {
                host.log.push(text);
            }
        });
    }

    pub(in super::super) fn export(framed: Vec<u8>) -> i32 {
        with(|host| {
            host.exports.push(framed[PREFIX_BYTES..].to_vec());
            i32::try_from(host.exports.len() - 1).expect("a test exports a few results")
        })
    }

    fn decode(mut message: &[u8]) -> Vec<&[u8]> {
        let mut fields = Vec::new();
        while let Some((&tag, rest)) = message.split_first() {
            assert_eq!(
                tag, 0x0A,
                "the flush holds a field other than field 1, repeated bytes"
            );
            let (len, rest) = decode_varint(rest);
            let (field, rest) = rest
                .split_at_checked(len)
                .expect("a field reaches past the flush");
            fields.push(field);
            message = rest;
        }
        fields
    }

    fn decode_varint(bytes: &[u8]) -> (usize, &[u8]) {
        let mut number = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            number |= usize::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return (number, &bytes[index + 1..]);
            }
        }
        panic!("a length in the flush is cut short");
    }
}

// Through the stand-in, which only native builds have.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
