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

/// Whether C's allocation family needs its part of the budget.
pub(crate) const C_FAMILY: bool = cfg!(target_os = "wasi");

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

/// The record alone says what a module's cache loses entries by.
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

/// Stops the module.
pub(crate) fn abort() -> ! {
    wasm32::unreachable()
}

/// Declares the allocator that [`plan!`](crate::plan!) describes, and C's on `wasm32-wasip1`.
#[doc(hidden)]
#[macro_export]
macro_rules! __install {
    ($plan:expr) => {
        #[global_allocator]
        static __STEADFAST: $crate::Global = $crate::Global::new(&__STEADFAST_SECTION);

        #[used]
        #[unsafe(link_section = "steadfast.plan")]
        static __STEADFAST_SECTION: $crate::EncodedPlan = $plan.encode();

        $crate::__c_family!(__STEADFAST);
    };
}
