//! What a module's bytes tell without compiling it.

use steadfast::Plan;
use steadfast::format::InstanceInfo;
use wasmparser::{
    BlockType, ConstExpr, ExternalKind, FunctionBody, MemoryType, Operator, Parser, Payload,
    TypeRef,
};

use crate::bounds::{Bound, Bounds, Exceeded};
use crate::ceiling::PAGE_BYTES;
use crate::load_error::LoadError;
use crate::metashrew::{self, Import};
use crate::{proposal, text, wasi};

/// The global with which the linker says where static data and shadow stack end.
const HEAP_BASE: &str = "__heap_base";

/// The memory that a module declares, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredMemory {
    /// What an instance begins with.
    pub initial: u64,
    /// The most that it can grow to, where the module says so.
    pub maximum: Option<u64>,
}

/// What a module's bytes tell, read once and without compiling anything: its plan, its memory, and
/// what it asks of a host.
#[derive(Clone, Debug)]
pub struct Outline {
    memory: DeclaredMemory,
    plan: Option<Plan>,
    /// Compilers say which they are, unless that is stripped.
    names_producers: bool,
    has_instance_info: bool,
    uses_wasi: bool,
    serves_c: bool,
    asks_for_image: bool,
    heap_base: Option<u64>,
}

impl Outline {
    /// Reads a module. Takes time in proportion to its bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are no module, or more than `bounds` allow; when its memory is missing or of
    /// an unusual kind, and when its plan cannot be read.
    pub fn read(bytes: &[u8], bounds: &Bounds) -> Result<Self, LoadError> {
        check(bytes, bounds)?;
        Self::of(bytes)
    }

    /// As [`read`](Self::read), of bytes that have been checked.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        let mut memories = Vec::new();
        let mut is_imported = false;
        let mut exported = None;
        let mut globals = Vec::new();
        let mut heap_base = None;
        let mut outline = Outline {
            memory: DeclaredMemory {
                initial: 0,
                maximum: None,
            },
            plan: None,
            names_producers: false,
            has_instance_info: false,
            uses_wasi: false,
            serves_c: false,
            asks_for_image: false,
            heap_base: None,
        };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|error| invalid(bytes, &error))? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(|error| invalid(bytes, &error))?;
                        outline.uses_wasi |= import.module == wasi::MODULE;
                        outline.asks_for_image |= import.module == metashrew::MODULE
                            && import.name == Import::LoadImage.name();
                        match import.ty {
                            TypeRef::Memory(memory) => {
                                is_imported = true;
                                memories.push(memory);
                            }
                            TypeRef::Global(_) => globals.push(None),
                            _ => {}
                        }
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        memories.push(memory.map_err(|error| invalid(bytes, &error))?);
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        let global = global.map_err(|error| invalid(bytes, &error))?;
                        globals.push(constant(&global.init_expr));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(|error| invalid(bytes, &error))?;
                        outline.has_instance_info |= export.name == InstanceInfo::EXPORT;
                        outline.serves_c |= export.name == "malloc";
                        if export.name == "memory" && export.kind == ExternalKind::Memory {
                            exported = Some(export.index);
                        }
                        if export.name == HEAP_BASE && export.kind == ExternalKind::Global {
                            heap_base = Some(export.index);
                        }
                    }
                }
                Payload::CustomSection(section) => {
                    outline.names_producers |= section.name() == "producers";
                    if section.name() == Plan::SECTION
                        && outline
                            .plan
                            .replace(Plan::decode(section.data()).map_err(LoadError::Plan)?)
                            .is_some()
                    {
                        return Err(LoadError::TwoPlans);
                    }
                }
                _ => {}
            }
        }
        let memory = exported.and_then(|index| memories.get(index as usize));
        let memory = memory.ok_or(LoadError::NoMemory)?;
        if !is_plain(memory) || is_imported || memories.len() != 1 {
            return Err(proposal::needed(bytes).unwrap_or(LoadError::ImportedMemory));
        }
        outline.memory = DeclaredMemory {
            initial: memory.initial.saturating_mul(PAGE_BYTES),
            maximum: memory.maximum.map(|pages| pages.saturating_mul(PAGE_BYTES)),
        };
        let heap_base = heap_base.and_then(|index| *globals.get(index as usize)?);
        outline.heap_base = heap_base.map(|end| end.next_multiple_of(PAGE_BYTES));
        Ok(outline)
    }

    /// The plan in the module's custom section, for a module that is built on steadfast.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Whether the module is built on steadfast, and its custom sections were stripped: nobody can
    /// read its plan then. One that has a plan without a section, since it keeps another global
    /// allocator, still tells what produced it.
    #[must_use]
    pub fn is_stripped(&self) -> bool {
        self.has_instance_info && self.plan.is_none() && !self.names_producers
    }

    /// Where the heap of a module that is built on steadfast begins: the first page behind its
    /// static data and its shadow stack, if the linker exports where they end.
    #[must_use]
    pub fn heap_base(&self) -> Option<u64> {
        self.heap_base
    }

    /// The memory that the module declares.
    #[must_use]
    pub fn declared_memory(&self) -> DeclaredMemory {
        self.memory
    }

    /// Bytes of linear memory without which the module cannot run: what it declares, and for a
    /// module that is built on steadfast its heap's budget, which ends where the region begins.
    #[must_use]
    pub fn memory_needed(&self) -> u64 {
        let budget_end = self.plan().map_or(0, |plan| plan.region_base().get());
        self.memory.initial.max(budget_end)
    }

    /// Checks that memory can grow to what the module needs.
    pub(crate) fn check_maximum(&self) -> Result<(), LoadError> {
        let need = self.memory_needed();
        match self.memory.maximum {
            Some(maximum) if maximum < need => Err(LoadError::MaximumMemory { maximum, need }),
            _ => Ok(()),
        }
    }

    /// Whether the module exports steadfast's instance info.
    #[must_use]
    pub fn has_instance_info(&self) -> bool {
        self.has_instance_info
    }

    /// Whether the module imports WASI preview 1.
    #[must_use]
    pub fn uses_wasi(&self) -> bool {
        self.uses_wasi
    }

    /// Whether the module has the part of the budget that serves C: it exports C's allocation
    /// family, as `plan!` has it on WASI and with the feature `c`.
    #[must_use]
    pub fn serves_c(&self) -> bool {
        self.serves_c
    }

    /// Whether the module asks for the image of its cache and offers the next one itself: it is
    /// built with steadfast's feature `image`.
    #[must_use]
    pub fn asks_for_image(&self) -> bool {
        self.asks_for_image
    }
}

