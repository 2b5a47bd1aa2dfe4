//! What a host reads and writes: the record, the region's bytes, the heap's own structures.
//!
//! Hosts find the plan in a custom section ([`Plan::decode`](crate::Plan::decode)) and the rest in linear
//! memory, by these types, without calling the guest. `docs/formats.md` has the bytes. Everything here
//! takes bytes from strangers: it checks them, and costs time in proportion to their number.
//!
//! ```
//! use steadfast::format::{FormatError, inspect};
//!
//! // An image that was cut off.
//! assert!(matches!(inspect(&[0; 16]), Err(FormatError::Truncated { .. })));
//! ```

pub use crate::heap::{ClassCounters, Counters, Gauges, HeapMap, MapFault, Part, PartKind};
pub use crate::record::{Exhaustion, Record, RecordError, Shortage, State};
pub use crate::region::{
    BUCKET_BYTES, Block, Cold, ENTRY_HEADER_BYTES, Entry, FORMAT_VERSION, Figure, FormatError,
    Geometry, HEADER_BYTES, Header, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, PoolHeader, PoolInfo,
    RegionInfo, SLOTS, Start, Stats, Status, Survey, USER_TAG_BYTES, block_bytes, empty, inspect,
    seal, set_user_tag,
};
