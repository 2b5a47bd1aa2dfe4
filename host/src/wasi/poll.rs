//! `poll_oneoff`: waits as it is asked to, but not longer than the run may take.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use super::files::Files;
use super::memory::{MOST_IN_A_LIST, Memory};
use super::stop::{Errno, Failure, Stop};

const SUBSCRIPTION_BYTES: u64 = 48;
const EVENT_BYTES: u64 = 32;
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;
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

    /// Waits until the first of `count` subscriptions is ready, and writes the events of all that
    /// are, and their number. Files and streams always are.
    pub fn poll(
        self,
        files: &mut Files,
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
        let (asked, _) = asked.as_chunks();
        let asked = asked.iter().map(Subscription::read);
        let asked: Vec<_> = asked.collect::<Result<_, _>>()?;
        let waits = asked.iter().map(|subscription| self.wait(subscription));
        let least = waits.min().ok_or(Errno::INVAL)?;
        self.sleep(least)?;
        let mut written = 0;
        for subscription in &asked {
            if self.wait(subscription) <= least {
                let event = subscription.event(files);
                memory.put(output + written * EVENT_BYTES, &event)?;
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
    fn wait(self, subscription: &Subscription) -> Duration {
        match subscription.awaited {
            Awaited::Time(wait) => wait,
            Awaited::Moment { clock, time } => time.saturating_sub(self.now(clock)),
            Awaited::File { .. } => Duration::ZERO,
        }
    }
}

/// Something that is waited for, with the number that the module gave it.
struct Subscription {
    number: [u8; 8],
    kind: u8,
    awaited: Awaited,
}

enum Awaited {
    Time(Duration),
    Moment { clock: u64, time: Duration },
    File { number: u64, is_write: bool },
}

impl Subscription {
    fn read(bytes: &[u8; SUBSCRIPTION_BYTES as usize]) -> Result<Self, Errno> {
        let which = u64::from(u32::from_le_bytes(part(bytes, 16)));
        let time = Duration::from_nanos(u64::from_le_bytes(part(bytes, 24)));
        let flags = u16::from_le_bytes(part(bytes, 40));
        let awaited = match bytes[8] {
            CLOCK if ![REALTIME, MONOTONIC].contains(&which) => return Err(Errno::INVAL),
            CLOCK => match flags {
                0 => Awaited::Time(time),
                IS_ABSOLUTE => Awaited::Moment { clock: which, time },
                _ => return Err(Errno::INVAL),
            },
            kind @ (FD_READ | FD_WRITE) => Awaited::File {
                number: which,
                is_write: kind == FD_WRITE,
            },
            _ => return Err(Errno::INVAL),
        };
        Ok(Subscription {
            number: part(bytes, 0),
            kind: bytes[8],
            awaited,
        })
    }

    /// Its event once it is ready: its number, what is wrong with its file, its type, and one byte
    /// to be read.
    fn event(&self, files: &mut Files) -> [u8; EVENT_BYTES as usize] {
        let mut event = [0; EVENT_BYTES as usize];
        event[..8].copy_from_slice(&self.number);
        event[10] = self.kind;
        let checked = match self.awaited {
            Awaited::File { number, is_write } => files.check_awaited(number, is_write),
            _ => Ok(()),
        };
        match checked {
            Ok(()) => event[16] = 1,
            Err(errno) => event[8..10].copy_from_slice(&errno.number().to_le_bytes()),
        }
        event
    }
}

fn part<const N: usize>(subscription: &[u8], at: usize) -> [u8; N] {
    let part = subscription[at..].first_chunk();
    *part.expect("a subscription is longer")
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
        let mut files = Files::new();
        clock.poll(&mut files, &mut memory, 0, 4096, waits.len() as u64, 8192)?;
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
            let (mut files, mut memory) = (Files::new(), Memory(&mut memory));
            clock.poll(&mut files, &mut memory, input, output, count, answer)
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

    #[test]
    fn a_file_that_cannot_be_awaited_has_an_event_with_the_reason() {
        let mut memory = vec![0xff; 1024];
        let mut memory = Memory(&mut memory);
        let awaited = [
            (FD_READ, 0),
            (FD_WRITE, 1),
            (FD_READ, 9),
            (FD_READ, 1),
            (FD_WRITE, 3),
        ];
        for (number, (kind, file)) in (0..).zip(awaited) {
            let mut subscription = [0; SUBSCRIPTION_BYTES as usize];
            subscription[..2].copy_from_slice(&[number, 7]);
            subscription[8] = kind;
            subscription[16] = file;
            let at = u64::from(number) * SUBSCRIPTION_BYTES;
            memory.put(at, &subscription).unwrap();
        }
        let polled = Clock::start().poll(&mut Files::new(), &mut memory, 0, 512, 5, 1000);
        assert_eq!((polled, memory.array(1000)), (Ok(()), Ok([5, 0, 0, 0])));
        for (number, errno) in (0..).zip([0, 0, 8, 8, 8]) {
            let event: [u8; 12] = memory.array(512 + u64::from(number) * EVENT_BYTES).unwrap();
            let (kind, _) = awaited[usize::from(number)];
            let expected = [number, 7, 0, 0, 0, 0, 0, 0, errno, 0, kind, 0];
            assert_eq!(event, expected);
        }
    }

    #[test]
    fn what_is_no_subscription_is_refused() {
        for (kind, clock, flags) in [(3, 0, 0), (CLOCK, 2, 0), (CLOCK, 0, 2)] {
            let mut memory = [0; 64];
            (memory[8], memory[16], memory[40]) = (kind, clock, flags);
            let polled =
                Clock::start().poll(&mut Files::new(), &mut Memory(&mut memory), 0, 0, 1, 0);
            assert_eq!(polled, Err(Errno::INVAL.into()));
        }
    }
}
