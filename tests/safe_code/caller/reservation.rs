//! Plans, sizes and the one reservation.

use std::cell::RefCell;

use steadfast::exclusive::Exclusive;
use steadfast::instance_info;
use steadfast::memory::host::{HostMemory, Script};
use steadfast::memory::{Memory, StaticEnd};
use steadfast::probe::{self, AddressRange, Ownership};
use steadfast::{Bytes, Pages, Plan, Policy};

use super::Caller;
use crate::random::Random;

/// Whole pages more often than not.
fn bytes(random: &mut Random) -> Bytes {
    match random.below(5) {
        0 => Bytes::new(random.number()),
        1 => Bytes::new(random.number() << 16),
        _ => Bytes::kib(64 * random.below(65_536)),
    }
}

fn policy(random: &mut Random) -> Policy {
    let step = bytes(random);
    random.pick(&[
        Policy::Probe,
        Policy::Ladder,
        Policy::Exact,
        Policy::OnDemand { step },
        Policy::Off,
    ])
}

pub fn plan(caller: &mut Caller) {
    let plan = caller.plan();
    let random = &mut caller.random;
    let plan = match random.below(5) {
        0 => plan.with_region_base(bytes(random)),
        1 => plan.with_region_max(bytes(random)),
        2 => plan.with_c_heap(bytes(random)),
        3 => plan.with_expected_entry(random.u32() >> random.below(32)),
        _ => plan.with_policy(policy(random)),
    };
    assert_eq!(Plan::decode(&plan.encode()), Ok(plan.checked()));
    caller.plans.push(plan);
}

pub fn encoded_plan(caller: &mut Caller) {
    let mut encoded = caller.plan().encode();
    caller.random.damage(&mut encoded);
    let len = caller.random.below(encoded.len() as u64 + 1) as usize;
    if let Ok(plan) = Plan::decode(&encoded) {
        caller.plans.push(plan);
    }
    let _ = Plan::decode(&encoded[..len]);
}

pub fn sizes(caller: &mut Caller) {
    let random = &mut caller.random;
    let (one, other) = (Pages(random.u32()), Pages(random.u32()));
    let _ = (one.bytes(), one.saturating_sub(other), one.floor_to_mib());
    let _ = Bytes::new(random.number()).pages_up();
    let unit = random.pick(&[Bytes::kib, Bytes::mib, Bytes::gib]);
    unit(random.number());
}

pub fn reserve(caller: &mut Caller) {
    let plan = caller.plan();
    let random = &mut caller.random;
    match random.below(5) {
        0 => drop(steadfast::reserve()),
        1 => drop(steadfast::reserve_heap()),
        2 => steadfast::on_refusal(|refusal| drop(refusal.to_string())),
        _ => {
            let grant = steadfast::reserve_with(&plan);
            let span = AddressRange {
                start: random.u32(),
                len: random.u32(),
            };
            grant.fresh_offset(span);
        }
    }
    assert_eq!(
        instance_info::current().grant_is_noted(),
        steadfast::granted().is_some()
    );
}

trait Noted {
    fn grant_is_noted(&self) -> bool;
}

impl Noted for steadfast::instance_info::InstanceInfo {
    fn grant_is_noted(&self) -> bool {
        self.state == steadfast::instance_info::Reservation::Reserved as u32
    }
}

/// A memory that answers what it likes.
struct Lying<'a>(RefCell<&'a mut Random>);

impl Memory for Lying<'_> {
    fn size(&self) -> Pages {
        Pages(self.0.borrow_mut().u32())
    }

    fn grow(&mut self, _by: Pages) -> Option<Pages> {
        let mut random = self.0.borrow_mut();
        (!random.chance(3)).then(|| Pages(random.u32()))
    }
}

pub fn probe(caller: &mut Caller) {
    let plan = caller.plan();
    let random = &mut caller.random;
    let static_end = StaticEnd {
        contents: random.u32() >> random.below(32),
        initial_memory: random.u32() >> random.below(32),
    };
    let ownership = random.pick(&[Ownership::Whole, Ownership::Beside]);
    let c_family = random.chance(2);
    let grant = if random.chance(2) {
        let mut memory = Lying(RefCell::new(random));
        probe::obtain(&mut memory, &plan, static_end, ownership, c_family)
    } else {
        let script = Script {
            initial: Pages(random.u32()),
            ceiling: Pages(random.u32()),
            refuse_nth: random.chance(2).then_some(1 + random.below(5) as u32),
            foreign: random
                .chance(2)
                .then(|| (random.below(5) as u32, Pages(random.u32()))),
        };
        let mut memory = HostMemory::new(script);
        probe::obtain(&mut memory, &plan, static_end, ownership, c_family)
    };
    if let Ok(grant) = grant {
        let end = u64::from(grant.region.start) + u64::from(grant.region.len);
        assert!(end <= plan.region_base().get() + plan.region_max().get());
        assert!(u64::from(grant.heap.start) + u64::from(grant.heap.len) <= end);
    }
}

pub fn exclusive(caller: &mut Caller) {
    static CELL: Exclusive<Vec<u8>> = Exclusive::new(Vec::new());
    static WORDS: Exclusive<[u64; 2]> = Exclusive::new([0; 2]);
    let bytes = caller.random.bytes(50);
    match caller.random.below(4) {
        0 => CELL.with(|value| *value = bytes),
        1 => CELL.with(|value| {
            let first = value.first().copied();
            CELL.with(Vec::clear);
            assert_eq!(value.first().copied(), first);
        }),
        2 => CELL.with(|value| {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| WORDS.set([7; 2]));
                value.extend(bytes);
                other.join().expect("it does not panic");
            });
        }),
        _ => assert_eq!(WORDS.get()[0], WORDS.get()[1]),
    }
}
