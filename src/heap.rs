//! A placeholder until the heap lands.
#![allow(missing_docs, clippy::all)]
use core::alloc::Layout;
use core::ptr::{self, NonNull};
pub struct Heap {
    start: *mut u8,
    next: usize,
    len: usize,
}
unsafe impl Send for Heap {}
pub struct Counters {
    pub live_bytes: usize,
    pub peak_bytes: usize,
    pub largest_free_bytes: usize,
    pub high_water_bytes: usize,
    pub budget_bytes: usize,
}
impl Heap {
    pub const fn new() -> Self {
        Self {
            start: ptr::null_mut(),
            next: 0,
            len: 0,
        }
    }
    pub const fn is_adopted(&self) -> bool {
        !self.start.is_null()
    }
    pub unsafe fn adopt(&mut self, start: NonNull<u8>, len: usize, _f: usize) {
        self.start = start.as_ptr();
        self.len = len;
    }
    pub fn alloc(&mut self, l: Layout) -> *mut u8 {
        let at = (self.next + l.align() - 1) & !(l.align() - 1);
        if at + l.size() > self.len {
            return ptr::null_mut();
        }
        self.next = at + l.size();
        unsafe { self.start.add(at) }
    }
    pub fn alloc_zeroed(&mut self, l: Layout) -> *mut u8 {
        self.alloc(l)
    }
    pub unsafe fn dealloc(&mut self, _p: *mut u8, _l: Layout) {}
    pub unsafe fn realloc(&mut self, p: *mut u8, l: Layout, n: usize) -> *mut u8 {
        let q = self.alloc(Layout::from_size_align(n, l.align()).unwrap());
        if !q.is_null() {
            unsafe { ptr::copy_nonoverlapping(p, q, l.size().min(n)) }
        }
        q
    }
    pub fn counters(&self) -> Counters {
        Counters {
            live_bytes: self.next,
            peak_bytes: self.next,
            largest_free_bytes: self.len - self.next,
            high_water_bytes: self.next,
            budget_bytes: self.len,
        }
    }
}
