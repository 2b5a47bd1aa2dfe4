//! Makes a module's functions tell the host when they begin and when they end.
//!
//! Each function calls an import first, and again wherever it ends. Its own code stands in a block
//! between, so a branch out of it ends up behind the block. No frame is added to the stack of
//! calls, and a backtrace names what it would name.

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, Function, ImportSection, Instruction, Module, NameMap,
    NameSection, SectionId, TypeSection, ValType,
};
use wasmparser::{
    CompositeInnerType, CustomSectionReader, FunctionBody, ImportSectionReader, KnownCustom,
    Operator, Parser, TypeSectionReader,
};

use super::functions::Functions;

/// The import that is called, with the number of the function that begins or what ends.
pub(super) const IMPORT: (&str, &str) = ("steadfast.profile", "call");

/// The fuel that a call of it takes: a constant and the call.
pub(super) const COST: u64 = 2;

/// The fuel that a function takes before its first instruction.
pub(super) const ENTRY: u64 = 1;

/// What a call of the import tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundary {
    /// The function with this number begins.
    Begins(u32),
    /// The innermost function returns.
    Returns,
    /// The innermost function's last instruction calls another function in its place.
    TailCalls,
    /// The innermost function's last instruction is `unreachable`.
    Stops,
}

impl Boundary {
    const RETURNS: i32 = -1;
    const TAIL_CALLS: i32 = -2;
    const STOPS: i32 = -3;

    pub fn numbered(number: i32) -> Boundary {
        match number {
            Boundary::RETURNS => Boundary::Returns,
            Boundary::TAIL_CALLS => Boundary::TailCalls,
            Boundary::STOPS => Boundary::Stops,
            function => Boundary::Begins(function as u32),
        }
    }

    fn number(self) -> i32 {
        match self {
            Boundary::Begins(function) => function as i32,
            Boundary::Returns => Boundary::RETURNS,
            Boundary::TailCalls => Boundary::TAIL_CALLS,
            Boundary::Stops => Boundary::STOPS,
        }
    }
}

/// Rewrites a module so that its functions tell. Functions that it defines have the next number
/// in it each, behind the import.
///
/// # Errors
///
/// A line that says why the module cannot be rewritten.
pub(super) fn tell_calls(module: &[u8], functions: &Functions) -> Result<Vec<u8>, String> {
    let imported = functions.iter().take_while(|(_, it)| it.body.is_none());
    let imported = imported.count() as u32;
    let mut rewriter = Rewriter {
        functions,
        imported,
        next: imported,
        blocks: Vec::new(),
    };
    let mut out = Module::new();
    rewriter
        .parse_core_module(&mut out, Parser::new(0), module)
        .map_err(|error| format!("the module cannot be rewritten: {error}"))?;
    out.section(&names(functions, imported));
    Ok(out.finish())
}

/// A section with the name of each function, or its number in the module as it is.
fn names(functions: &Functions, imported: u32) -> NameSection {
    let mut names = NameMap::new();
    for (number, function) in functions.iter() {
        let unnamed = || format!("function {number}");
        let name = function.name.clone().unwrap_or_else(unnamed);
        names.append(number + u32::from(number >= imported), &name);
    }
    let mut section = NameSection::new();
    section.functions(&names);
    section
}

struct Rewriter<'a> {
    functions: &'a Functions,
    /// How many functions the module imports.
    imported: u32,
    /// The number of the function whose code comes next.
    next: u32,
    /// Of each type: the block around the code of a function that has it.
    blocks: Vec<BlockType>,
}

type Reencoded = Result<(), reencode::Error>;

impl Rewriter<'_> {
    fn add_import(&self, imports: &mut ImportSection) {
        let (module, name) = IMPORT;
        imports.import(module, name, EntityType::Function(self.functions.types()));
    }

    fn tell(&self, function: &mut Function, boundary: Boundary) {
        function
            .instructions()
            .i32_const(boundary.number())
            .call(self.imported);
    }
}

impl Reencode for Rewriter<'_> {
    type Error = core::convert::Infallible;

    /// Leaves the names out: a section of their own has them.
    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: CustomSectionReader<'_>,
    ) -> Reencoded {
        match section.as_known() {
            KnownCustom::Name(_) => Ok(()),
            _ => utils::parse_custom_section(self, module, section),
        }
    }

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error> {
        Ok(function + u32::from(function >= self.imported))
    }

    /// Adds the import's type, and one for each block with several results.
    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_type_section(self, types, section.clone())?;
        types.ty().function([ValType::I32], []);
        let mut next = self.functions.types() + 1;
        for group in section {
            for sub in group?.types() {
                let results = match &sub.composite_type.inner {
                    CompositeInnerType::Func(function) => function.results(),
                    _ => &[],
                };
                let block = match results {
                    [] => BlockType::Empty,
                    [result] => BlockType::Result(self.val_type(*result)?),
                    results => {
                        types.ty().function([], self.val_types(results.to_vec())?);
                        next += 1;
                        BlockType::FunctionType(next - 1)
                    }
                };
                self.blocks.push(block);
            }
        }
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_import_section(self, imports, section)?;
        self.add_import(imports);
        Ok(())
    }

    /// Adds the section that the module does not have.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Reencoded {
        if after == Some(SectionId::Type) && before != Some(SectionId::Import) {
            let mut imports = ImportSection::new();
            self.add_import(&mut imports);
            module.section(&imports);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Reencoded {
        let number = self.next;
        self.next += 1;
        let declared = self.functions.get(number).map(|it| it.signature as usize);
        let block = declared.and_then(|it| self.blocks.get(it).copied());
        let block = block.unwrap_or(BlockType::Empty);
        let mut function = self.new_function_with_parsed_locals(&body)?;
        self.tell(&mut function, Boundary::Begins(number));
        function.instruction(&Instruction::Block(block));
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            match operator {
                Operator::Return => self.tell(&mut function, Boundary::Returns),
                Operator::Unreachable => self.tell(&mut function, Boundary::Stops),
                Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. } => {
                    self.tell(&mut function, Boundary::TailCalls);
                }
                _ => {}
            }
            function.instruction(&self.instruction(operator)?);
        }
        self.tell(&mut function, Boundary::Returns);
        function.instruction(&Instruction::End);
        code.function(&function);
        Ok(())
    }
}
