//! The crate `wee_alloc`.

#[global_allocator]
static ALLOCATOR: wee_alloc::WeeAlloc<'_> = wee_alloc::WeeAlloc::INIT;
