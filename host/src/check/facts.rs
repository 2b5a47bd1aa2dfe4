//! What a module's bytes tell, read once.

use std::collections::HashMap;

use steadfast::Plan;
use steadfast::format::InstanceInfo;
use wasmparser::{
    BinaryReaderError, ConstExpr, DataKind, ElementItems, ElementKind, FunctionBody, MemoryType,
    Operator, Parser, Payload, TypeRef,
};

use crate::ceiling::PAGE_BYTES;
use crate::outline::{function_names, is_plain};
use crate::text::{function_name, name, reason};

/// Why a module cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The bytes are not a WebAssembly module, or not a whole one.
    #[error("not a WebAssembly module: {0}")]
    Invalid(String),
    /// A component is made of modules.
    #[error("this is a component: check the core module that it was made of")]
    Component,
}

impl From<BinaryReaderError> for CheckError {
    fn from(error: BinaryReaderError) -> Self {
        CheckError::Invalid(reason(&error.to_string()))
    }
}

/// A function that the module defines.
#[derive(Debug, Default)]
pub struct Function {
    /// Demangled, without its hash.
    pub name: Option<String>,
    /// Bytes of code.
    pub bytes: usize,
    /// Functions that it calls by name, by their numbers; imports come first.
    pub calls: Vec<u32>,
    /// Bytes that a call takes on the shadow stack, where it has a frame of a fixed size there.
    pub frame: Option<u32>,
    pub grows_memory: bool,
    pub asks_memory_size: bool,
    /// Calculates with floats: the bits of a NaN are the engine's choice.
    pub calculates: bool,
    /// Lets bits of a float be seen as a number.
    pub shows_bits: bool,
    pub is_relaxed: bool,
    pub is_atomic: bool,
}

/// A module, as far as the rules ask.
#[derive(Debug, Default)]
pub struct Facts {
    /// Module and name, of imported functions alone.
    pub imports: Vec<(String, String)>,
    pub functions: Vec<Function>,
    pub memories: Vec<MemoryType>,
    pub imports_memory: bool,
    /// What is put at a fixed place and does not fit there.
    pub misfits: Vec<String>,
    pub plans: Vec<Result<Plan, String>>,
    pub has_instance_info: bool,
    pub has_names: bool,
    /// Where static data begins and ends, in bytes.
    pub data: Option<(u64, u64)>,
    /// Where the shadow stack begins; it grows down.
    pub stack_top: Option<u32>,
}

/// Checks that the bytes are a module's sections, whatever stands in them.
pub fn check_sections(module: &[u8]) -> Result<(), CheckError> {
    if Parser::is_component(module) {
        return Err(CheckError::Component);
    }
    for payload in Parser::new(0).parse_all(module) {
        payload?;
    }
    Ok(())
}

impl Facts {
    /// Of a module whose sections were checked.
    pub fn read(module: &[u8]) -> Result<Facts, CheckError> {
        let mut facts = Facts::default();
        let mut names = HashMap::new();
        let mut globals = 0;
        // Elements that each table begins with.
        let mut tables = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                                facts.imports.push((name(import.module), name(import.name)));
                            }
                            TypeRef::Memory(memory) => {
                                facts.memories.push(memory);
                                facts.imports_memory = true;
                            }
                            TypeRef::Global(_) => globals += 1,
                            TypeRef::Table(table) => tables.push(table.initial),
                            _ => {}
                        }
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        facts.memories.push(memory?);
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        tables.push(table?.ty.initial);
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        let global = global?;
                        // The linker's first global is the stack pointer.
                        if globals == 0 && global.ty.mutable {
                            facts.stack_top = constant(&global.init_expr);
                        }
                        globals += 1;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        facts.has_instance_info |= export?.name == InstanceInfo::EXPORT;
                    }
                }
                Payload::ElementSection(section) => {
                    for (number, element) in section.into_iter().enumerate() {
                        let element = element?;
                        let count = match element.items {
                            ElementItems::Functions(functions) => functions.count(),
                            ElementItems::Expressions(_, expressions) => expressions.count(),
                        };
                        if let ElementKind::Active {
                            table_index,
                            offset_expr,
                        } = &element.kind
                            && let Some(start) = constant(offset_expr)
                            && let Some(room) = tables.get(table_index.unwrap_or(0) as usize)
                        {
                            let end = u64::from(start) + u64::from(count);
                            let what = format!(
                                "element segment {number} ends at element {end} of a table"
                            );
                            facts.note_if_past(what, end, *room);
                        }
                    }
                }
                Payload::DataSection(section) => {
                    for (number, data) in section.into_iter().enumerate() {
                        let data = data?;
                        if let DataKind::Active {
                            memory_index,
                            offset_expr,
                        } = &data.kind
                            && let Some(start) = constant(offset_expr)
                        {
                            let start = u64::from(start);
                            let end = start + data.data.len() as u64;
                            let (first, last) = facts.data.unwrap_or((start, end));
                            facts.data = Some((first.min(start), last.max(end)));
                            let memory = facts.memories.get(*memory_index as usize);
                            if let Some(memory) = memory.filter(|memory| is_plain(memory)) {
                                let room = memory.initial.saturating_mul(PAGE_BYTES);
                                let what =
                                    format!("data segment {number} ends at byte {end} of a memory");
                                facts.note_if_past(what, end, room);
                            }
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => facts.functions.push(function(&body)?),
                // Two say as much as a million.
                Payload::CustomSection(section)
                    if section.name() == Plan::SECTION && facts.plans.len() < 2 =>
                {
                    let plan = Plan::decode(section.data());
                    facts.plans.push(plan.map_err(|error| error.to_string()));
                }
                Payload::CustomSection(section) => names.extend(function_names(&section)),
                _ => {}
            }
        }
        let imported = facts.imports.len();
        facts.has_names = !names.is_empty();
        for (number, function) in facts.functions.iter_mut().enumerate() {
            let given = names.get(&((imported + number) as u32));
            function.name = given.map(|given| function_name(given));
        }
        Ok(facts)
    }

    fn note_if_past(&mut self, what: String, end: u64, room: u64) {
        if end > room {
            self.misfits.push(format!("{what} that begins with {room}"));
        }
    }

    /// The plan, where there is one that can be read.
    pub fn plan(&self) -> Option<&Plan> {
        self.plans.iter().find_map(|plan| plan.as_ref().ok())
    }

    /// What a function is called: its name, or its number.
    pub fn name(&self, number: usize) -> String {
        let name = self.functions[number].name.clone();
        name.unwrap_or_else(|| format!("function {}", self.imports.len() + number))
    }

    /// The names of the functions that `pick` picks.
    pub fn names(&self, pick: impl Fn(&Function) -> bool) -> Vec<String> {
        let all = self.functions.iter().enumerate();
        all.filter(|(_, function)| pick(function))
            .map(|(number, _)| self.name(number))
            .collect()
    }
}

