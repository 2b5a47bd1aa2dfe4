//! What the standard library's test harness links and this wasi-libc lacks. There is no thread to
//! wait for.
#![no_std]

const ENOTSUP: i32 = 58;

#[unsafe(no_mangle)]
extern "C" fn pthread_join(_thread: usize, _result: usize) -> i32 {
    ENOTSUP
}

#[unsafe(no_mangle)]
extern "C" fn pthread_detach(_thread: usize) -> i32 {
    ENOTSUP
}
