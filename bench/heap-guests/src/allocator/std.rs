//! The allocator that std takes by itself: C's `malloc` on `wasm32-wasip1`.
