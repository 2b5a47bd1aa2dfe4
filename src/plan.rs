//! The address map as constants: where the region stands, how large it may be, how it is asked for.
//!
//! ```text
//! region_base + region_max  ┌────────────┐
//!                           │ region     │
//! region_base               ├────────────┤
//!                           │ C part     │  c_heap bytes, on WASI or with the feature `c`
//!                           ├────────────┤
//!                           │ heap       │
//! page after static data    └────────────┘
//! ```

use core::fmt;
use core::mem::offset_of;

use crate::units::{Bytes, PAGE_BYTES};

include!(concat!(env!("OUT_DIR"), "/baked.rs"));

/// How the region is asked of the host. Every policy but [`OnDemand`](Policy::OnDemand) asks once in
/// the life of an instance, a bounded number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The most that the host grants up to the maximum, in whole MiB: at most 13 calls of
    /// `memory.grow`.
    Probe,
    /// The maximum or the first of its halves that the host grants: few distinct sizes.
    Ladder,
    /// The maximum with one call, or no region. For hosts that trap when growth is refused.
    Exact,
    /// Grows in steps while the cache fills. For engines that commit memory when it grows. The first
    /// step has room for the index of the whole maximum: a host that grants less gives no cache,
    /// where [`Probe`](Policy::Probe) makes a smaller one.
    OnDemand {
        /// Bytes of one step, a whole number of pages.
        step: Bytes,
    },
    /// No region: the cache misses always.
    Off,
}

/// The word that `STEADFAST_POLICY` has for it, and the step.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Probe => f.write_str("probe"),
            Policy::Ladder => f.write_str("ladder"),
            Policy::Exact => f.write_str("exact"),
            Policy::OnDemand { step } => write!(f, "on-demand, {} B a step", step.get()),
            Policy::Off => f.write_str("off"),
        }
    }
}

/// The plan of a module's linear memory. Constant: every run of a module has the same.
///
/// A plan that exists is valid. Each builder checks the whole plan, and panics when the numbers do
/// not fit together; in a constant that is a compile error. So set first what makes room: a smaller
/// C part before a lower base, a smaller maximum before a higher one.
///
/// ```
/// use steadfast::{Bytes, Plan, Policy};
///
/// const PLAN: Plan = Plan::DEFAULT
///     .with_region_base(Bytes::mib(64))
///     .with_region_max(Bytes::mib(256))
///     .with_policy(Policy::Ladder);
/// assert_eq!(PLAN.region_base().get(), 64 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    region_base: Bytes,
    region_max: Bytes,
    c_heap: Bytes,
    expected_entry: u32,
    policy: Policy,
}

/// What the `STEADFAST_*` variables of the build say.
struct Variables {
    region_base: Option<Bytes>,
    region_max: Option<Bytes>,
    c_heap: Option<Bytes>,
    expected_entry: Option<u32>,
    policy: Option<Policy>,
}

impl Variables {
    /// The plan with what the variables say in place of its own numbers.
    const fn over(&self, plan: Plan) -> Plan {
        const fn or(set: Option<Bytes>, otherwise: Bytes) -> Bytes {
            match set {
                Some(bytes) => bytes,
                None => otherwise,
            }
        }
        Plan {
            region_base: or(self.region_base, plan.region_base),
            region_max: or(self.region_max, plan.region_max),
            c_heap: or(self.c_heap, plan.c_heap),
            expected_entry: match self.expected_entry {
                Some(bytes) => bytes,
                None => plan.expected_entry,
            },
            policy: match self.policy {
                Some(policy) => policy,
                None => plan.policy,
            },
        }
        .checked()
    }
}

/// A plan as the custom section holds it.
pub type EncodedPlan = [u8; Plan::ENCODED_LEN];

impl Plan {
    /// The largest expected entry, in bytes; the smallest is 1.
    pub const MAX_EXPECTED_ENTRY: u32 = 1 << 20;

