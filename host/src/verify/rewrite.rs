//! Gives a module the limits that an engine cannot impose: a maximum for its memory, and a refused
//! `memory.grow`.

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, Function, FunctionSection, GlobalSection, GlobalType,
    Instruction, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, FunctionSectionReader, GlobalSectionReader, Operator,
    Parser, Payload, TypeRef, TypeSectionReader,
};

/// The rewritten module. Its memory has at most `maximum_pages`; a lower maximum of its own stays.
/// `refuse_grow` is its `memory.grow` that answers -1, counted from 1.
///
/// # Errors
///
/// A line that says why the module cannot be rewritten.
pub(super) fn rewrite(
    module: &[u8],
    maximum_pages: u64,
    refuse_grow: Option<u64>,
) -> Result<Vec<u8>, String> {
    let refusal = match refuse_grow {
        Some(number) => Some(GrowRefusal::new(module, number)?),
        None => None,
    };
    let mut rewriter = Rewriter {
        maximum_pages,
        refusal,
    };
    let mut out = Module::new();
    rewriter
        .parse_core_module(&mut out, Parser::new(0), module)
        .map_err(|error| format!("the module cannot be rewritten: {error}"))?;
    Ok(out.finish())
}

/// What takes the place of each `memory.grow`: a function behind the module's own, which counts in
/// a global behind the module's own. So no index of the module's changes.
struct GrowRefusal {
    number: i32,
    signature: u32,
    function: u32,
    counter: u32,
}

impl GrowRefusal {
    fn new(module: &[u8], number: u64) -> Result<Self, String> {
        let [
            mut signature,
            mut function,
            mut counter,
            mut defined_globals,
        ] = [0; 4];
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(|error| error.to_string())? {
                Payload::TypeSection(section) => {
                    for group in section {
                        let group = group.map_err(|error| error.to_string())?;
                        signature += group.types().len() as u32;
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import.map_err(|error| error.to_string())?.ty {
                            TypeRef::Func(_) => function += 1,
                            TypeRef::Global(_) => counter += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => function += section.count(),
                Payload::GlobalSection(section) => defined_globals = section.count(),
                _ => {}
            }
        }
        if defined_globals == 0 {
            return Err("a module without globals cannot be rewritten to refuse growth".into());
        }
        Ok(GrowRefusal {
            number: i32::try_from(number).map_err(|error| error.to_string())?,
            signature,
            function,
            counter: counter + defined_globals,
        })
    }

    fn body(&self) -> Function {
        let mut body = Function::new([]);
        body.instructions()
            .global_get(self.counter)
            .i32_const(1)
            .i32_add()
            .global_set(self.counter)
            .global_get(self.counter)
            .i32_const(self.number)
            .i32_eq()
            .if_(BlockType::Result(ValType::I32))
            .i32_const(-1)
            .else_()
            .local_get(0)
            .memory_grow(0)
            .end()
            .end();
        body
    }
}

struct Rewriter {
    maximum_pages: u64,
    refusal: Option<GrowRefusal>,
}

type Reencoded = Result<(), reencode::Error>;

impl Reencode for Rewriter {
    type Error = core::convert::Infallible;

    fn memory_type(
        &mut self,
        memory: wasmparser::MemoryType,
    ) -> Result<MemoryType, reencode::Error> {
        let mut memory = utils::memory_type(self, memory);
        let own = memory.maximum.unwrap_or(u64::MAX);
        memory.maximum = Some(own.min(self.maximum_pages));
        Ok(memory)
    }

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
        if self.refusal.is_some() {
            types.ty().function([ValType::I32], [ValType::I32]);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_function_section(self, functions, section)?;
        if let Some(refusal) = &self.refusal {
            functions.function(refusal.signature);
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_global_section(self, globals, section)?;
        if self.refusal.is_some() {
            let counter = GlobalType {
                val_type: ValType::I32,
                mutable: true,
                shared: false,
            };
            globals.global(counter, &ConstExpr::i32_const(0));
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_code_section(self, code, section)?;
        if let Some(refusal) = &self.refusal {
            code.function(&refusal.body());
        }
        Ok(())
    }

    fn instruction<'a>(
        &mut self,
        operator: Operator<'a>,
    ) -> Result<Instruction<'a>, reencode::Error> {
        match (&operator, &self.refusal) {
            (Operator::MemoryGrow { .. }, Some(refusal)) => Ok(Instruction::Call(refusal.function)),
            _ => utils::instruction(self, operator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn names_that_are_damaged_are_left_as_they_are() {
        let text = "(module (memory 1) (global (mut i32) (i32.const 0)) (func (drop (memory.grow (i32.const 1)))) (@custom \"name\" \"\\ff\\ff\\ff\"))";
        let module = wat::parse_str(text).unwrap();
        let rewritten = rewrite(&module, 7, Some(1)).unwrap();
        let sections = wasmparser::Parser::new(0).parse_all(&rewritten);
        let names = sections.filter_map(|payload| match payload {
            Ok(wasmparser::Payload::CustomSection(section)) => Some(section.data().to_vec()),
            _ => None,
        });
        assert_eq!(names.collect::<Vec<_>>(), [[0xFF; 3]]);
    }
}
