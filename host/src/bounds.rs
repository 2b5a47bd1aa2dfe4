//! What a module, an image or a file from a stranger may take of the host beside linear memory: the
//! one place that has all of these numbers.
//!
//! Time is bounded too: [`RunConfig::timeout`](crate::RunConfig::timeout).

/// Something that a stranger's module or file could have without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Bytes of a module.
    ModuleBytes,
    /// Functions that a module defines.
    Functions,
    /// Bytes of one function's code.
    FunctionBytes,
    /// Variables in all functions together, and instructions that a compiler makes code of.
    Instructions,
    /// A function's variables times its branches, in all functions together.
    Branching,
    /// The same for loops, each counted as often as it is deep.
    Looping,
    /// Seconds for compiling a module.
    CompileSeconds,
    /// Tables of an instance.
    Tables,
    /// Elements of all its tables.
    TableElements,
    /// Bytes that a block hands to `__flush`.
    FlushBytes,
    /// Pairs that a block flushes.
    FlushPairs,
    /// Calls of imports that are noted.
    Calls,
    /// Bytes that a block or a view logs or prints.
    OutputBytes,
    /// Bytes of a view's answer.
    AnswerBytes,
    /// Bytes of an image, unpacked.
    ImageBytes,
    /// Bytes of a file that is looked at.
    FileBytes,
    /// Seconds until a pipe or a device gives a whole file, or the next block.
    FileSeconds,
    /// Blocks of a heap that are in use at a time while it is profiled.
    ProfiledBlocks,
    /// Different stacks of calls that are met while a module is profiled.
    ProfiledCalls,
    /// Bytes of memory in use that a core dump has.
    DumpBytes,
}

impl Bound {
    /// All of them.
    pub const ALL: [Bound; 20] = [
        Bound::ModuleBytes,
        Bound::Functions,
        Bound::FunctionBytes,
        Bound::Instructions,
        Bound::Branching,
        Bound::Looping,
        Bound::CompileSeconds,
        Bound::Tables,
        Bound::TableElements,
        Bound::FlushBytes,
        Bound::FlushPairs,
        Bound::Calls,
        Bound::OutputBytes,
        Bound::AnswerBytes,
        Bound::ImageBytes,
        Bound::FileBytes,
        Bound::FileSeconds,
        Bound::ProfiledBlocks,
        Bound::ProfiledCalls,
        Bound::DumpBytes,
    ];

    /// Its name, its default, and what it bounds.
    const fn row(self) -> (&'static str, u64, &'static str) {
        const MIB: u64 = 1 << 20;
        match self {
            Bound::ModuleBytes => ("module-bytes", 64 * MIB, "bytes of a module"),
            Bound::Functions => ("functions", 65_536, "functions in a module"),
            Bound::FunctionBytes => ("function-bytes", MIB / 2, "bytes of one function"),
            Bound::Instructions => (
                "instructions",
                2_000_000,
                "instructions and variables in a module's functions",
            ),
            Bound::Branching => (
                "branching",
                32_000_000,
                "variables times branches in a module's functions",
            ),
            Bound::Looping => (
                "looping",
                4_000_000,
                "variables times nested loops in a module's functions",
            ),
            Bound::CompileSeconds => ("compile-seconds", 120, "seconds for compiling a module"),
            Bound::Tables => ("tables", 16, "tables of an instance"),
            Bound::TableElements => ("table-elements", MIB, "elements of an instance's tables"),
            Bound::FlushBytes => ("flush-bytes", 512 * MIB, "bytes that a block flushes"),
            Bound::FlushPairs => ("flush-pairs", 4_000_000, "pairs that a block flushes"),
            Bound::Calls => ("calls", 4_000_000, "calls of imports in a block"),
            Bound::OutputBytes => (
                "output-bytes",
                64 * MIB,
                "bytes that a block or a view prints",
            ),
            Bound::AnswerBytes => ("answer-bytes", 64 * MIB, "bytes of a view's answer"),
            Bound::ImageBytes => ("image-bytes", 2048 * MIB, "bytes of an unpacked image"),
            Bound::FileBytes => (
                "file-bytes",
                4100 * MIB,
                "bytes of a file that is looked at",
            ),
            Bound::FileSeconds => (
                "file-seconds",
                60,
                "seconds until a pipe has given a file or a block",
            ),
            Bound::ProfiledBlocks => (
                "profiled-blocks",
                8_000_000,
                "blocks in use while a heap is profiled",
            ),
            Bound::ProfiledCalls => (
                "profiled-calls",
                300_000,
                "stacks of calls while a module is profiled",
            ),
            Bound::DumpBytes => (
                "dump-bytes",
                512 * MIB,
                "bytes of memory in use for a core dump",
            ),
        }
    }

    /// What options and messages call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// What it is where nobody says otherwise.
    #[must_use]
    pub const fn default(self) -> u64 {
        self.row().1
    }

    /// What it bounds.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.row().2
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Bound> {
        Bound::ALL.into_iter().find(|bound| bound.name() == name)
    }
}

/// How much of everything there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds([u64; Bound::ALL.len()]);

impl Default for Bounds {
    fn default() -> Self {
        Bounds(Bound::ALL.map(Bound::default))
    }
}

impl Bounds {
    /// The most that there may be.
    #[must_use]
    pub fn most(&self, bound: Bound) -> u64 {
        self.0[bound as usize]
    }

    /// The same with another number.
    #[must_use]
    pub fn with(mut self, bound: Bound, most: u64) -> Self {
        self.0[bound as usize] = most;
        self
    }

    /// Checks an amount.
    ///
    /// # Errors
    ///
    /// When it is more than there may be.
    pub fn check(&self, bound: Bound, amount: u64) -> Result<(), Exceeded> {
        match self.most(bound) {
            most if amount > most => Err(Exceeded { bound, most }),
            _ => Ok(()),
        }
    }

    /// That an amount is more than there may be.
    #[must_use]
    pub(crate) fn exceeded(&self, bound: Bound) -> Exceeded {
        let most = self.most(bound);
        Exceeded { bound, most }
    }
}

/// More of something than a host grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are more than {most} {}, which is all that the host grants: if you trust the file, raise the bound `{}`",
    bound.meaning(),
    bound.name()
)]
pub struct Exceeded {
    /// Of what.
    pub bound: Bound,
    /// How much is granted.
    pub most: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_stands_at_its_place_under_its_name() {
        for (place, bound) in Bound::ALL.into_iter().enumerate() {
            assert_eq!(bound as usize, place);
            assert_eq!(Bound::named(bound.name()), Some(bound));
            let bounds = Bounds::default().with(bound, 7);
            assert_eq!(bounds.check(bound, 7), Ok(()));
            let told = bounds.check(bound, 8).unwrap_err().to_string();
            assert!(told.contains(bound.name()), "{told}");
        }
    }
}