    /// 128 MiB for static data and heap, up to 1 GiB of region, 4 MiB for C, entries of 137 bytes,
    /// policy probe.
    ///
    /// A `STEADFAST_*` variable of the build (see the README) replaces its number, here and in
    /// [`METASHREW`](Self::METASHREW).
    pub const DEFAULT: Self = VARIABLES.over(Self {
        region_base: Bytes::mib(128),
        region_max: Bytes::gib(1),
        c_heap: Bytes::mib(4),
        expected_entry: 137,
        policy: Policy::Probe,
    });

    /// For metashrew's indexers: 1 GiB for static data and heap, and up to 1023 MiB of region;
    /// otherwise as [`DEFAULT`](Self::DEFAULT).
    ///
    /// A production indexer needs more heap than the default plan has, and a node halts where the
    /// heap ends. The region ends a MiB below 2 GiB, because metashrew's host and others take a
    /// pointer for an `i32`.
    ///
    /// ```
    /// use steadfast::Plan;
    ///
    /// steadfast::plan!(Plan::METASHREW);
    /// # fn main() {}
    /// ```
    pub const METASHREW: Self = VARIABLES.over(Self {
        region_base: Bytes::gib(1),
        region_max: Bytes::mib(1023),
        c_heap: Bytes::mib(4),
        expected_entry: 137,
        policy: Policy::Probe,
    });

    /// Places the region, and with it the end of the heap's budget. A whole number of pages. Base
    /// and maximum together stay a page below 4 GiB.
    ///
    /// # Panics
    /// When the plan is not valid then. To place the region so low that the C part does not fit,
    /// call [`with_c_heap`](Self::with_c_heap) first.
    pub const fn with_region_base(self, region_base: Bytes) -> Self {
        Self {
            region_base,
            ..self
        }
        .checked()
    }

    /// The largest region that is asked for. A whole number of pages.
    ///
    /// # Panics
    /// When the plan is not valid then.
    pub const fn with_region_max(self, region_max: Bytes) -> Self {
        Self { region_max, ..self }.checked()
    }

    /// The part at the top of the budget that serves C's `malloc` and components, on WASI or with
    /// the feature `c`. A whole number of pages.
    ///
    /// # Panics
    /// When the plan is not valid then.
    pub const fn with_c_heap(self, c_heap: Bytes) -> Self {
        Self { c_heap, ..self }.checked()
    }

    /// Bytes of key and value in a typical entry. The cache sizes its index by it.
    ///
    /// # Panics
    /// When it is 0, or more than 1 MiB.
    pub const fn with_expected_entry(self, bytes: u32) -> Self {
        Self {
            expected_entry: bytes,
            ..self
        }
        .checked()
    }

