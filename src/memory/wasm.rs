//! Linear memory of the module itself.

#[cfg(not(target_arch = "wasm32"))]
compile_error!(
    "steadfast supports 32-bit WebAssembly; offsets of 64-bit memories do not fit its formats"
);
#[cfg(target_feature = "atomics")]
compile_error!(
    "steadfast is single-threaded: build without the `atomics` target feature, or keep shared memories out of the module"
);

use core::arch::wasm32;
use core::ptr::{self, NonNull};

use super::{Memory, StaticEnd};
use crate::units::Pages;

/// Nothing runs beside us, so a cell needs no lock.
pub(crate) const SINGLE_THREADED: bool = true;

/// Declares statics of which each instance has its own: all of a module's are.
macro_rules! per_instance {
    ($($static:item)+) => {
        $($static)+
    };
}
pub(crate) use per_instance;

/// The one thread; not 0.
pub(crate) const fn this_thread() -> usize {
    1
}

/// Keeps the memory of a region alive: nothing to do, as linear memory never shrinks.
#[derive(Debug)]
pub(crate) struct Lease;

impl Lease {
    /// For memory that is somebody else's to keep.
    pub(crate) const fn none() -> Self {
        Self
    }

    /// Whether the region stands in this module's memory.
    pub(crate) const fn is_here(&self) -> bool {
        true
    }
}

/// Whether C's allocation family needs its part of the budget.
pub(crate) const C_FAMILY: bool = cfg!(any(target_os = "wasi", feature = "c"));

/// Whether the module may become a component, or a part of one.
pub(crate) const COMPONENTS: bool = cfg!(target_os = "wasi");

/// The module's one linear memory.
pub(crate) struct Linear;

impl Memory for Linear {
    fn size(&self) -> Pages {
        Pages(wasm32::memory_size::<0>() as u32)
    }

    fn grow(&mut self, by: Pages) -> Option<Pages> {
        match wasm32::memory_grow::<0>(by.0 as usize) {
            usize::MAX => None,
            before => Some(Pages(before as u32)),
        }
    }
}

pub(crate) fn static_end() -> StaticEnd {
    unsafe extern "C" {
        static __heap_base: u8;
        static __heap_end: u8;
    }
    StaticEnd {
        contents: (&raw const __heap_base).addr() as u32,
        initial_memory: (&raw const __heap_end).addr() as u32,
    }
}

/// The instance info alone says what a module's cache loses entries by.
pub(crate) const fn forget_seed() -> u32 {
    0
}

/// The pointer to an absolute address other than 0.
pub(crate) fn pointer(address: u32) -> NonNull<u8> {
    match NonNull::new(ptr::with_exposed_provenance_mut(address as usize)) {
        Some(pointer) => pointer,
        None => abort(),
    }
}

/// The pointer to an absolute address other than 0, and what keeps its memory.
pub(crate) fn leased(address: u32) -> (NonNull<u8>, Lease) {
    (pointer(address), Lease)
}

/// Stops the module.
pub(crate) fn abort() -> ! {
    wasm32::unreachable()
}

/// Whether [`last_words`] says anything.
pub(crate) const HAS_STANDARD_ERROR: bool = cfg!(target_os = "wasi");

/// Says one line to whoever runs the module: on the standard error of a WASI program, nowhere
/// otherwise.
pub fn last_words(line: &str) {
    let _ = line;
    #[cfg(target_os = "wasi")]
    for text in [line, "\n"] {
        write_error(text);
    }
}

/// Writes to standard error. What the host does not take is lost.
#[cfg(target_os = "wasi")]
pub(crate) fn write_error(text: &str) {
    unsafe extern "C" {
        fn write(file: i32, bytes: *const u8, len: usize) -> isize;
    }
    const STANDARD_ERROR: i32 = 2;
    // SAFETY: libc reads so many bytes of live text, and keeps no pointer.
    let _ = unsafe { write(STANDARD_ERROR, text.as_ptr(), text.len()) };
}

/// Declares the allocator that [`plan!`](crate::plan!) describes, and C's where it is wanted.
#[doc(hidden)]
#[macro_export]
macro_rules! __install {
    ($plan:expr) => {
        #[global_allocator]
        static __STEADFAST: $crate::Global =
            // SAFETY: this is the module's global allocator; rustc refuses a second one.
            unsafe { $crate::Global::new(&__STEADFAST_SECTION) }.with_voice(if cfg!(test) {
                    // No metashrew host runs a test.
                    $crate::memory::last_words
                } else {
                    $crate::__voice
                });

        #[used]
        #[unsafe(link_section = "steadfast.plan")]
        static __STEADFAST_SECTION: $crate::EncodedPlan = $plan.encode();

        $crate::__c_family!(__STEADFAST);
    };
}
