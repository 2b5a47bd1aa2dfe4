//! What a host reads and writes: the instance info, the region's bytes, the heap's own structures.
//!
//! Hosts find the plan in a custom section ([`Plan::decode`](crate::Plan::decode)) and the rest in
//! linear memory, by these types, without calling the guest. `docs/formats.md` has the bytes.
//! Everything here takes bytes from strangers: it checks them, and costs time in proportion to
//! their number.
//!
//! ```
//! use steadfast::format::{FormatError, RegionInfo};
//!
//! // An image that was cut off.
//! assert!(matches!(RegionInfo::read(&[0; 16]), Err(FormatError::Truncated { .. })));
//! ```

pub use crate::heap::{ClassStats, HeapMap, HeapStats, HeapUsage, MapError, Part, PartKind};
pub use crate::instance_info::{
    Exhaustion, InstanceInfo, InstanceInfoError, Reservation, Shortage,
};
pub use crate::region::{
    AttachError, BUCKET_BYTES, BlockInfo, ENTRY_HEADER_BYTES, EntryInfo, FORMAT_VERSION, Figure,
    FormatError, Geometry, HEADER_BYTES, Header, Kind, MAX_KEY_BYTES, MAX_VALUE_BYTES, PoolHeader,
    PoolInfo, RegionInfo, RegionReader, SLOTS, Start, Stats, Status, USER_TAG_BYTES, block_bytes,
    clear, seal, set_user_tag,
};
