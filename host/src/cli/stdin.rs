//! Standard input that somebody can end while it is waited for.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

/// Standard input. Reading fails once the other end of `stop` is shut down.
pub struct Stdin {
    input: File,
    stop: UnixStream,
}

impl Stdin {
    pub fn until(stop: UnixStream) -> io::Result<Stdin> {
        // `std::io::stdin` may hold bytes that `poll` does not see.
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Stdin {
            input: input.into(),
            stop,
        })
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut both = [
            PollFd::new(&self.input, PollFlags::IN),
            PollFd::new(&self.stop, PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut both, None))?;
        if !both[1].revents().is_empty() {
            return Err(io::Error::other("a signal ended the wait"));
        }
        self.input.read(buffer)
    }
}
