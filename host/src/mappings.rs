//! A process's mappings, as Linux lists them in `/proc/self/maps`.

/// A range of addresses.
pub(crate) struct Mapping {
    pub start: usize,
    pub end: usize,
    /// Whether it is the first thread's stack.
    pub is_stack: bool,
}

/// The mappings in such a list; what is no mapping is left out.
pub(crate) fn mappings(maps: &str) -> impl Iterator<Item = Mapping> {
    maps.lines().filter_map(|line| {
        let (range, _) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        Some(Mapping {
            start: address(start)?,
            end: address(end)?,
            is_stack: line.ends_with("[stack]"),
        })
    })
}