    /// How the region is asked for.
    ///
    /// # Panics
    /// When the step of [`Policy::OnDemand`] is no positive number of whole pages below 4 GiB.
    pub const fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }.checked()
    }

    /// The same without a region: valid if this plan is.
    pub(crate) const fn without_region(self) -> Self {
        Self {
            policy: Policy::Off,
            ..self
        }
    }

    /// The address at which the region begins.
    pub const fn region_base(&self) -> Bytes {
        self.region_base
    }

    /// The largest region that is asked for.
    pub const fn region_max(&self) -> Bytes {
        self.region_max
    }

    /// The size of the part that serves C.
    pub const fn c_heap(&self) -> Bytes {
        self.c_heap
    }

    /// Bytes of key and value in a typical entry.
    pub const fn expected_entry(&self) -> u32 {
        self.expected_entry
    }

    /// How the region is asked for.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// The plan itself when its numbers fit together, as those of every plan do: what each builder
    /// ends with.
    ///
    /// # Panics
    /// Otherwise, naming what is wrong.
    pub const fn checked(self) -> Self {
        match self.fault() {
            None => self,
            Some(fault) => panic!("{}", fault),
        }
    }

    const fn fault(&self) -> Option<&'static str> {
        // The last page of the address space is never owned.
        const END: u64 = (4 << 30) - PAGE_BYTES;
        if !self.region_base.is_whole_pages() {
            return Some(
                "steadfast plan: the region's base (STEADFAST_REGION_BASE) must be a multiple of 64 KiB",
            );
        }
        if self.region_base.get() < 2 * PAGE_BYTES {
            return Some(
                "steadfast plan: the region's base (STEADFAST_REGION_BASE) leaves no room for static data and a heap; choose at least 128 KiB, typically 128 MiB",
            );
        }
        if !self.region_max.is_whole_pages() {
            return Some(
                "steadfast plan: the region's maximum (STEADFAST_REGION_MAX) must be a multiple of 64 KiB",
            );
        }
        if self.region_base.get() > END || self.region_max.get() > END - self.region_base.get() {
            return Some(
                "steadfast plan: the region's base and maximum (STEADFAST_REGION_BASE, STEADFAST_REGION_MAX) together must stay a page below 4 GiB",
            );
        }
        if !self.c_heap.is_whole_pages() {
            return Some(
                "steadfast plan: the C part (STEADFAST_C_HEAP) must be a multiple of 64 KiB",
            );
        }
        if self.c_heap.get() > self.region_base.get() - 2 * PAGE_BYTES {
            return Some(
                "steadfast plan: the C part leaves no room for the heap below the region's base; lower STEADFAST_C_HEAP (0 is none), or raise STEADFAST_REGION_BASE",
            );
        }
        if self.expected_entry < 1 || self.expected_entry > Plan::MAX_EXPECTED_ENTRY {
            return Some(
                "steadfast plan: the expected entry (STEADFAST_EXPECTED_ENTRY) must be between 1 byte and 1 MiB",
            );
        }
        if let Policy::OnDemand { step } = self.policy {
            if step.get() == 0 || !step.is_whole_pages() {
                return Some(
                    "steadfast plan: the step of the on-demand policy (STEADFAST_STEP) must be a positive multiple of 64 KiB",
                );
            }
            if step.get() > END {
                return Some(
                    "steadfast plan: the step of the on-demand policy (STEADFAST_STEP) must stay below 4 GiB",
                );
            }
        }
        None
    }

    /// Bytes of the plan's encoded form.
    pub const ENCODED_LEN: usize = 64;

    /// The name of the custom section that [`plan!`](crate::plan!) emits.
    pub const SECTION: &'static str = "steadfast.plan";

    const MAGIC: [u8; 8] = *b"stdfplan";
    const FORMAT: u32 = 1;
    const LAST_POLICY: u32 = 4;

    /// The plan as the custom section holds it: little-endian, versioned, ended by its fingerprint.
    pub const fn encode(&self) -> EncodedPlan {
        let (policy, step) = match self.policy {
            Policy::Probe => (0, 0),
            Policy::Ladder => (1, 0),
            Policy::Exact => (2, 0),
            Policy::OnDemand { step } => (3, step.get()),
            Policy::Off => (Self::LAST_POLICY, 0),
        };
        let mut out = [0; Self::ENCODED_LEN];
        put(&mut out, offset_of!(Section, magic), &Self::MAGIC);
        put(
            &mut out,
            offset_of!(Section, format),
            &Self::FORMAT.to_le_bytes(),
        );
        put(
            &mut out,
            offset_of!(Section, expected_entry),
            &self.expected_entry.to_le_bytes(),
        );
        put(
            &mut out,
            offset_of!(Section, region_base),
            &self.region_base.get().to_le_bytes(),
        );
        put(
            &mut out,
            offset_of!(Section, region_max),
            &self.region_max.get().to_le_bytes(),
        );
        put(
            &mut out,
            offset_of!(Section, c_heap),
            &self.c_heap.get().to_le_bytes(),
        );
        put(&mut out, offset_of!(Section, step), &step.to_le_bytes());
        put(&mut out, offset_of!(Section, policy), &policy.to_le_bytes());
        let fingerprint = fnv1a(&out, offset_of!(Section, fingerprint));
        put(
            &mut out,
            offset_of!(Section, fingerprint),
            &fingerprint.to_le_bytes(),
        );
        out
    }

    /// A number that differs between plans: FNV-1a of the encoded form.
    pub const fn fingerprint(&self) -> u64 {
        Self::fingerprint_of(&self.encode())
    }

    /// The fingerprint that ends an encoded plan.
    pub(crate) const fn fingerprint_of(encoded: &EncodedPlan) -> u64 {
        u64_at(encoded, offset_of!(Section, fingerprint))
    }

    /// Reads what [`Plan::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are not a plan of this format, or the plan's numbers do not fit together.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        match bytes.try_into() {
            Ok(bytes) => Self::decode_whole(bytes),
            Err(_) => Err(PlanError::Length(bytes.len())),
        }
    }

    /// As [`Plan::decode`].
    pub(crate) const fn decode_whole(bytes: &EncodedPlan) -> Result<Self, PlanError> {
        if u64_at(bytes, offset_of!(Section, magic)) != u64::from_le_bytes(Self::MAGIC) {
            return Err(PlanError::Magic);
        }
        if u32_at(bytes, offset_of!(Section, format)) != Self::FORMAT {
            return Err(PlanError::Format(u32_at(
                bytes,
                offset_of!(Section, format),
            )));
        }
        if Self::fingerprint_of(bytes) != fnv1a(bytes, offset_of!(Section, fingerprint)) {
            return Err(PlanError::Fingerprint);
        }
        if u32_at(bytes, offset_of!(Section, policy)) > Self::LAST_POLICY {
            return Err(PlanError::Policy(u32_at(
                bytes,
                offset_of!(Section, policy),
            )));
        }
        let plan = Self::read(bytes);
        match plan.fault() {
            None => Ok(plan),
            Some(fault) => Err(PlanError::Unfit(fault)),
        }
    }

    /// As [`Plan::decode`], of bytes that are known to be a plan.
    #[inline(always)]
    pub(crate) const fn read(bytes: &EncodedPlan) -> Self {
        Self {
            expected_entry: u32_at(bytes, offset_of!(Section, expected_entry)),
            region_base: Bytes::new(u64_at(bytes, offset_of!(Section, region_base))),
            region_max: Bytes::new(u64_at(bytes, offset_of!(Section, region_max))),
            c_heap: Bytes::new(u64_at(bytes, offset_of!(Section, c_heap))),
            policy: match u32_at(bytes, offset_of!(Section, policy)) {
                0 => Policy::Probe,
                1 => Policy::Ladder,
                2 => Policy::Exact,
                3 => Policy::OnDemand {
                    step: Bytes::new(u64_at(bytes, offset_of!(Section, step))),
                },
                _ => Policy::Off,
            },
        }
    }
}

