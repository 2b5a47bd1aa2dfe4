//! Makes a module's allocator report to the host.
//!
//! Each function of the allocator is moved behind the module's own, and a wrapper takes its place
//! and its number. The wrapper calls the function and then, through a table that the host fills,
//! the host. So no number of the module's changes, its memory holds what it held, and the code of
//! every other function stays byte for byte where debug information has it, counted from its start.

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, MemArg, Module, RefType, SectionId, TableSection, TableType,
    TypeSection, ValType,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, ExportSectionReader, FunctionBody,
    FunctionSectionReader, GlobalSectionReader, Parser, TableSectionReader, TypeSectionReader,
};

use super::allocator::{Hook, Role};
use super::functions::Functions;

/// What a report says has happened. It stands in the first of four numbers, before the old block,
/// the size and the new block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Allocated = 0,
    Resized = 1,
    Freed = 2,
}

impl Event {
    pub fn numbered(number: u32) -> Option<Event> {
        [Event::Allocated, Event::Resized, Event::Freed]
            .into_iter()
            .find(|event| *event as u32 == number)
    }
}

/// A module that reports, and how the host listens.
pub(super) struct Instrumented {
    pub module: Vec<u8>,
    /// The export of the table whose one element is the host's function.
    pub reports: String,
    /// The export of the number that is 0 while the allocator is to report.
    pub is_silent: String,
}

/// Rewrites a module so that these functions report. They are in the order of their numbers.
///
/// # Errors
///
/// A line that says why the module cannot be rewritten.
pub(super) fn instrument(
    module: &[u8],
    functions: &Functions,
    hooks: &[Hook],
) -> Result<Instrumented, String> {
    let unused = |name: &str| {
        let mut name = name.to_string();
        while functions.exports.contains(&name) {
            name.push('_');
        }
        name
    };
    let mut rewriter = Rewriter {
        functions,
        hooks,
        reports: unused("steadfast.profile.reports"),
        is_silent: unused("steadfast.profile.is_silent"),
    };
    let mut out = Module::new();
    rewriter
        .parse_core_module(&mut out, Parser::new(0), module)
        .map_err(|error| format!("the module cannot be rewritten: {error}"))?;
    Ok(Instrumented {
        module: out.finish(),
        reports: rewriter.reports,
        is_silent: rewriter.is_silent,
    })
}

struct Rewriter<'a> {
    functions: &'a Functions,
    hooks: &'a [Hook],
    reports: String,
    is_silent: String,
}

type Reencoded = Result<(), reencode::Error>;

impl Rewriter<'_> {
    fn add_table(&self, tables: &mut TableSection) {
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 1,
            maximum: Some(1),
            shared: false,
        });
    }

    /// Silent until the host listens, so that a start function finds nothing missing; and silent
    /// inside of the allocator, which may call itself.
    fn add_global(&self, globals: &mut GlobalSection) {
        let switch = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        globals.global(switch, &ConstExpr::i32_const(1));
    }

    /// What takes the place of a function that now has the number `moved`.
    fn wrapper(&self, hook: &Hook, moved: u32) -> Function {
        let signature = hook.signature;
        let (silent, result) = (self.functions.globals, signature.parameters);
        let returns = signature.results > 0;
        let kind = match returns {
            true => BlockType::Result(ValType::I32),
            false => BlockType::Empty,
        };
        let mut body = Function::new(returns.then_some((1, ValType::I32)));
        let mut code = body.instructions();
        code.global_get(silent).if_(kind);
        for parameter in 0..signature.parameters {
            code.local_get(parameter);
        }
        code.call(moved).else_().i32_const(1).global_set(silent);
        for parameter in 0..signature.parameters {
            code.local_get(parameter);
        }
        code.call(moved);
        if returns {
            code.local_set(result);
        }
        code.i32_const(0).global_set(silent);
        let last = signature.parameters - 1;
        let block = hook.role.block(signature.parameters);
        let event = match block {
            None => Event::Allocated,
            Some(_) if hook.role.frees() => Event::Freed,
            Some(_) => Event::Resized,
        };
        code.i32_const(event as i32);
        match block {
            Some(parameter) => code.local_get(parameter),
            None => code.i32_const(0),
        };
        match hook.role {
            Role::Allocate => code.local_get(0),
            Role::AllocateMany => code.local_get(0).local_get(1).i32_mul(),
            Role::AllocateWithin => code.local_get(last).i32_const(0).local_get(result).select(),
            Role::Free | Role::FreeWithin => code.i32_const(0),
            _ => code.local_get(last),
        };
        match hook.role {
            Role::Free | Role::FreeWithin => code.i32_const(0),
            Role::AllocateAt => code
                .local_get(result)
                .if_(BlockType::Result(ValType::I32))
                .i32_const(0)
                .else_()
                .local_get(0)
                .i32_load(MemArg {
                    offset: 0,
                    align: 2,
                    memory_index: 0,
                })
                .end(),
            _ => code.local_get(result),
        };
        code.i32_const(0)
            .call_indirect(self.functions.tables, self.functions.types());
        if returns {
            code.local_get(result);
        }
        code.end().end();
        body
    }
}

impl Reencode for Rewriter<'_> {
    type Error = core::convert::Infallible;

    /// Copies it: it may be damaged, and what it tells has not moved.
    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: CustomSectionReader<'_>,
    ) -> Reencoded {
        module.section(&self.custom_section(section)?);
        Ok(())
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32; 4], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_function_section(self, functions, section)?;
        for hook in self.hooks {
            functions.function(hook.type_index);
        }
        Ok(())
    }

    fn parse_table_section(
        &mut self,
        tables: &mut TableSection,
        section: TableSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_table_section(self, tables, section)?;
        self.add_table(tables);
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_global_section(self, globals, section)?;
        self.add_global(globals);
        Ok(())
    }

    /// Adds the sections that the module does not have. A module that runs has the ones behind
    /// them: it defines a memory, and exports it.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Reencoded {
        if before == Some(SectionId::Memory) && after != Some(SectionId::Table) {
            let mut tables = TableSection::new();
            self.add_table(&mut tables);
            module.section(&tables);
        }
        if before == Some(SectionId::Export) && after != Some(SectionId::Global) {
            let mut globals = GlobalSection::new();
            self.add_global(&mut globals);
            module.section(&globals);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_export_section(self, exports, section)?;
        exports.export(&self.reports, ExportKind::Table, self.functions.tables);
        exports.export(&self.is_silent, ExportKind::Global, self.functions.globals);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Reencoded {
        let first = self.functions.count() - section.count();
        let mut hooks = self.hooks.iter().peekable();
        let mut moved: Vec<FunctionBody<'_>> = Vec::new();
        for (number, body) in (first..).zip(section) {
            let body = body?;
            match hooks.next_if(|hook| hook.function == number) {
                Some(hook) => {
                    let behind = self.functions.count() + moved.len() as u32;
                    code.function(&self.wrapper(hook, behind));
                    moved.push(body);
                }
                None => {
                    code.raw(body.as_bytes());
                }
            }
        }
        for body in moved {
            code.raw(body.as_bytes());
        }
        Ok(())
    }
}
