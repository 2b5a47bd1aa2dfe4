//! The instance info: what a host reads there, and the fields that it may write before `_start`.

use std::num::NonZeroU32;

use steadfast::format::InstanceInfo;
use wasmtime::{AsContextMut, Instance};

use crate::digest::Digest;
use crate::image::module_tag;

/// Where the instance info should stand: the module says so, and nothing is believed. All
/// functions answer `None` where linear memory holds no instance info there, and write nothing
/// then.
///
/// ```
/// use steadfast_host::{GuestInfo, module_digest};
///
/// let mut memory = vec![0; 65536];
/// let info = GuestInfo::at(65_535);
/// let module = module_digest(b"\0asm\x01\0\0\0");
/// assert_eq!(info.name_module(&mut memory, &module), None);
/// assert_eq!(info.read(&memory), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestInfo {
    address: u32,
}

impl GuestInfo {
    /// Of an instance whose module exports one, as those do that are built on steadfast.
    pub fn of(instance: &Instance, mut store: impl AsContextMut) -> Option<Self> {
        let global = instance.get_global(&mut store, InstanceInfo::EXPORT)?;
        let address = global.get(&mut store).i32()? as u32;
        Some(GuestInfo { address })
    }

    /// At the address that the export [`InstanceInfo::EXPORT`] has for its value, for other
    /// engines.
    #[must_use]
    pub fn at(address: u32) -> Self {
        GuestInfo { address }
    }

    /// Its address.
    #[must_use]
    pub fn address(self) -> u32 {
        self.address
    }

    /// What stands in it.
    #[must_use]
    pub fn read(self, memory: &[u8]) -> Option<InstanceInfo> {
        InstanceInfo::decode(memory.get(self.address as usize..)?).ok()
    }

    /// Tells the instance which module it is, so that it refuses the image of another one.
    pub fn name_module(self, memory: &mut [u8], module: &Digest) -> Option<()> {
        let tag = module_tag(module).to_le_bytes();
        self.write(memory, InstanceInfo::MODULE_TAG_OFFSET, &tag)
    }

    /// Tells its cache how many bytes of the region to use at most; with 0, none.
    pub fn limit_cache(self, memory: &mut [u8], bytes: u32) -> Option<()> {
        self.write(
            memory,
            InstanceInfo::CACHE_LIMIT_OFFSET,
            &bytes.to_le_bytes(),
        )
    }

    /// Has its cache lose entries by chance, as the seed says.
    pub fn forget_by(self, memory: &mut [u8], seed: NonZeroU32) -> Option<()> {
        let seed = seed.get().to_le_bytes();
        self.write(memory, InstanceInfo::FORGET_SEED_OFFSET, &seed)
    }

    /// Tells it that the host has grown the pages from here on, and that nobody else uses them.
    pub fn note_host_pages(self, memory: &mut [u8], address: u32) -> Option<()> {
        self.write(
            memory,
            InstanceInfo::HOST_PAGES_FROM_OFFSET,
            &address.to_le_bytes(),
        )
    }

    fn write(self, memory: &mut [u8], offset: usize, bytes: &[u8]) -> Option<()> {
        self.read(memory)?;
        let field = self.address as usize + offset;
        memory[field..field + bytes.len()].copy_from_slice(bytes);
        Some(())
    }
}