/// Whether a host can run a module with this memory: of 32 bits, not shared, of ordinary pages.
pub(crate) fn is_plain(memory: &MemoryType) -> bool {
    !memory.memory64 && !memory.shared && memory.page_size_log2.is_none_or(|log| log == 16)
}

/// The address that a global has from the start.
fn constant(value: &ConstExpr<'_>) -> Option<u64> {
    match value.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => Some(u64::from(value.cast_unsigned())),
        _ => None,
    }
}

pub(crate) fn invalid(bytes: &[u8], error: &wasmparser::BinaryReaderError) -> LoadError {
    let reason = || LoadError::Invalid(text::reason(&error.to_string()));
    proposal::needed(bytes).unwrap_or_else(reason)
}

/// The functions that a name section names, by their numbers; none of another section. One that is
/// damaged names what stands before the damage.
#[cfg(any(feature = "check", feature = "profile"))]
pub(crate) fn function_names<'a>(
    section: &wasmparser::CustomSectionReader<'a>,
) -> Vec<(u32, &'a str)> {
    let mut names = Vec::new();
    if let wasmparser::KnownCustom::Name(section) = section.as_known() {
        for subsection in section.into_iter().map_while(Result::ok) {
            if let wasmparser::Name::Function(map) = subsection {
                let pairs = map.into_iter().map_while(Result::ok);
                names.extend(pairs.map(|pair| (pair.index, pair.name)));
            }
        }
    }
    names
}