/// The custom section, as its bytes have it: all numbers little-endian.
#[repr(C)]
struct Section {
    magic: [u8; 8],
    format: u32,
    expected_entry: u32,
    region_base: u64,
    region_max: u64,
    c_heap: u64,
    /// Of the policy on demand.
    step: u64,
    policy: u32,
    zero: u32,
    /// FNV-1a of what stands before it.
    fingerprint: u64,
}

const _: () = assert!(size_of::<Section>() == Plan::ENCODED_LEN);

/// Why bytes are not a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The number of bytes is not [`Plan::ENCODED_LEN`].
    #[error("a plan has {len} bytes, these are {0}", len = Plan::ENCODED_LEN)]
    Length(usize),
    /// The first bytes are not a plan's.
    #[error("the bytes do not begin as a plan does")]
    Magic,
    /// Written by another version of this crate.
    #[error("the plan has format {0}, this version reads format 1")]
    Format(u32),
    /// The bytes were changed after they were written.
    #[error("the plan's fingerprint does not fit its bytes")]
    Fingerprint,
    /// A policy that this version does not know.
    #[error("the plan names the unknown policy {0}")]
    Policy(u32),
    /// The numbers do not fit together.
    #[error("{0}")]
    Unfit(&'static str),
}

const fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    let mut i = 0;
    while i < bytes.len() {
        out[at + i] = bytes[i];
        i += 1;
    }
}

#[inline(always)]
const fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline(always)]
const fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) as u64 | (u32_at(bytes, at + 4) as u64) << 32
}

