//! The error numbers of `wasmtime-wasi`, which has a directory that may be read only, beside this
//! host's: for every function, with arguments of every kind.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use wasmtime::{Engine, Linker, Module, Store, Val};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::functions::{FUNCTIONS, Parameter};
use super::memory::Memory;
use super::stop::{Errno, Failure};
use super::{INPUT_DIRECTORY, MODULE, World};
use crate::bounds::Bounds;
use crate::output::Output;

/// What each function takes.
///
/// ```text
/// d  a file: every kind of one          p  a path's address and length, of every kind
/// m  an address of room                 v  a list of buffers, and its length
/// n  a length                           N  a number of 64 bits
/// ```
///
/// Another letter is a number that has a most.
const ARGUMENTS: [(&str, &str); 44] = [
    ("args_get", "mm"),
    ("args_sizes_get", "mm"),
    ("clock_res_get", "cm"),
    ("clock_time_get", "cNm"),
    ("environ_get", "mm"),
    ("environ_sizes_get", "mm"),
    ("fd_advise", "dNNa"),
    ("fd_allocate", "dNN"),
    ("fd_close", "d"),
    ("fd_datasync", "d"),
    ("fd_fdstat_get", "dm"),
    ("fd_fdstat_set_flags", "df"),
    ("fd_fdstat_set_rights", "dRR"),
    ("fd_filestat_get", "dm"),
    ("fd_filestat_set_size", "dN"),
    ("fd_filestat_set_times", "dNNt"),
    ("fd_pread", "dvNm"),
    ("fd_prestat_dir_name", "dmn"),
    ("fd_prestat_get", "dm"),
    ("fd_pwrite", "dvNm"),
    ("fd_read", "dvm"),
    ("fd_readdir", "dmnNm"),
    ("fd_renumber", "dd"),
    ("fd_seek", "dNwm"),
    ("fd_sync", "d"),
    ("fd_tell", "dm"),
    ("fd_write", "dvm"),
    ("path_create_directory", "dp"),
    ("path_filestat_get", "dlpm"),
    ("path_filestat_set_times", "dlpNNt"),
    ("path_link", "dlpdp"),
    ("path_open", "dlpoRRfm"),
    ("path_readlink", "dpmnm"),
    ("path_remove_directory", "dp"),
    ("path_rename", "dpdp"),
    ("path_symlink", "pdp"),
    ("path_unlink_file", "dp"),
    ("proc_raise", "g"),
    ("random_get", "mn"),
    ("sched_yield", ""),
    ("sock_accept", "dfm"),
    ("sock_recv", "dvrmm"),
    ("sock_send", "dvim"),
    ("sock_shutdown", "dx"),
];

/// Functions that are not compared. `poll_oneoff` fails there where a file cannot be awaited; here,
/// as preview 1 has it, that file's event tells. `proc_exit` does not come back.
const LEFT_OUT: [&str; 2] = ["poll_oneoff", "proc_exit"];

/// Functions that tell of clocks, chance, or what a file system and this host have for rights and
/// inodes.
const OTHER_RESULTS: [&str; 7] = [
    "clock_res_get",
    "clock_time_get",
    "fd_fdstat_get",
    "fd_filestat_get",
    "fd_readdir",
    "path_filestat_get",
    "random_get",
];

/// Whether an answer of ours deliberately differs from theirs.
fn is_deliberate(name: &str, theirs: Answer, ours: Errno) -> bool {
    const BOTH: [Errno; 2] = [Errno::FAULT, Errno::INVAL];
    match theirs {
        // An address outside memory, or a number that stands for nothing, ends no run.
        Answer::Trap => BOTH.contains(&ours),
        // The whole file system is read-only.
        theirs if theirs == Errno::PERM.into() => ours == Errno::ROFS,
        // An open file has no settings.
        _ => name == "fd_fdstat_set_flags" && ours == Errno::NOTSUP,
    }
}

const OUTSIDE: u64 = 1 << 20;
const LIST: u64 = 512;
const ROOM: u64 = 1024;

/// An error number, 0 for none, or a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Number(u16),
    Trap,
}

