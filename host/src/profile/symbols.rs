//! Names and source lines of places in a module's code.

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, Error, LittleEndian};
use wasmparser::{Parser, Payload};

use super::call_tree::Place;
use super::functions::Functions;
use crate::text::{self, function_name};

/// A function that was called, in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its name, demangled, or its number.
    pub function: String,
    /// The source file, from debug information.
    pub file: Option<String>,
    /// The line of the call in it, counted from 1.
    pub line: Option<u32>,
}

impl Frame {
    /// Whether the function is of Rust's own libraries, of a collection that allocates for whoever
    /// calls it, or of steadfast's allocator.
    #[must_use]
    pub fn is_library(&self) -> bool {
        const PATHS: [&str; 8] = [
            "alloc::",
            "core::",
            "std::",
            "hashbrown::",
            "__rust",
            "steadfast::exclusive::",
            "steadfast::global::",
            "steadfast::heap::",
        ];
        const FILES: [&str; 2] = ["/library/", "/hashbrown-"];
        // What a library does for a type without a path, such as `<u8 as alloc::…>::from_elem`, is
        // its own. For another it may be the program's.
        let plain = self.function.strip_prefix('<').and_then(|name| {
            let (of, name) = name.split_once(" as ")?;
            (!of.contains("::")).then_some(name)
        });
        let name = plain.unwrap_or(self.function.trim_start_matches(['<', '&', '[', '(']));
        let file = self.file.as_deref().unwrap_or_default();
        PATHS.iter().any(|path| name.starts_with(path)) || FILES.iter().any(|it| file.contains(it))
    }
}

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// What a module tells of its source.
pub(super) struct Symbols<'a> {
    functions: &'a Functions,
    lines: Option<Context<Bytes<'a>>>,
}

impl<'a> Symbols<'a> {
    pub fn read(module: &'a [u8], functions: &'a Functions) -> Self {
        let sections = debug_sections(module);
        let find = |name: &str| sections.iter().find(|(found, _)| *found == name);
        let load = |id: addr2line::gimli::SectionId| -> Result<Bytes<'a>, Error> {
            let found = find(id.name()).map_or(&[][..], |(_, data)| *data);
            Ok(EndianSlice::new(found, LittleEndian))
        };
        let context = find(".debug_line").and_then(|_| {
            let dwarf = Dwarf::load(load).ok()?;
            Context::from_dwarf(dwarf).ok()
        });
        Symbols {
            functions,
            lines: context,
        }
    }

    /// The names alone.
    pub fn of(functions: &'a Functions) -> Self {
        Symbols {
            functions,
            lines: None,
        }
    }

    /// Whether there are lines.
    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// The functions at a place, innermost first: more than one where some are inlined.
    pub fn frames(&self, place: Place) -> Vec<Frame> {
        let inlined = self.inlined(place);
        if !inlined.is_empty() {
            return inlined;
        }
        vec![Frame {
            function: self.name(place.function),
            file: None,
            line: None,
        }]
    }

    fn inlined(&self, place: Place) -> Vec<Frame> {
        let address = || {
            let body = self.functions.get(place.function)?.body.as_ref()?;
            let start = body.start.checked_sub(self.functions.code_start)?;
            Some(start as u64 + u64::from(place.offset))
        };
        let mut frames = Vec::new();
        let (Some(lines), Some(address)) = (&self.lines, address()) else {
            return frames;
        };
        let Ok(mut found) = lines.find_frames(address).skip_all_loads() else {
            return frames;
        };
        while let Ok(Some(frame)) = found.next() {
            let name = frame.function.as_ref().and_then(|it| it.raw_name().ok());
            let name = name.map_or_else(|| self.name(place.function), |name| function_name(&name));
            let location = frame.location.as_ref();
            frames.push(Frame {
                function: name,
                file: location.and_then(|it| it.file).map(text::name),
                line: location.and_then(|it| it.line),
            });
        }
        // Debug information may leave out the path of a name; the outermost one is the module's
        // own.
        if let Some(outermost) = frames.last_mut() {
            outermost.function = self.name(place.function);
        }
        frames
    }

    fn name(&self, function: u32) -> String {
        let found = self.functions.get(function);
        let found = found.and_then(|it| it.name.as_ref().or(it.export.as_ref()));
        found.map_or_else(
            || format!("function {function}"),
            |name| function_name(name),
        )
    }
}

fn debug_sections(module: &[u8]) -> Vec<(&str, &[u8])> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        if let Payload::CustomSection(section) = payload
            && section.name().starts_with(".debug_")
        {
            sections.push((section.name(), section.data()));
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::Frame;

    #[test]
    fn what_a_library_does_for_a_plain_type_is_its_own() {
        for (function, is_library) in [
            ("alloc::vec::Vec<T,A>::push", true),
            ("<alloc::vec::Vec<T> as core::clone::Clone>::clone", true),
            (
                "<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem",
                true,
            ),
            (
                "<T as alloc::slice::<impl [T]>::to_vec_in::ConvertVec>::to_vec",
                true,
            ),
            ("<&str as mine::Name>::name", false),
            ("<mine::Own as core::clone::Clone>::clone", false),
            ("mine::run", false),
        ] {
            let frame = Frame {
                function: function.into(),
                file: None,
                line: None,
            };
            assert_eq!(frame.is_library(), is_library, "{function}");
        }
    }
}
