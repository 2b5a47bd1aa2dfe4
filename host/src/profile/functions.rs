//! A module's functions: names, signatures and where their code stands.

use std::collections::HashMap;
use std::ops::Range;

use wasmparser::{
    BinaryReaderError, CompositeInnerType, ExternalKind, Parser, Payload, TypeRef, ValType,
};

use crate::guest::LoadError;
use crate::outline::{self, function_names};

/// A function of a module, imported or defined.
#[derive(Clone, Debug, Default)]
pub(super) struct Function {
    /// As the name section has it, mangled.
    pub name: Option<String>,
    /// One of the names under which it is exported.
    pub export: Option<String>,
    /// Its type's number.
    pub signature: u32,
    /// Offsets of its code in the module; `None` of an import.
    pub body: Option<Range<usize>>,
}

/// A function's type, as far as allocators are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub parameters: u32,
    pub results: u32,
    /// Whether all of them are 32-bit integers.
    pub is_plain: bool,
}

/// All functions of a module, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Functions {
    all: Vec<Function>,
    signatures: Vec<Signature>,
    /// Where the contents of the code section begin: addresses in debug information count from
    /// there.
    pub code_start: usize,
    /// Whether the name section names any function.
    pub has_names: bool,
    pub globals: u32,
    pub tables: u32,
    /// The names of all exports.
    pub exports: Vec<String>,
}

impl Functions {
    /// Reads a module. Takes time in proportion to its bytes.
    pub fn read(module: &[u8]) -> Result<Self, LoadError> {
        Self::parse(module).map_err(|error| outline::invalid(module, &error))
    }

    fn parse(module: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut read = Functions::default();
        let mut imported = 0;
        let mut bodies = 0;
        let mut names = HashMap::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for sub in group?.types() {
                            let inner = &sub.composite_type.inner;
                            read.signatures.push(signature(inner));
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(signature) | TypeRef::FuncExact(signature) => {
                                imported += 1;
                                read.push(signature);
                            }
                            TypeRef::Global(_) => read.globals += 1,
                            TypeRef::Table(_) => read.tables += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for signature in section {
                        read.push(signature?);
                    }
                }
                Payload::GlobalSection(section) => read.globals += section.count(),
                Payload::TableSection(section) => read.tables += section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        read.exports.push(export.name.to_string());
                        if export.kind == ExternalKind::Func
                            && let Some(function) = read.all.get_mut(export.index as usize)
                        {
                            function.export = Some(export.name.to_string());
                        }
                    }
                }
                Payload::CodeSectionStart { range, .. } => read.code_start = range.start,
                Payload::CodeSectionEntry(body) => {
                    if let Some(function) = read.all.get_mut(imported + bodies) {
                        function.body = Some(body.range());
                    }
                    bodies += 1;
                }
                Payload::CustomSection(section) => names.extend(function_names(&section)),
                _ => {}
            }
        }
        read.has_names = !names.is_empty();
        for (index, name) in names {
            if let Some(function) = read.all.get_mut(index as usize) {
                function.name = Some(name.to_string());
            }
        }
        Ok(read)
    }

    fn push(&mut self, signature: u32) {
        self.all.push(Function {
            signature,
            ..Function::default()
        });
    }

    /// The function with this number.
    pub fn get(&self, number: u32) -> Option<&Function> {
        self.all.get(number as usize)
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.all.len() as u32
    }

    /// How many types the module declares.
    pub fn types(&self) -> u32 {
        self.signatures.len() as u32
    }

    /// All of them with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Function)> {
        (0..).zip(&self.all)
    }

    /// A function's type.
    pub fn signature(&self, function: &Function) -> Option<Signature> {
        self.signatures.get(function.signature as usize).copied()
    }
}

fn signature(inner: &CompositeInnerType) -> Signature {
    let CompositeInnerType::Func(function) = inner else {
        return Signature {
            parameters: 0,
            results: 0,
            is_plain: false,
        };
    };
    let mut types = function.params().iter().chain(function.results());
    Signature {
        parameters: function.params().len() as u32,
        results: function.results().len() as u32,
        is_plain: types.all(|it| *it == ValType::I32),
    }
}