impl From<Errno> for Answer {
    fn from(errno: Errno) -> Self {
        Answer::Number(errno.number())
    }
}

/// A page with what addresses lead to.
fn page() -> Vec<u8> {
    let mut page = vec![0; 65_536];
    for (at, path) in PATHS {
        page[at as usize..][..path.len()].copy_from_slice(path);
    }
    // A buffer in memory, and one outside.
    page[LIST as usize..][..16].copy_from_slice(&[0, 8, 0, 0, 8, 0, 0, 0, 0, 0, 16, 0, 8, 0, 0, 0]);
    page
}

const PATHS: [(u64, &[u8]); 9] = [
    (16, b"block"),
    (32, b"missing"),
    (48, b"missing/deeper"),
    (64, b"../block"),
    (80, b"/block"),
    (96, b"."),
    (112, b"block/below"),
    (128, b"\xff"),
    (144, b""),
];

/// The values of a parameter, each of one or two arguments; the first is a good one.
fn values(letter: char) -> Vec<Vec<u64>> {
    let ones = |values: &[u64]| values.iter().map(|value| vec![*value]).collect();
    match letter {
        'd' => ones(&[3, 4, 0, 1, 2, 9, u32::MAX.into()]),
        'p' => {
            let paths = PATHS.iter().map(|(at, path)| vec![*at, path.len() as u64]);
            paths.chain([vec![OUTSIDE, 5]]).collect()
        }
        'm' => ones(&[ROOM, OUTSIDE]),
        'v' => vec![
            vec![LIST, 1],
            vec![LIST, 0],
            vec![LIST + 8, 1],
            vec![OUTSIDE, 1],
        ],
        'n' => ones(&[8, 2]),
        'N' => ones(&[0, 5]),
        'i' => ones(&[0]),
        'c' => ones(&[0, 1, 2, 3, 4]),
        'a' => ones(&[0, 5, 6]),
        'w' => ones(&[0, 1, 2, 3]),
        'g' => ones(&[0, 30, 31]),
        'l' => ones(&[0, 1, 2]),
        'o' => ones(&[0, 1, 2, 3, 4, 5, 8, 9, 10, 16]),
        't' => ones(&[0, 3, 5, 12, 16]),
        'f' => ones(&[0, 1, 2, 4, 8, 16, 32]),
        'r' | 'x' => ones(&[0, 3, 4]),
        'R' => ones(&[2, 0, 64, 66, 1 << 30, u64::MAX]),
        _ => unreachable!("{letter}"),
    }
}

/// Lists of arguments: of each two parameters every pair of values, and good ones for the rest.
fn lists(letters: &str) -> Vec<Vec<u64>> {
    let values: Vec<_> = letters.chars().map(values).collect();
    let good: Vec<_> = values.iter().map(|values| values[0].clone()).collect();
    let mut lists = vec![good.concat()];
    for one in 0..values.len() {
        for other in one..values.len() {
            for first in &values[one] {
                for second in &values[other] {
                    let mut list = good.clone();
                    list[one].clone_from(first);
                    list[other].clone_from(second);
                    lists.push(list.concat());
                }
            }
        }
    }
    lists.sort();
    lists.dedup();
    lists
}

/// Functions that call those of `wasmtime-wasi`, with a memory that those see.
struct Theirs {
    linker: Linker<WasiP1Ctx>,
    module: Module,
    directory: tempfile::TempDir,
}

