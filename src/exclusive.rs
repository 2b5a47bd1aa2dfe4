//! One owner at a time for a value in a static.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::memory::platform;

/// A value in a static that one caller uses at a time.
///
/// A WebAssembly module runs one thread: there a call costs nothing, and [`Exclusive::with`] stops the module when it is
/// entered again from within. A native process waits for the other thread.
#[repr(C)]
pub struct Exclusive<T> {
    // First, so that the address of the cell is the address of the value.
    value: UnsafeCell<T>,
    busy: AtomicBool,
}

// SAFETY: `with` and `with_leaf` let one caller at a time reach the value: by the lock, or since one thread is all there is.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            busy: AtomicBool::new(false),
        }
    }

    /// Runs `f` with the value to itself.
    ///
    /// Entering the same cell again from within `f` stops a module, and waits forever in a native process.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        while self.busy.swap(true, Ordering::Acquire) {
            if platform::SINGLE_THREADED {
                platform::abort();
            }
            spin_loop();
        }
        let _release = Release(&self.busy);
        // SAFETY: `busy` was free and is ours until `_release` drops.
        f(unsafe { &mut *self.value.get() })
    }

    /// Runs `f` with the value to itself, without the check on a single thread.
    ///
    /// # Safety
    /// `f` calls nothing that reaches this cell again.
    #[inline(always)]
    pub(crate) unsafe fn with_leaf<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        if !platform::SINGLE_THREADED {
            return self.with(f);
        }
        // SAFETY: there is one thread, and `f` does not come back here: the caller's duty.
        f(unsafe { &mut *self.value.get() })
    }
}

/// A value in a static that is read and written whole, which nothing can come in between of.
pub struct Slot<T: Copy>(Exclusive<T>);

impl<T: Copy> Slot<T> {
    /// A slot that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(Exclusive::new(value))
    }

    /// The value.
    pub fn get(&self) -> T {
        // SAFETY: copying a value calls nothing.
        unsafe { self.0.with_leaf(|slot| *slot) }
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        // SAFETY: as for `get`.
        unsafe { self.0.with_leaf(|slot| *slot = value) }
    }
}

/// Frees the cell also when its user panics.
struct Release<'a>(&'a AtomicBool);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CELL: Exclusive<u32> = Exclusive::new(0);

    #[test]
    fn the_value_persists_between_uses() {
        CELL.with(|value| *value += 1);
        // SAFETY: the closure only reads.
        assert_eq!(unsafe { CELL.with_leaf(|value| *value) }, 1);
    }
}