/// The number that an expression is, unless it calculates.
fn constant(expression: &ConstExpr<'_>) -> Option<u32> {
    let mut operators = expression.get_operators_reader();
    match (operators.read().ok()?, operators.read().ok()?) {
        (Operator::I32Const { value }, Operator::End) => Some(value.cast_unsigned()),
        _ => None,
    }
}

fn function(body: &FunctionBody<'_>) -> Result<Function, BinaryReaderError> {
    let mut function = Function {
        bytes: body.as_bytes().len(),
        ..Function::default()
    };
    // `global.get 0, i32.const FRAME, i32.sub` makes room on the shadow stack.
    let mut frame: (bool, Option<u32>) = (false, None);
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        frame = match operator {
            Operator::GlobalGet { global_index: 0 } => (true, None),
            Operator::I32Const { value } if frame.0 => (true, u32::try_from(value).ok()),
            Operator::I32Sub => {
                function.frame = function.frame.or(frame.1);
                (false, None)
            }
            _ => (false, None),
        };
        match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                function.calls.push(function_index);
            }
            Operator::MemoryGrow { .. } => function.grows_memory = true,
            Operator::MemorySize { .. } => function.asks_memory_size = true,
            Operator::F32Add
            | Operator::F32Sub
            | Operator::F32Mul
            | Operator::F32Div
            | Operator::F32Sqrt
            | Operator::F64Add
            | Operator::F64Sub
            | Operator::F64Mul
            | Operator::F64Div
            | Operator::F64Sqrt
            | Operator::F32DemoteF64
            | Operator::F64PromoteF32 => function.calculates = true,
            Operator::F32Store { .. }
            | Operator::F64Store { .. }
            | Operator::I32ReinterpretF32
            | Operator::I64ReinterpretF64 => function.shows_bits = true,
            Operator::I8x16RelaxedSwizzle
            | Operator::I32x4RelaxedTruncF32x4S
            | Operator::I32x4RelaxedTruncF32x4U
            | Operator::I32x4RelaxedTruncF64x2SZero
            | Operator::I32x4RelaxedTruncF64x2UZero
            | Operator::F32x4RelaxedMadd
            | Operator::F32x4RelaxedNmadd
            | Operator::F64x2RelaxedMadd
            | Operator::F64x2RelaxedNmadd
            | Operator::I8x16RelaxedLaneselect
            | Operator::I16x8RelaxedLaneselect
            | Operator::I32x4RelaxedLaneselect
            | Operator::I64x2RelaxedLaneselect
            | Operator::F32x4RelaxedMin
            | Operator::F32x4RelaxedMax
            | Operator::F64x2RelaxedMin
            | Operator::F64x2RelaxedMax
            | Operator::I16x8RelaxedQ15mulrS
            | Operator::I16x8RelaxedDotI8x16I7x16S
            | Operator::I32x4RelaxedDotI8x16I7x16AddS => function.is_relaxed = true,
            Operator::MemoryAtomicWait32 { .. }
            | Operator::MemoryAtomicWait64 { .. }
            | Operator::MemoryAtomicNotify { .. } => function.is_atomic = true,
            _ => {}
        }
    }
    Ok(function)
}
