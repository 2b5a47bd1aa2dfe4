//! An anonymous file that memories map privately, and that follows what one of them wrote.
//!
//! ```text
//!              ┌─ private ─ view of block n
//! file as of n ┼─ private ─ view of block n
//!              └─ private ─ instance that indexes block n + 1: what it writes is its own
//! ```
//!
//! When block `n + 1` is committed, the pages that its instance wrote go into the file. Before
//! that, each view that is still running gets its own copy of those pages, as if it had written to
//! them. The system tells which pages a memory has of its own (`/proc/self/pagemap`), so nobody
//! keeps a list.
//!
//! The `unsafe` code maps the file, and asks for those copies.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
pub use linux::{Lease, PageFile, file_of, map_private, no_whole_pages};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Lease, PageFile};

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::io;
    use std::ops::Range;
    use std::os::unix::fs::FileExt;
    use std::ptr::null_mut;
    use std::sync::{Arc, Condvar, Mutex, MutexGuard};
    use std::time::Duration;

    use rustix::fs::{MemfdFlags, memfd_create};
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
    use rustix::param::page_size;

    /// Bytes of a huge page, on most machines that have them.
    const HUGE: usize = 2 << 20;

    /// What an entry of the system's page map says of a page.
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const OF_FILE: u64 = 1 << 61;

    /// What it takes to give one reader one page of its own. So long, for each page, a change waits
    /// for its readers to end by themselves: that costs nobody anything.
    const COPY: Duration = Duration::from_micros(2);

    /// A file of whole pages, and the memories that map it.
    #[derive(Debug)]
    pub struct PageFile {
        file: File,
        /// Bytes that are mapped from now on.
        len: usize,
        /// Bytes of the file. It never gets shorter: some reader may have mapped all of it.
        file_len: usize,
        /// What the system knows of this process's pages.
        pagemap: File,
        readers: Arc<Readers>,
        /// Changes so far.
        generation: u64,
    }

    /// The addresses at which the file is mapped, by the lease's number.
    #[derive(Debug, Default)]
    struct Readers {
        mapped: Mutex<BTreeMap<u64, Range<usize>>>,
        ended: Condvar,
    }

    impl Readers {
        fn mapped(&self) -> MutexGuard<'_, BTreeMap<u64, Range<usize>>> {
            self.mapped.lock().expect("no holder of the lock panics")
        }
    }

    /// A memory's right to find the file's bytes as they were when it mapped them. It ends before
    /// the memory is unmapped, and after its last reader.
    #[derive(Debug)]
    pub struct Lease {
        readers: Arc<Readers>,
        number: u64,
        generation: u64,
    }

    impl Drop for Lease {
        fn drop(&mut self) {
            self.readers.mapped().remove(&self.number);
            self.readers.ended.notify_all();
        }
    }

    impl PageFile {
        /// A file that begins with `bytes`, which are whole pages; of these, only `parts` are
        /// written, and what is between them is zero.
        ///
        /// # Errors
        ///
        /// When the system has no room, or cannot do what the file needs of it.
        pub fn new(bytes: &[u8], parts: &[Range<usize>]) -> io::Result<Self> {
            let pagemap = File::open("/proc/self/pagemap")?;
            check_system(&pagemap)?;
            let parts = parts.iter().cloned();
            let parts = parts.map(|part| (part.start, &bytes[part]));
            Ok(PageFile {
                file: file_of("steadfast-cache", MemfdFlags::CLOEXEC, bytes.len(), parts)?,
                len: bytes.len(),
                file_len: bytes.len(),
                pagemap,
                readers: Arc::default(),
                generation: 0,
            })
        }

        /// Bytes that are mapped.
        pub fn len(&self) -> usize {
            self.len
        }

        /// The same in pages of the operating system.
        pub fn pages(&self) -> u64 {
            (self.len / page_size()) as u64
        }

        /// Whether the memory with this lease began with what the file holds now.
        pub fn is_base_of(&self, lease: &Lease) -> bool {
            Arc::ptr_eq(&self.readers, &lease.readers) && lease.generation == self.generation
        }

        /// Maps the file at the beginning of `memory`, in place of what stands there.
        ///
        /// # Safety
        ///
        /// `memory` is a private anonymous mapping of the process, and may be replaced by another.
        /// When the lease ends, nothing of it is read any more but the pages that were written to.
        pub unsafe fn map_over(&self, memory: &mut [u8]) -> io::Result<Lease> {
            let start = memory.as_ptr().addr();
            let mut mapped = self.readers.mapped();
            // SAFETY: we hold `memory` alone, and its pages may be replaced, by the caller's word.
            // The file never gets shorter, so no access can fail, and while the lease lives its
            // bytes do not change here.
            unsafe { map_private(memory, self.len, &self.file) }?;
            let number = mapped.last_key_value().map_or(0, |(last, _)| last + 1);
            mapped.insert(number, start..start + self.len);
            Ok(Lease {
                readers: Arc::clone(&self.readers),
                number,
                generation: self.generation,
            })
        }

        /// Writes into the file what was written to a memory that mapped it as it is now, and whose
        /// lease has ended: `region` is that memory, and may be longer than what it mapped. Answers
        /// how many pages. Memories whose leases live keep what they have.
        ///
        /// Takes time in proportion to those pages, for the file and for each memory that still has
        /// a lease. Finding them takes 4 ms for each GiB.
        ///
        /// # Errors
        ///
        /// When the system has no memory for it. The file is not to be mapped any more then.
        pub fn take_up(&mut self, region: &[u8]) -> io::Result<u64> {
            let written = own_pages(&self.pagemap, region)?;
            let pages =
                written.iter().map(|run| run.len() as u64).sum::<u64>() / page_size() as u64;
            self.keep_for_readers(&written, pages)?;
            self.generation += 1;
            if region.len() > self.file_len {
                self.file.set_len(region.len() as u64)?;
                self.file_len = region.len();
            }
            for run in written {
                self.file
                    .write_all_at(&region[run.clone()], run.start as u64)?;
            }
            if region.len() > self.len {
                collapse(
                    &self.file,
                    self.len / HUGE * HUGE..region.len() / HUGE * HUGE,
                )?;
            }
            self.len = region.len();
            Ok(pages)
        }

        /// Gives every memory with a lease its own copy of these pages.
        fn keep_for_readers(&self, changed: &[Range<usize>], pages: u64) -> io::Result<()> {
            let patience = COPY.saturating_mul(u32::try_from(pages).unwrap_or(u32::MAX));
            let ended = &self.readers.ended;
            let (mapped, _) = ended
                .wait_timeout_while(self.readers.mapped(), patience, |mapped| !mapped.is_empty())
                .expect("no holder of the lock panics");
            for reader in mapped.values() {
                for run in changed {
                    let start = reader.start + run.start;
                    let end = (reader.start + run.end).min(reader.end);
                    if start < end {
                        // SAFETY: it changes no byte, and the range is mapped: who unmaps it ends
                        // the lease first, and we hold the lock.
                        unsafe {
                            madvise(start as *mut _, end - start, Advice::LinuxPopulateWrite)
                        }?;
                    }
                }
            }
            Ok(())
        }
    }

    /// An anonymous file of so many bytes. Only `parts` are written, each at its place; what is
    /// between them is zero.
    ///
    /// # Errors
    ///
    /// When the system has no room.
    pub fn file_of<'a>(
        name: &str,
        flags: MemfdFlags,
        len: usize,
        parts: impl IntoIterator<Item = (usize, &'a [u8])>,
    ) -> io::Result<File> {
        let file = File::from(memfd_create(name, flags)?);
        file.set_len(len as u64)?;
        for (at, bytes) in parts {
            gather(&file, at..at + bytes.len())?;
            file.write_all_at(bytes, at as u64)?;
        }
        Ok(file)
    }

    /// Maps the first `len` bytes of a file at the beginning of `memory`, in place of what stands
    /// there. What is written to them is the memory's own.
    ///
    /// # Errors
    ///
    /// When `memory` is shorter or does not begin at a page of the operating system, and when the
    /// system refuses.
    ///
    /// # Safety
    ///
    /// The pages under `memory` are a private mapping of the process, and may be replaced by
    /// another. As long as that is read, the file has pages for `len` bytes, which do not change.
    pub unsafe fn map_private(memory: &mut [u8], len: usize, file: &File) -> io::Result<()> {
        let start = memory.as_mut_ptr();
        if len > memory.len() || !start.addr().is_multiple_of(page_size()) {
            return Err(no_whole_pages());
        }
        // The system refuses to map nothing.
        if len == 0 {
            return Ok(());
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: the range is within `memory`, which we hold alone. The rest is the caller's duty.
        unsafe { mmap(start.cast(), len, access, flags, file, 0) }?;
        Ok(())
    }

    /// Why a memory's pages are neither replaced nor moved.
    pub fn no_whole_pages() -> io::Error {
        unsupported("the memory does not consist of whole pages of the operating system")
    }

    /// The runs of whole pages at `bytes` that are neither absent nor a file's.
    fn own_pages(pagemap: &File, bytes: &[u8]) -> io::Result<Vec<Range<usize>>> {
        const ENTRY: usize = size_of::<u64>();
        let page = page_size();
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut entries = vec![0; 8192 * ENTRY];
        let first = bytes.as_ptr().addr() / page;
        let pages = bytes.len() / page;
        for at in (0..pages).step_by(entries.len() / ENTRY) {
            let count = (pages - at).min(entries.len() / ENTRY);
            let entries = &mut entries[..count * ENTRY];
            pagemap.read_exact_at(entries, ((first + at) * ENTRY) as u64)?;
            for (number, entry) in (at..).zip(entries.chunks_exact(ENTRY)) {
                let entry = u64::from_le_bytes(entry.try_into().expect("of that length"));
                if entry & (PRESENT | SWAPPED) == 0 || entry & OF_FILE != 0 {
                    continue;
                }
                let (start, end) = (number * page, (number + 1) * page);
                match runs.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => runs.push(start..end),
                }
            }
        }
        Ok(runs)
    }

    /// Tries on one page each what the file relies on: that the system tells written pages from
    /// others, and makes copies.
    fn check_system(pagemap: &File) -> io::Result<()> {
        let page = page_size();
        let file = file_of("steadfast-trial", MemfdFlags::CLOEXEC, 2 * page, [])?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: new pages, wherever the system likes, which nobody else knows of.
        let found = unsafe {
            let start = mmap(null_mut(), 2 * page, access, MapFlags::PRIVATE, &file, 0)?;
            let bytes = std::slice::from_raw_parts_mut(start.cast::<u8>(), 2 * page);
            bytes[page] = 1;
            let written = own_pages(pagemap, bytes);
            let copied = madvise(start, page, Advice::LinuxPopulateWrite)
                .map_err(io::Error::from)
                .and_then(|()| own_pages(pagemap, bytes));
            munmap(start, 2 * page)?;
            (written?, copied?)
        };
        let starts = |runs: Vec<Range<usize>>| -> Vec<usize> {
            runs.into_iter().flatten().step_by(page).collect()
        };
        match starts(found.0) == [page] && starts(found.1) == [0, page] {
            true => Ok(()),
            false => Err(unsupported(
                "the system does not tell which pages of a mapping were written",
            )),
        }
    }

    fn unsupported(message: &str) -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, message)
    }

    /// Asks the system for huge pages where `part` of a file will stand, which is to be written
    /// next: a memory that reads here and there then takes one fault for each of them, and writes
    /// are copied in small pages all the same. Nothing depends on what it answers.
    fn gather(file: &File, part: Range<usize>) -> io::Result<()> {
        let whole = part.start.next_multiple_of(HUGE)..part.end / HUGE * HUGE;
        // It gathers what is there, so something must be.
        for at in whole.clone().step_by(HUGE) {
            file.write_all_at(&[0], at as u64)?;
        }
        collapse(file, whole)
    }

    /// Asks for huge pages in whole ones of a file, in each of which something stands.
    fn collapse(file: &File, whole: Range<usize>) -> io::Result<()> {
        let len = whole.len();
        if len == 0 {
            return Ok(());
        }
        let (none, write) = (ProtFlags::empty(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: new pages, wherever the system likes.
        let room = unsafe { mmap_anonymous(null_mut(), len + HUGE, none, MapFlags::PRIVATE) }?;
        let skip = room.addr().next_multiple_of(HUGE) - room.addr();
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: the pages that are replaced are among those just made, which nobody else knows
        // of, and go below. The file's bytes stay as they are.
        unsafe {
            let start = room.byte_add(skip);
            if mmap(start, len, write, flags, file, whole.start as u64).is_ok() {
                libc::madvise(start, len, libc::MADV_COLLAPSE);
            }
            munmap(room, len + HUGE)?;
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::convert::Infallible;
    use std::io;
    use std::ops::Range;

    /// Never made: other systems do not tell which pages were written.
    #[derive(Debug)]
    pub struct PageFile(Infallible);

    #[derive(Debug)]
    pub struct Lease(Infallible);

    impl PageFile {
        pub fn new(_: &[u8], _: &[Range<usize>]) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn len(&self) -> usize {
            match self.0 {}
        }

        pub fn pages(&self) -> u64 {
            match self.0 {}
        }

        pub fn is_base_of(&self, _: &Lease) -> bool {
            match self.0 {}
        }

        /// # Safety
        ///
        /// It cannot be called.
        pub unsafe fn map_over(&self, _: &mut [u8]) -> io::Result<Lease> {
            match self.0 {}
        }

        pub fn take_up(&mut self, _: &[u8]) -> io::Result<u64> {
            match self.0 {}
        }
    }
}
