//! The region that the module reserved.

use super::{Growth, Region, RegionParts};
use crate::exclusive::Exclusive;
use crate::memory::platform::{self, per_instance};
use crate::plan::{Plan, Policy};
use crate::reserve;

per_instance! {
    static TAKEN: Exclusive<bool> = Exclusive::new(false);
}

/// The region was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the module's one region is taken already; keep the cache that was opened first, and share it"
)]
pub struct RegionTakenError;

impl Region {
    /// Takes the module's region, reserving memory first if that is still to be done.
    ///
    /// As large as the host granted, less where the host wrote a limit into the
    /// [instance info](crate::instance_info::InstanceInfo).
    ///
    /// # Errors
    ///
    /// The region was taken before.
    pub fn reserved() -> Result<Region, RegionTakenError> {
        if TAKEN.get() {
            return Err(RegionTakenError);
        }
        TAKEN.set(true);
        let (grant, info, encoded) = reserve::in_force();
        let plan = Plan::read(encoded);
        let growth = match plan.policy() {
            Policy::OnDemand { step } => Growth::OnDemand {
                step: u32::try_from(step.get()).unwrap_or(u32::MAX),
                limit: info.region_limit,
                extend: reserve::extend_region,
            },
            _ => Growth::Fixed,
        };
        let (start, lease) = platform::leased(grant.region.start);
        let parts = RegionParts {
            start,
            capacity: info.region_len,
            fresh_from: grant.fresh_offset(grant.region),
            expected_entry: plan.expected_entry(),
            plan_fingerprint: Plan::fingerprint_of(encoded),
            module_tag: info.module_tag,
            forget_seed: info.forget_seed | platform::forget_seed(),
            growth,
        };
        // SAFETY: the reservation made these bytes the region's alone, from a page boundary on;
        // `TAKEN` gives them out once, and `extend_region` appends to them only what it
        // grew itself, where the lease is. The lease keeps them. The plan ends a page below
        // the address space.
        let region = unsafe { Region::leased(parts, lease) };
        let undeclared = grant.undeclared(grant.region, platform::static_end());
        // SAFETY: region and pages are linear memory's.
        Ok(unsafe { region.beside(undeclared, reserve::cut_region) })
    }
}
