//! One owner at a time for a value in a static.

use core::cell::UnsafeCell;
use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::memory::platform;

const NOBODY: usize = 0;

/// A value in a static that one caller uses at a time.
///
/// [`Exclusive::with`] stops where it is entered again from within: a module aborts, a native
/// thread panics. A native thread waits for the others.
#[repr(C)]
pub struct Exclusive<T> {
    // First, so that the address of the cell is the address of the value.
    value: UnsafeCell<T>,
    /// The thread that uses the value; 0 for none.
    user: AtomicUsize,
}

// SAFETY: `with` and `with_leaf` let one caller at a time reach the value: by the lock, or since
// one thread is all there is.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            user: AtomicUsize::new(NOBODY),
        }
    }

    /// Runs `f` with the value to itself.
    ///
    /// Entering the same cell again from within `f` aborts a module, and panics in a native
    /// process.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        while let Err(user) = self.enter() {
            if platform::SINGLE_THREADED || user == platform::this_thread() {
                a_call_came_back_from_within_or_the_instance_had_stopped_in_one();
            }
            spin_loop();
        }
        let _release = Release(&self.user);
        // SAFETY: nobody used the value, and it is ours until `_release` drops.
        f(unsafe { &mut *self.value.get() })
    }

    /// Takes the value for this thread, or tells which one has it.
    #[inline]
    fn enter(&self) -> Result<usize, usize> {
        let (us, user) = (platform::this_thread(), &self.user);
        if !platform::SINGLE_THREADED {
            return user.compare_exchange(NOBODY, us, Ordering::Acquire, Ordering::Relaxed);
        }
        // The same in less code.
        match user.load(Ordering::Relaxed) {
            NOBODY => {
                user.store(us, Ordering::Relaxed);
                Ok(NOBODY)
            }
            other => Err(other),
        }
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

// Its name tells the reason in the backtrace of any host.
#[cold]
#[inline(never)]
fn a_call_came_back_from_within_or_the_instance_had_stopped_in_one() -> ! {
    black_box(NOBODY);
    platform::abort()
}

impl<T: Copy> Exclusive<T> {
    /// A copy of the value. Stops where [`with`](Self::with) does.
    pub fn get(&self) -> T {
        self.stop_if_in_use();
        // SAFETY: copying a value calls nothing, and nobody has it who does.
        unsafe { self.with_leaf(|cell| *cell) }
    }

    /// Replaces the value. Stops where [`with`](Self::with) does.
    pub fn set(&self, value: T) {
        self.stop_if_in_use();
        // SAFETY: as for `get`.
        unsafe { self.with_leaf(|cell| *cell = value) }
    }

    /// Where one thread is all there is, a call from within `with` is all that can be in the way.
    /// Elsewhere `with_leaf` looks for itself.
    #[inline]
    fn stop_if_in_use(&self) {
        if platform::SINGLE_THREADED && self.user.load(Ordering::Relaxed) != NOBODY {
            a_call_came_back_from_within_or_the_instance_had_stopped_in_one();
        }
    }
}

/// Frees the cell also when its user panics.
struct Release<'a>(&'a AtomicUsize);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(NOBODY, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn the_value_persists_between_uses() {
        static CELL: Exclusive<u32> = Exclusive::new(0);
        CELL.with(|value| *value += 1);
        assert_eq!(CELL.get(), 1);
        CELL.set(7);
        assert_eq!(CELL.with(|value| *value), 7);
    }

    #[cfg(panic = "unwind")]
    #[test]
    fn entering_a_cell_from_within_stops_and_frees_it() {
        static CELL: Exclusive<u32> = Exclusive::new(0);
        let entered = std::panic::catch_unwind(|| CELL.with(|_| CELL.with(|_| ())));
        assert!(entered.is_err());
        assert!(std::panic::catch_unwind(|| CELL.with(|_| CELL.get())).is_err());
        assert!(std::panic::catch_unwind(|| CELL.with(|_| CELL.set(1))).is_err());
        CELL.with(|value| *value += 1);
    }
}
