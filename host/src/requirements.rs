//! What this host requires of a module beside its memory and plan: whether it exports `_start`, and
//! imports nothing that is not provided. It is read from a valid module's bytes, without compiling
//! them.

use wasmparser::types::{EntityType, Types};
use wasmparser::{FuncType, Parser, ValType, ValidPayload, Validator, WasmFeatures};

use crate::load_error::LoadError;
use crate::metashrew::{self, Import};
use crate::wasi::{self, FUNCTIONS, Parameter};
use crate::{outline, text};

/// Checks both.
pub(crate) fn check(module: &[u8]) -> Result<(), LoadError> {
    let types = types(module)?;
    if !exports_start(&types) {
        return Err(LoadError::NoStart);
    }
    let imports = types.as_ref().core_imports().into_iter().flatten();
    for (module, name, item) in imports {
        check_import(&types, module, name, item)?;
    }
    Ok(())
}

/// Whether a function `_start` without parameters and results is exported.
pub(crate) fn has_start(module: &[u8]) -> Result<bool, LoadError> {
    Ok(exports_start(&types(module)?))
}

/// What a module's sections declare. The code of its functions is passed over: whoever asks has had
/// the module validated.
fn types(module: &[u8]) -> Result<Types, LoadError> {
    let invalid = |error| outline::invalid(module, &error);
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(invalid)?;
        if let ValidPayload::End(types) = validator.payload(&payload).map_err(invalid)? {
            return Ok(types);
        }
    }
    Err(LoadError::Invalid("the module has no end".to_string()))
}

fn exports_start(types: &Types) -> bool {
    let mut exports = types.as_ref().core_exports().into_iter().flatten();
    let start = exports.find(|(name, _)| *name == "_start");
    let start = start.and_then(|(_, item)| signature(types, item));
    start.is_some_and(|start| start.params().is_empty() && start.results().is_empty())
}

fn check_import(
    types: &Types,
    module: &str,
    name: &str,
    item: EntityType,
) -> Result<(), LoadError> {
    let provided = provided(module, name).ok_or_else(|| LoadError::UnknownImport {
        module: text::name(module),
        name: text::name(name),
    })?;
    if signature(types, item) == Some(&provided) {
        return Ok(());
    }
    let (module, name) = (text::name(module), text::name(name));
    let reason = format!(
        "`{module}::{name}` is a {provided} here",
        provided = shown(&provided)
    );
    Err(LoadError::ImportType(reason))
}

fn signature(types: &Types, item: EntityType) -> Option<&FuncType> {
    match item {
        EntityType::Func(id) | EntityType::FuncExact(id) => match &types[id].composite_type.inner {
            wasmparser::CompositeInnerType::Func(function) => Some(function),
            _ => None,
        },
        _ => None,
    }
}

/// What this host has under a name.
fn provided(module: &str, name: &str) -> Option<FuncType> {
    let result = |has_result: bool| has_result.then_some(ValType::I32);
    match module {
        metashrew::MODULE => {
            let import = Import::named(name)?;
            let parameters = vec![ValType::I32; import.parameters()];
            Some(FuncType::new(parameters, result(import.has_result())))
        }
        wasi::MODULE => {
            let function = FUNCTIONS.iter().find(|function| function.name == name)?;
            let parameters = function.parameters().map(|parameter| match parameter {
                Parameter::I32 => ValType::I32,
                Parameter::I64 => ValType::I64,
            });
            let parameters: Vec<_> = parameters.collect();
            Some(FuncType::new(parameters, result(function.has_result())))
        }
        _ => None,
    }
}

fn shown(function: &FuncType) -> String {
    let list = |types: &[ValType]| {
        let types: Vec<_> = types.iter().map(ToString::to_string).collect();
        types.join(", ")
    };
    format!(
        "function of ({}) to ({})",
        list(function.params()),
        list(function.results())
    )
}
