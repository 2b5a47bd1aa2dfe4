//! The wrappers that metashrew's cache has around its keys and values. Entries here are plain bytes: they serve signatures alone.

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