/// Checks that a compiler can be given the module: that it ends in a bounded time, and in bounded
/// memory. Takes time in proportion to the module's bytes.
///
/// # Errors
///
/// When something of it is more than `bounds` allow.
pub(crate) fn check(bytes: &[u8], bounds: &Bounds) -> Result<(), Exceeded> {
    bounds.check(Bound::ModuleBytes, bytes.len() as u64)?;
    let mut parameters = Vec::new();
    let mut functions = Vec::new();
    let mut bodies = 0;
    let mut weight = Weight::default();
    // What cannot be parsed is refused by whoever compiles it, before it compiles anything.
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match payload {
            Payload::TypeSection(section) => {
                for group in section.into_iter().map_while(Result::ok) {
                    let count = |sub: &wasmparser::SubType| match &sub.composite_type.inner {
                        wasmparser::CompositeInnerType::Func(f) => f.params().len() as u64,
                        _ => 0,
                    };
                    parameters.extend(group.types().map(count));
                }
            }
            Payload::FunctionSection(section) => {
                bounds.check(Bound::Functions, section.count().into())?;
                functions.extend(section.into_iter().map_while(Result::ok));
            }
            Payload::TableSection(section) => {
                bounds.check(Bound::Tables, section.count().into())?;
                let tables = section.into_iter().map_while(Result::ok);
                let elements =
                    tables.fold(0, |sum: u64, table| sum.saturating_add(table.ty.initial));
                bounds.check(Bound::TableElements, elements)?;
            }
            Payload::CodeSectionStart { count, .. } => {
                bounds.check(Bound::Functions, count.into())?;
            }
            Payload::CodeSectionEntry(body) => {
                bounds.check(Bound::FunctionBytes, body.range().len() as u64)?;
                let signature = functions.get(bodies).copied().unwrap_or(0);
                let parameters = parameters.get(signature as usize).copied().unwrap_or(0);
                weight.add(&body, parameters);
                bounds.check(Bound::Instructions, weight.instructions)?;
                bounds.check(Bound::Branching, weight.branching)?;
                bounds.check(Bound::Looping, weight.looping)?;
                bodies += 1;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What makes a compiler slow, and large. It makes code of each instruction, and follows each
/// variable through each branch, and out of each loop.
#[derive(Default)]
struct Weight {
    instructions: u64,
    branching: u64,
    looping: u64,
}

impl Weight {
    fn add(&mut self, body: &FunctionBody<'_>, parameters: u64) {
        let mut variables = 1 + parameters;
        if let Ok(locals) = body.get_locals_reader() {
            let counts = locals.into_iter().map_while(Result::ok);
            variables += counts.map(|(count, _)| u64::from(count)).sum::<u64>();
        }
        self.instructions = self.instructions.saturating_add(variables);
        let Ok(mut operators) = body.get_operators_reader() else {
            return;
        };
        let (mut branches, mut nested) = (0_u64, 0_u64);
        // Which of the open blocks are loops.
        let mut open: Vec<bool> = Vec::new();
        let mut loops = 0_u64;
        while let Ok(operator) = operators.read() {
            self.instructions += cost(&operator);
            branches += match operator {
                Operator::Block { blockty } | Operator::If { blockty } => {
                    open.push(false);
                    values(blockty)
                }
                Operator::Loop { blockty } => {
                    open.push(true);
                    loops += 1;
                    nested += loops;
                    values(blockty)
                }
                Operator::End => {
                    loops -= u64::from(open.pop().unwrap_or(false));
                    0
                }
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => 1,
                Operator::BrTable { targets } => 1 + u64::from(targets.len()),
                _ => 0,
            };
        }
        self.branching = self
            .branching
            .saturating_add(variables.saturating_mul(branches));
        self.looping = self
            .looping
            .saturating_add(variables.saturating_mul(nested));
    }
}

/// What an instruction counts for. Constants and variables are operands of others. What may trap or
/// call the host in the middle takes a compiler most time and memory.
fn cost(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::Nop
        | Operator::Drop
        | Operator::End
        | Operator::LocalGet { .. }
        | Operator::LocalSet { .. }
        | Operator::LocalTee { .. }
        | Operator::I32Const { .. }
        | Operator::I64Const { .. }
        | Operator::F32Const { .. }
        | Operator::F64Const { .. } => 0,
        Operator::CallIndirect { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::MemoryGrow { .. }
        | Operator::TableGet { .. }
        | Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. } => 32,
        _ => 1,
    }
}

/// What a block counts for: one that takes values or gives several takes more than a plain one.
fn values(blockty: BlockType) -> u64 {
    match blockty {
        BlockType::Empty | BlockType::Type(_) => 1,
        BlockType::FuncType(_) => 16,
    }
}