impl Theirs {
    fn new() -> Self {
        let (mut imports, mut exports) = (String::new(), String::new());
        for function in &FUNCTIONS {
            let name = function.name;
            let types = function.parameters().map(|parameter| match parameter {
                Parameter::I32 => " i32",
                Parameter::I64 => " i64",
            });
            let types: String = types.collect();
            let result = if function.has_result() {
                "(result i32)"
            } else {
                ""
            };
            let arguments: String = (0..function.parameters().count())
                .map(|number| format!("(local.get {number})"))
                .collect();
            imports +=
                &format!(r#"(import "{MODULE}" "{name}" (func ${name} (param{types}) {result}))"#);
            exports += &format!(
                r#"(func (export "{name}") (param{types}) {result} (call ${name} {arguments}))"#
            );
        }
        let text = format!(r#"(module {imports} (memory (export "memory") 1) {exports})"#);
        let engine = Engine::default();
        let mut linker = Linker::new(&engine);
        add_to_linker_sync(&mut linker, |context| context).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("block"), "input").unwrap();
        Theirs {
            module: Module::new(&engine, wat::parse_str(text).unwrap()).unwrap(),
            linker,
            directory,
        }
    }

    /// Calls functions, one after the other, and answers what the last one did.
    fn call(&self, calls: &[(&str, &[u64])]) -> (Answer, Vec<u8>) {
        let mut context = WasiCtxBuilder::new();
        context
            .preopened_dir(self.directory.path(), INPUT_DIRECTORY, FsPerms::ReadOnly)
            .unwrap();
        let mut store = Store::new(self.module.engine(), context.build_p1());
        let instance = self.linker.instantiate(&mut store, &self.module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        memory.write(&mut store, 0, &page()).unwrap();
        let mut answer = Answer::Trap;
        for (name, arguments) in calls {
            let function = instance.get_func(&mut store, name).unwrap();
            let parameters = FUNCTIONS.iter().find(|function| function.name == *name);
            let parameters = parameters.unwrap().parameters();
            let arguments: Vec<Val> = parameters
                .zip(*arguments)
                .map(|(parameter, value)| match parameter {
                    Parameter::I32 => Val::I32(*value as u32 as i32),
                    Parameter::I64 => Val::I64(*value as i64),
                })
                .collect();
            let mut results = [Val::I32(0)];
            let called = function.call(&mut store, &arguments, &mut results);
            answer = match called {
                Ok(()) => Answer::Number(results[0].unwrap_i32() as u16),
                Err(_) => Answer::Trap,
            };
        }
        (answer, memory.data(&store).to_vec())
    }
}

/// The same with this host's. The answer is `None` where there is no error.
fn ours(calls: &[(&str, &[u64])]) -> (Option<Errno>, Vec<u8>) {
    let input: Arc<[u8]> = b"input"[..].into();
    let mut world = World::new(input, &[], Output::Capture, &Bounds::default());
    let mut memory = page();
    let mut answer = None;
    for (name, arguments) in calls {
        let mut functions = FUNCTIONS.iter();
        let function = functions.find(|function| function.name == *name).unwrap();
        let mut all = [0; 9];
        all[..arguments.len()].copy_from_slice(arguments);
        answer = match function.run(&mut world, &mut Memory(&mut memory), all) {
            Ok(()) => None,
            Err(Failure::Errno(errno)) => Some(errno),
            Err(Failure::Stop(stop)) => panic!("{name}: {stop}"),
        };
    }
    (answer, memory)
}

#[test]
fn every_function_answers_as_wasmtimes_own() {
    let theirs = Theirs::new();
    // The input is file 4.
    let open = ("path_open", &[3, 0, 16, 5, 0, 2, 0, 0, ROOM][..]);
    let mut wrong = Vec::new();
    for (name, letters) in ARGUMENTS {
        for arguments in lists(letters) {
            let calls = [open, (name, &arguments)];
            let ((theirs, their_memory), (ours, our_memory)) = (theirs.call(&calls), ours(&calls));
            let is_right = match ours {
                None => {
                    let is_same = their_memory == our_memory || OTHER_RESULTS.contains(&name);
                    theirs == Answer::Number(0) && is_same
                }
                Some(errno) => theirs == errno.into() || is_deliberate(name, theirs, errno),
            };
            if !is_right {
                wrong.push(format!(
                    "{name} {arguments:?}: {ours:?}, and theirs is {theirs:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_are_compared() {
    let compared = ARGUMENTS.iter().map(|(name, _)| *name).chain(LEFT_OUT);
    let compared: BTreeSet<_> = compared.collect();
    let all = FUNCTIONS.iter().map(|function| function.name);
    assert_eq!(compared, all.collect());
}
