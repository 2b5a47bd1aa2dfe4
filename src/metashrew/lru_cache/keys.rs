//! The wrappers that metashrew's cache has around its keys and values. Entries here are plain
//! bytes: they serve signatures alone.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheValue(pub Arc<Vec<u8>>);

/// A key of the main pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey(pub Arc<Vec<u8>>);

/// A key of the application's pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiCacheKey(pub String);

/// A key at a view's height.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeightPartitionedKey {
    /// The view's height.
    pub height: u32,
    /// The key.
    pub key: Arc<Vec<u8>>,
}

impl From<Arc<Vec<u8>>> for CacheValue {
    fn from(value: Arc<Vec<u8>>) -> Self {
        Self(value)
    }
}

impl From<CacheValue> for Arc<Vec<u8>> {
    fn from(value: CacheValue) -> Self {
        value.0
    }
}

impl From<Arc<Vec<u8>>> for CacheKey {
    fn from(key: Arc<Vec<u8>>) -> Self {
        Self(key)
    }
}

impl From<CacheKey> for Arc<Vec<u8>> {
    fn from(key: CacheKey) -> Self {
        key.0
    }
}

impl From<String> for ApiCacheKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl From<ApiCacheKey> for String {
    fn from(key: ApiCacheKey) -> Self {
        key.0
    }
}

impl From<(u32, Arc<Vec<u8>>)> for HeightPartitionedKey {
    fn from((height, key): (u32, Arc<Vec<u8>>)) -> Self {
        Self { height, key }
    }
}

/// Tells the sizes that lru-mem tells of metashrew's own wrappers, as functions instead of its
/// traits.
macro_rules! sizes {
    ($($wrapper:ty: $of:ident => $heap:expr;)+) => {$(
        impl $wrapper {
            /// The bytes on the heap, the counted reference included.
            #[must_use]
            pub fn heap_size(&self) -> usize {
                let $of = self;
                $heap
            }

            /// [`heap_size`](Self::heap_size), and the bytes of the wrapper itself.
            #[must_use]
            pub fn mem_size(&self) -> usize {
                size_of::<Self>() + self.heap_size()
            }
        }
    )+};
}

sizes! {
    CacheValue: value => shared(&value.0);
    CacheKey: key => shared(&key.0);
    ApiCacheKey: key => size_of::<String>() + key.0.len();
    HeightPartitionedKey: key => size_of::<u32>() + shared(&key.key);
}

fn shared(bytes: &Arc<Vec<u8>>) -> usize {
    size_of::<Arc<Vec<u8>>>() + size_of::<Vec<u8>>() + bytes.len()
}
