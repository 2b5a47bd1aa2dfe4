//! Which of a module's functions are its allocator.

use super::ProfileError;
use super::functions::{Function, Functions, Signature};
use crate::text;

/// Functions that a message names.
const SHOWN: usize = 16;

/// What a function of an allocator does, by its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes the size first, and returns a block.
    Allocate,
    /// Takes the alignment and then, last, the size, and returns a block.
    AllocateAligned,
    /// Takes a number and a size, and returns a block for both multiplied.
    AllocateMany,
    /// Takes the place for the block's address, the alignment and the size; returns 0 if it worked.
    AllocateAt,
    /// Takes a block first and the new size last, and returns a block.
    Resize,
    /// Takes a block first.
    Free,
    /// Takes the size last, and returns a block. Null is no refusal: its caller tries again.
    AllocateWithin,
    /// Takes a block, its alignment and its size, and the new size last; returns a block.
    ResizeWithin,
    /// Takes a block, its alignment, and its size last.
    FreeWithin,
}

/// The functions of allocators, by their names.
const KNOWN: [(&str, Role); 26] = [
    ("__rust_alloc", Role::Allocate),
    ("__rust_alloc_zeroed", Role::Allocate),
    ("__rust_realloc", Role::Resize),
    ("__rust_dealloc", Role::Free),
    ("__rg_alloc", Role::Allocate),
    ("__rg_alloc_zeroed", Role::Allocate),
    ("__rg_realloc", Role::Resize),
    ("__rg_dealloc", Role::Free),
    ("__rdl_alloc", Role::Allocate),
    ("__rdl_alloc_zeroed", Role::Allocate),
    ("__rdl_realloc", Role::Resize),
    ("__rdl_dealloc", Role::Free),
    ("malloc", Role::Allocate),
    ("calloc", Role::AllocateMany),
    ("realloc", Role::Resize),
    ("free", Role::Free),
    ("aligned_alloc", Role::AllocateAligned),
    ("posix_memalign", Role::AllocateAt),
    ("__libc_malloc", Role::Allocate),
    ("__libc_calloc", Role::AllocateMany),
    ("__libc_free", Role::Free),
    ("cabi_realloc", Role::Resize),
    // Steadfast's own: they stay functions where those of Rust are inlined. The heap itself may
    // come first.
    ("steadfast::heap::Heap::alloc_any", Role::AllocateWithin),
    ("steadfast::heap::Heap::alloc_zeroed", Role::AllocateWithin),
    ("steadfast::heap::Heap::realloc_any", Role::ResizeWithin),
    ("steadfast::heap::Heap::dealloc_any", Role::FreeWithin),
];

impl Role {
    /// What the function of this name does.
    #[must_use]
    pub fn of(name: &str) -> Option<Role> {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        known.map(|(_, role)| *role)
    }

    /// Whether a function with this type can do it. A compiler may have dropped parameters that it
    /// found to be always the same, but not the ones that are read here.
    fn fits(self, signature: Signature) -> bool {
        let (parameters, results) = match self {
            Role::Allocate => (1..=2, 1),
            Role::AllocateAligned | Role::AllocateMany => (2..=2, 1),
            Role::AllocateAt => (3..=3, 1),
            Role::Resize => (2..=4, 1),
            Role::Free => (1..=3, 0),
            Role::AllocateWithin => (2..=3, 1),
            Role::ResizeWithin => (4..=5, 1),
            Role::FreeWithin => (3..=4, 0),
        };
        signature.is_plain
            && parameters.contains(&signature.parameters)
            && signature.results == results
    }
}

impl Role {
    /// Whether the function gives a block back, and no other.
    pub(super) fn frees(self) -> bool {
        matches!(self, Role::Free | Role::FreeWithin)
    }

    /// Which of so many parameters is the old block.
    pub(super) fn block(self, parameters: u32) -> Option<u32> {
        match self {
            Role::Resize | Role::Free => Some(0),
            Role::ResizeWithin => Some(parameters - 4),
            Role::FreeWithin => Some(parameters - 3),
            _ => None,
        }
    }
}

/// A function that reports what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub function: u32,
    pub role: Role,
    /// Its type's number.
    pub type_index: u32,
    pub signature: Signature,
}

/// The functions of a module's allocator, each once, in the order of their numbers. `named` are
/// more names than the known ones, as the module has them or demangled.
pub(super) fn find(functions: &Functions, named: &[(String, Role)]) -> Vec<Hook> {
    let role = |name: &str| {
        let mut more = named.iter();
        let more = more.find(|(named, _)| is_name(name, named));
        more.map(|(_, role)| *role).or_else(|| known_role(name))
    };
    let hook = |(number, function): (u32, &Function)| {
        function.body.as_ref()?;
        let mut names = function.name.iter().chain(&function.export);
        let role = names.find_map(|name| role(name))?;
        let signature = functions.signature(function)?;
        role.fits(signature).then_some(Hook {
            function: number,
            role,
            type_index: function.signature,
            signature,
        })
    };
    functions.iter().filter_map(hook).collect()
}

/// Whether a function with the first name, as the module has it, is meant by the second one.
fn is_name(name: &str, meant: &str) -> bool {
    name == meant || text::demangled(name) == meant
}

/// What a function of this name does, as the module has it.
fn known_role(name: &str) -> Option<Role> {
    let demangled = text::demangled(name);
    Role::of(demangled.strip_prefix("__rustc::").unwrap_or(&demangled))
}

/// Checks that each of these names is of a function that can do what it is said to do.
pub(super) fn check(
    functions: &Functions,
    hooks: &[Hook],
    named: &[(String, Role)],
) -> Result<(), ProfileError> {
    let has = |function: &Function, meant: &str| {
        let mut names = function.name.iter().chain(&function.export);
        names.any(|name| is_name(name, meant))
    };
    let is_hook = |number| hooks.iter().any(|hook| hook.function == number);
    for (meant, _) in named {
        let mut found = functions.iter().filter(|(_, it)| has(it, meant)).peekable();
        let exists = found.peek().is_some();
        if found.any(|(number, _)| is_hook(number)) {
            continue;
        }
        let mut known: Vec<String> = hooks
            .iter()
            .filter_map(|hook| functions.get(hook.function))
            .filter_map(|it| it.name.as_ref().or(it.export.as_ref()))
            .map(|name| text::function_name(name))
            .collect();
        known.dedup();
        known.truncate(SHOWN);
        return Err(ProfileError::NotAllocator {
            name: text::name(meant),
            exists,
            known,
        });
    }
    Ok(())
}
