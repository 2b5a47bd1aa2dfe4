//! A caller's linear memory. Addresses and lengths are the module's, so each is checked.

use std::ops::Range;

use super::stop::Errno;

/// Bytes of an entry in a list of buffers: an address and a length.
const BUFFER_BYTES: u64 = 8;

/// Most buffers or subscriptions in a list, as Linux takes them: a call looks at each, and the
/// run's time limit is checked between calls.
pub(super) const MOST_IN_A_LIST: u64 = 1024;

pub(super) struct Memory<'a>(pub &'a mut [u8]);

impl Memory<'_> {
    pub fn get(&self, at: u64, length: u64) -> Result<&[u8], Errno> {
        self.0.get(span(at, length)?).ok_or(Errno::FAULT)
    }

    pub fn get_mut(&mut self, at: u64, length: u64) -> Result<&mut [u8], Errno> {
        self.0.get_mut(span(at, length)?).ok_or(Errno::FAULT)
    }

    /// A path, which is UTF-8.
    pub fn path(&self, at: u64, length: u64) -> Result<&[u8], Errno> {
        let path = self.get(at, length)?;
        match str::from_utf8(path) {
            Ok(_) => Ok(path),
            Err(_) => Err(Errno::ILSEQ),
        }
    }

    /// An array, such as the bytes of a number.
    #[cfg(test)]
    pub fn array<const N: usize>(&self, at: u64) -> Result<[u8; N], Errno> {
        let bytes = self.get(at, N as u64)?;
        bytes.try_into().map_err(|_| Errno::FAULT)
    }

    pub fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.get_mut(at, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    pub fn put_u32(&mut self, at: u64, number: usize) -> Result<(), Errno> {
        let number = u32::try_from(number).map_err(|_| Errno::INVAL)?;
        self.put(at, &number.to_le_bytes())
    }

    /// The first buffer of a list that has room, as address and length; of no length if none has. A
    /// call that reads or writes may do less than it was asked for.
    pub fn buffer(&self, list: u64, count: u64) -> Result<(u64, u64), Errno> {
        if count > MOST_IN_A_LIST {
            return Err(Errno::INVAL);
        }
        let (numbers, _) = self.get(list, count * BUFFER_BYTES)?.as_chunks();
        let (buffers, _) = numbers.as_chunks();
        let number = |bytes| u64::from(u32::from_le_bytes(bytes));
        let mut buffers = buffers
            .iter()
            .map(|&[at, length]| (number(at), number(length)));
        Ok(buffers.find(|&(_, length)| length > 0).unwrap_or((0, 0)))
    }

    /// Copies as much as there is room for. Answers how much that was.
    pub fn fill(&mut self, (at, room): (u64, u64), bytes: &[u8]) -> Result<usize, Errno> {
        let length = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        self.put(at, &bytes[..length])?;
        Ok(length)
    }
}

fn span(at: u64, length: u64) -> Result<Range<usize>, Errno> {
    let end = at.checked_add(length).ok_or(Errno::FAULT)?;
    let number = |number| usize::try_from(number).map_err(|_| Errno::FAULT);
    Ok(number(at)?..number(end)?)
}

#[cfg(test)]
mod tests {
    use super::{BUFFER_BYTES, Errno, MOST_IN_A_LIST, Memory};

    #[test]
    fn a_list_is_as_long_as_a_call_may_take() {
        let mut bytes = vec![0; ((MOST_IN_A_LIST + 1) * BUFFER_BYTES) as usize];
        let memory = Memory(&mut bytes);
        assert_eq!(memory.buffer(0, MOST_IN_A_LIST), Ok((0, 0)));
        assert_eq!(memory.buffer(0, MOST_IN_A_LIST + 1), Err(Errno::INVAL));
    }
}
