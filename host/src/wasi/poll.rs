//! `poll_oneoff` for indexers: waits as it is asked to, but not longer than the run may take.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

pub(crate) const NAME: &str = "poll_oneoff";

const SUCCESS: i32 = 0;
const EFAULT: i32 = 21;
const EINVAL: i32 = 28;

const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;
const CLOCK: u8 = 0;
const REALTIME: u32 = 0;
const IS_ABSOLUTE: u16 = 1;

/// The run's time was over before what it waited for came.
pub(crate) struct TimedOut;

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

    /// Waits until the first of the subscriptions is ready, and writes the events of all that are. Files
    /// and streams always are. The numbers are the function's four arguments, the answer is its result.
    pub fn poll(self, memory: &mut [u8], numbers: [u32; 4]) -> Result<i32, TimedOut> {
        let [input, output, count, answer] = numbers.map(|number| number as usize);
        if count == 0 {
            return Ok(EINVAL);
        }
        let span =
            |start: usize, each: usize| Some(start..start.checked_add(count.checked_mul(each)?)?);
        let asked = span(input, SUBSCRIPTION_BYTES).and_then(|span| memory.get(span));
        let Some(asked) = asked else {
            return Ok(EFAULT);
        };
        let waits = asked.chunks_exact(SUBSCRIPTION_BYTES);
        let least = waits.map(|subscription| self.wait(subscription)).min();
        self.sleep(least.unwrap_or_default())?;
        let mut written = 0;
        for number in 0..count {
            let at = input + number * SUBSCRIPTION_BYTES;
            let subscription = memory.get(at..).and_then(|bytes| bytes.first_chunk());
            let Some(subscription) = subscription.copied() else {
                return Ok(EFAULT);
            };
            if least.is_some_and(|least| self.wait(&subscription) > least) {
                continue;
            }
            let target = output.checked_add(written * EVENT_BYTES);
            let target = target.and_then(|at| memory.get_mut(at..)?.first_chunk_mut());
            let Some(target) = target else {
                return Ok(EFAULT);
            };
            *target = event(&subscription);
            written += 1;
        }
        match memory
            .get_mut(answer..)
            .and_then(|bytes| bytes.first_chunk_mut::<4>())
        {
            Some(target) => *target = (written as u32).to_le_bytes(),
            None => return Ok(EFAULT),
        }
        Ok(SUCCESS)
    }

    /// Sleeps so long, or until the run has to end.
    fn sleep(self, wait: Duration) -> Result<(), TimedOut> {
        let left = self.deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        sleep(wait.min(left));
        match wait > left {
            true => Err(TimedOut),
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
        let now = match u32::from_le_bytes(part(subscription, 16)) {
            REALTIME => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            _ => self.began.elapsed(),
        };
        wanted.saturating_sub(now)
    }
}

fn part<const N: usize>(subscription: &[u8], at: usize) -> [u8; N] {
    let part = subscription[at..].first_chunk();
    *part.expect("a subscription is longer")
}

/// The event of a subscription that is ready: its number, no error, its type, and one byte to be read.
fn event(subscription: &[u8; SUBSCRIPTION_BYTES]) -> [u8; EVENT_BYTES] {
    let mut event = [0; EVENT_BYTES];
    event[..8].copy_from_slice(&subscription[..8]);
    event[10] = subscription[8];
    event[16] = 1;
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls clocks, each for so many nanoseconds from now, and answers what was ready.
    fn polled(clock: Clock, waits: &[u64]) -> Result<Vec<u64>, TimedOut> {
        let mut memory = vec![0; 65536];
        for (number, wait) in waits.iter().enumerate() {
            let at = number * SUBSCRIPTION_BYTES;
            memory[at] = number as u8;
            memory[at + 24..at + 32].copy_from_slice(&wait.to_le_bytes());
        }
        let numbers = [0, 4096, waits.len() as u32, 8192];
        assert_eq!(clock.poll(&mut memory, numbers)?, SUCCESS);
        let count = u32::from_le_bytes(part(&memory, 8192));
        let numbers = (0..count as usize).map(|event| memory[4096 + event * EVENT_BYTES].into());
        Ok(numbers.collect())
    }

    #[test]
    fn the_first_of_several_is_waited_for() {
        let begin = Instant::now();
        let ready = polled(Clock::start(), &[u64::MAX, 2_000_000, 3_600_000_000_000]);
        assert!(ready.is_ok_and(|ready| ready == [1]));
        assert!(begin.elapsed() >= Duration::from_millis(2));
        assert!(polled(Clock::start(), &[0, 0]).is_ok_and(|ready| ready == [0, 1]));
    }

    #[test]
    fn nobody_waits_longer_than_the_run_may_take() {
        let began = Instant::now();
        let deadline = Some(began + Duration::from_millis(20));
        let clock = Clock { began, deadline };
        assert!(polled(clock, &[u64::MAX]).is_err());
        assert!((20..2000).contains(&began.elapsed().as_millis()));
    }

    #[test]
    fn what_is_outside_memory_is_refused() {
        let clock = Clock::start();
        let mut memory = [0; 64];
        for numbers in [
            [32, 0, 1, 0],
            [0, 0, u32::MAX, 0],
            [0, 40, 1, 0],
            [0, 0, 1, 62],
            [u32::MAX, 0, 1, 0],
        ] {
            assert!(
                clock
                    .poll(&mut memory, numbers)
                    .is_ok_and(|errno| errno == EFAULT)
            );
        }
        assert!(
            clock
                .poll(&mut memory, [0, 0, 0, 0])
                .is_ok_and(|errno| errno == EINVAL)
        );
    }
}
