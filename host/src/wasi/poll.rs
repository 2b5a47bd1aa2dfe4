//! `poll_oneoff`: waits as it is asked to, but not longer than the run may take.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use super::memory::{MOST_IN_A_LIST, Memory};
use super::stop::{Errno, Failure, Stop};

const SUBSCRIPTION_BYTES: u64 = 48;
const EVENT_BYTES: u64 = 32;
const CLOCK: u8 = 0;
const IS_ABSOLUTE: u16 = 1;

/// The numbers of the clocks that there are.
pub(super) const REALTIME: u64 = 0;
pub(super) const MONOTONIC: u64 = 1;

/// When a run began, for the monotonic clock, and when it has to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub began: Instant,
    pub deadline: Option<Instant>,
}

impl Clock {
    pub fn start() -> Self {
        Clock {
            began: Instant::now(),
            deadline: None,
        }
    }

    /// Whether the run has to end.
    pub fn is_over(self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// What a clock shows: since 1970, or since the run began.
    pub fn now(self, clock: u64) -> Duration {
        match clock {
            REALTIME => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            _ => self.began.elapsed(),
        }
    }

    /// Waits until the first of `count` subscriptions is ready, and writes the events of all that are,
    /// and their number. Files and streams always are.
    pub fn poll(
        self,
        memory: &mut Memory<'_>,
        input: u64,
        output: u64,
        count: u64,
        answer: u64,
    ) -> Result<(), Failure> {
        if count > MOST_IN_A_LIST {
            return Err(Errno::INVAL.into());
        }
        let asked = memory.get(input, count * SUBSCRIPTION_BYTES)?;
        let waits = asked.chunks_exact(SUBSCRIPTION_BYTES as usize);
        let least = waits.map(|subscription| self.wait(subscription)).min();
        let least = least.ok_or(Errno::INVAL)?;
        self.sleep(least)?;
        let mut written = 0;
        for number in 0..count {
            let subscription = memory.array(input + number * SUBSCRIPTION_BYTES)?;
            if self.wait(&subscription) <= least {
                memory.put(output + written * EVENT_BYTES, &event(&subscription))?;
                written += 1;
            }
        }
        Ok(memory.put_u32(answer, written as usize)?)
    }

    /// Sleeps so long, or until the run has to end.
    fn sleep(self, wait: Duration) -> Result<(), Stop> {
        let left = self.deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        sleep(wait.min(left));
        match wait > left {
            true => Err(Stop::TimedOut),
            false => Ok(()),
        }
    }

    /// How long until a subscription is ready.
    fn wait(self, subscription: &[u8]) -> Duration {
        if subscription[8] != CLOCK {
            return Duration::ZERO;
        }
        let wanted = Duration::from_nanos(u64::from_le_bytes(part(subscription, 24)));
        if u16::from_le_bytes(part(subscription, 40)) & IS_ABSOLUTE == 0 {
            return wanted;
        }
        let clock = u32::from_le_bytes(part(subscription, 16));
        wanted.saturating_sub(self.now(clock.into()))
    }
}

fn part<const N: usize>(subscription: &[u8], at: usize) -> [u8; N] {
    let part = subscription[at..].first_chunk();
    *part.expect("a subscription is longer")
}

/// The event of a subscription that is ready: its number, no error, its type, and one byte to be read.
fn event(subscription: &[u8; SUBSCRIPTION_BYTES as usize]) -> [u8; EVENT_BYTES as usize] {
    let mut event = [0; EVENT_BYTES as usize];
    event[..8].copy_from_slice(&subscription[..8]);
    event[10] = subscription[8];
    event[16] = 1;
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls clocks, each for so many nanoseconds from now, and answers what was ready.
    fn polled(clock: Clock, waits: &[u64]) -> Result<Vec<u64>, Failure> {
        let mut memory = vec![0; 65536];
        let mut memory = Memory(&mut memory);
        for (number, wait) in (0..).zip(waits) {
            let at = number * SUBSCRIPTION_BYTES;
            memory.put(at, &number.to_le_bytes())?;
            memory.put(at + 24, &wait.to_le_bytes())?;
        }
        clock.poll(&mut memory, 0, 4096, waits.len() as u64, 8192)?;
        let count = u32::from_le_bytes(memory.array(8192)?);
        let number = |event: u32| memory.array(4096 + u64::from(event) * EVENT_BYTES);
        let numbers = (0..count).map(|event| Ok(u64::from_le_bytes(number(event)?)));
        numbers.collect()
    }

    #[test]
    fn the_first_of_several_is_waited_for() {
        let begin = Instant::now();
        let ready = polled(Clock::start(), &[u64::MAX, 2_000_000, 3_600_000_000_000]);
        assert_eq!(ready, Ok(vec![1]));
        assert!(begin.elapsed() >= Duration::from_millis(2));
        assert_eq!(polled(Clock::start(), &[0, 0]), Ok(vec![0, 1]));
    }

    #[test]
    fn nobody_waits_longer_than_the_run_may_take() {
        let began = Instant::now();
        let deadline = Some(began + Duration::from_millis(20));
        let clock = Clock { began, deadline };
        assert_eq!(polled(clock, &[u64::MAX]), Err(Stop::TimedOut.into()));
        assert!((20..2000).contains(&began.elapsed().as_millis()));
        assert!(clock.is_over());
    }

    #[test]
    fn what_is_outside_memory_is_refused() {
        let clock = Clock::start();
        let mut memory = [0; 64];
        let mut poll = |[input, output, count, answer]: [u64; 4]| {
            clock.poll(&mut Memory(&mut memory), input, output, count, answer)
        };
        for numbers in [
            [32, 0, 1, 0],
            [0, 0, MOST_IN_A_LIST, 0],
            [0, 40, 1, 0],
            [0, 0, 1, 62],
            [u32::MAX.into(), 0, 1, 0],
        ] {
            assert_eq!(poll(numbers), Err(Errno::FAULT.into()), "{numbers:?}");
        }
        for count in [0, MOST_IN_A_LIST + 1] {
            assert_eq!(poll([0, 0, count, 0]), Err(Errno::INVAL.into()));
        }
    }
}