const fn fnv1a(bytes: &[u8], len: usize) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < len {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const ON_DEMAND: Plan = Plan::DEFAULT
        .with_region_base(Bytes::mib(32))
        .with_region_max(Bytes::mib(7))
        .with_c_heap(Bytes::kib(64))
        .with_expected_entry(60)
        .with_policy(Policy::OnDemand {
            step: Bytes::mib(1),
        });

    #[test]
    fn what_was_encoded_is_decoded() {
        for policy in [
            Policy::Probe,
            Policy::Ladder,
            Policy::Exact,
            Policy::Off,
            ON_DEMAND.policy,
        ] {
            let plan = ON_DEMAND.with_policy(policy);
            assert_eq!(Plan::decode(&plan.encode()), Ok(plan));
        }
    }

    #[test]
    fn a_policy_has_the_words_of_its_variable() {
        assert_eq!(
            ON_DEMAND.policy().to_string(),
            "on-demand, 1048576 B a step"
        );
        assert_eq!(Plan::DEFAULT.policy().to_string(), "probe");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let encoded = ON_DEMAND.encode();
        for at in 0..encoded.len() {
            let mut changed = encoded;
            changed[at] ^= 0x40;
            assert!(Plan::decode(&changed).is_err(), "byte {at}");
        }
        assert_eq!(Plan::decode(&encoded[1..]), Err(PlanError::Length(63)));
    }

    /// The first byte past the plan has an address that is positive as an `i32`.
    #[test]
    fn metashrew_s_plan_stays_below_two_gib() {
        let plan = Plan::METASHREW;
        assert!(plan.region_base() >= Bytes::gib(1));
        let end = plan.region_base().get() + plan.region_max().get();
        assert!(i32::try_from(end).is_ok(), "{end:#x}");
    }

    #[test]
    fn variables_replace_the_numbers_of_a_plan_and_no_others() {
        let none = Variables {
            region_base: None,
            region_max: None,
            c_heap: None,
            expected_entry: None,
            policy: None,
        };
        assert_eq!(none.over(ON_DEMAND), ON_DEMAND);
        let region_base = Variables {
            region_base: Some(Bytes::mib(64)),
            ..none
        };
        let expected = ON_DEMAND.with_region_base(Bytes::mib(64));
        assert_eq!(region_base.over(ON_DEMAND), expected);
    }

    /// Plans that no builder makes.
    fn unfit() -> [Plan; 12] {
        let base = |region_base| Plan {
            region_base,
            ..ON_DEMAND
        };
        let max = |region_max| Plan {
            region_max,
            ..ON_DEMAND
        };
        let c_heap = |c_heap| Plan {
            c_heap,
            ..ON_DEMAND
        };
        let step = |step| Plan {
            policy: Policy::OnDemand { step },
            ..ON_DEMAND
        };
        [
            base(Bytes::new(1000)),
            base(Bytes::kib(64)),
            base(Bytes::gib(4)),
            max(Bytes::new(1)),
            max(Bytes::gib(4)),
            max(Bytes::new(u64::MAX)),
            max(Bytes::new(0u64.wrapping_sub(PAGE_BYTES))),
            c_heap(Bytes::new(5)),
            c_heap(Bytes::mib(32)),
            step(Bytes::ZERO),
            step(Bytes::gib(4)),
            Plan {
                expected_entry: 0,
                ..ON_DEMAND
            },
        ]
    }

    #[test]
    fn plans_that_do_not_fit_are_named() {
        for plan in unfit() {
            assert!(plan.fault().is_some(), "{plan:?}");
            assert!(matches!(
                Plan::decode(&plan.encode()),
                Err(PlanError::Unfit(_))
            ));
        }
    }

    #[test]
    fn plans_down_to_forty_mib_are_allowed() {
        let small = Plan::DEFAULT
            .with_region_base(Bytes::mib(24))
            .with_region_max(Bytes::mib(16))
            .with_c_heap(Bytes::kib(256));
        assert_eq!(small.region_base(), Bytes::mib(24));
    }
}
