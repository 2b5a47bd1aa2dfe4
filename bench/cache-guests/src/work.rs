//! What the host asks for, and what it is told.

use core::array;

use crate::Subject;
use crate::entry::{Key, resemble, value};
use crate::script::{self, Step};
use steadfast::exclusive::Exclusive;

/// Room for the host's numbers or script: for one operation with a value of 64 KiB.
pub const WORK_BYTES: usize = (64 << 10) + 256;

/// Keys that are looked up at a time.
const MANY: usize = 64;

/// Where the host writes them: numbers as little-endian `u32`, or a script.
#[allow(non_upper_case_globals, reason = "the name is the module's export")]
#[unsafe(no_mangle)]
pub static bench_work: Exclusive<[u8; WORK_BYTES]> = Exclusive::new([0; WORK_BYTES]);

/// What is done with each number, or with the script.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Looks up.
    Get,
    /// Looks up, and stores what is not there.
    GetOrInsert,
    /// Stores.
    Insert,
    /// Drops.
    Remove,
    /// Carries a script out.
    Script,
    /// Looks up several at a time.
    GetMany,
}

impl Op {
    fn of(code: u32) -> Op {
        match code {
            0 => Op::Get,
            1 => Op::GetOrInsert,
            2 => Op::Insert,
            3 => Op::Remove,
            4 => Op::Script,
            _ => Op::GetMany,
        }
    }
}

/// How the lookups went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    hits: u32,
    wrong: u32,
}

impl Tally {
    /// Hits in the low half, wrong values in the high one.
    pub fn encode(self) -> u64 {
        u64::from(self.wrong) << 32 | u64::from(self.hits)
    }

    #[inline(always)]
    fn get(&mut self, cache: &mut impl Subject, key: &[u8], expected: &[u8]) -> bool {
        let mut right = false;
        let hit = cache.get(key, |value| right = resemble(value, expected));
        self.hits += u32::from(hit);
        self.wrong += u32::from(hit && !right);
        hit
    }

    #[inline(always)]
    fn get_many(&mut self, cache: &mut impl Subject, numbers: &[[u8; 4]]) {
        for bytes in numbers.chunks(MANY) {
            let number = |at: usize| u32::from_le_bytes(bytes[at % bytes.len()]);
            let keys: [Key; MANY] = array::from_fn(|at| Key::of(number(at)));
            let keys: [&[u8]; MANY] = array::from_fn(|at| keys[at].bytes());
            cache.get_many(&keys[..bytes.len()], |at, held| {
                self.hits += 1;
                self.wrong += u32::from(!resemble(held, value(number(at))));
            });
        }
    }

    #[inline(always)]
    fn get_or_insert(&mut self, cache: &mut impl Subject, key: &[u8], value: &[u8]) {
        if !self.get(cache, key, value) {
            cache.insert(key, value);
        }
    }
}

/// Does one thing with the first `count` numbers, or bytes of script, that the host wrote.
pub fn run(cache: &mut impl Subject, op: u32, count: u32) -> Tally {
    bench_work.with(|work| {
        let mut tally = Tally::default();
        let (numbers, _) = work.as_chunks::<4>();
        // One loop for each, so that none chooses anew each time.
        match Op::of(op) {
            Op::Script => carry_out(cache, &work[..count as usize], &mut tally),
            Op::GetMany => tally.get_many(cache, &numbers[..count as usize]),
            Op::Get => each(&numbers[..count as usize], |key, value| {
                tally.get(cache, key, value);
            }),
            Op::GetOrInsert => each(&numbers[..count as usize], |key, value| {
                tally.get_or_insert(cache, key, value);
            }),
            Op::Insert => each(&numbers[..count as usize], |key, value| {
                cache.insert(key, value)
            }),
            Op::Remove => each(&numbers[..count as usize], |key, _| cache.remove(key)),
        }
        tally
    })
}

#[inline(always)]
fn each(numbers: &[[u8; 4]], mut body: impl FnMut(&[u8], &[u8])) {
    for bytes in numbers {
        let number = u32::from_le_bytes(*bytes);
        body(Key::of(number).bytes(), value(number));
    }
}

fn carry_out(cache: &mut impl Subject, mut script: &[u8], tally: &mut Tally) {
    while let Some(Step { what, key, value }) = script::next(&mut script) {
        match Op::of(u32::from(what)) {
            Op::Get => {
                tally.get(cache, key, value);
            }
            Op::GetOrInsert => tally.get_or_insert(cache, key, value),
            Op::Insert | Op::Script | Op::GetMany => cache.insert(key, value),
            Op::Remove => cache.remove(key),
        }
    }
}

/// The bytes of the value that a number makes.
pub fn value_bytes(number: u32) -> u32 {
    value(number).len() as u32
}

/// The bytes of all keys and values; with `check`, `u64::MAX` if one of the values is not what its
/// key's number makes.
pub fn payload(cache: &impl Subject, check: bool) -> u64 {
    let mut bytes = 0;
    let mut right = true;
    cache.each(|key, held| {
        bytes += (key.len() + held.len()) as u64;
        if check {
            let number = Key::number(key);
            right &= key == Key::of(number).bytes() && held == value(number);
        }
    });
    if right { bytes } else { u64::MAX }
}
