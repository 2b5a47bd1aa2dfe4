//! The functions of preview 1, for any engine: what each takes, and what it does to a [`World`].

use super::files::rights;
use super::memory::Memory;
use super::stop::{Errno, Failure, Stop};
use super::world::World;
use crate::metashrew::Exchange;

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    I32,
    I64,
}

type Done = Result<(), Failure>;

/// The most parameters that a function has.
const MOST_PARAMETERS: usize = 9;

/// A function's arguments, each as an unsigned number. The rest of the nine are zeros.
type Arguments = [u64; MOST_PARAMETERS];

/// One of the functions.
pub(crate) struct Function {
    pub name: &'static str,
    /// A letter for each parameter: a capital for 64 bits, another for 32. [`most`] says what it
    /// may be.
    parameters: &'static str,
    run: fn(&mut World, &mut Memory<'_>, Arguments) -> Done,
}

impl Function {
    /// What it takes.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = Parameter> {
        self.parameters.chars().map(|letter| match letter {
            'A'..='Z' => Parameter::I64,
            _ => Parameter::I32,
        })
    }

    /// The same with all nine arguments.
    pub(super) fn run(
        &self,
        world: &mut World,
        memory: &mut Memory<'_>,
        arguments: Arguments,
    ) -> Done {
        for (letter, argument) in self.parameters.chars().zip(arguments) {
            if argument > most(letter) {
                return Err(Errno::INVAL.into());
            }
        }
        (self.run)(world, memory, arguments)
    }

    /// Whether it answers an error number. One does not come back.
    pub(crate) fn has_result(&self) -> bool {
        self.name != "proc_exit"
    }

    /// Whether its calls are noted: those of all but `environ_get` and `environ_sizes_get`, which a
    /// C library calls more or less often as there are variables or none.
    fn is_noted(&self) -> bool {
        !self.name.starts_with("environ_")
    }

    /// Runs it on a caller's memory; answers the error number, 0 if there is none. An engine passes
    /// as many arguments as it has parameters.
    pub(crate) fn call(
        &self,
        world: &mut World,
        exchange: &mut Exchange,
        memory: &mut [u8],
        given: impl Iterator<Item = u64>,
    ) -> Result<i32, Stop> {
        if self.is_noted() {
            exchange.note(self.name, None);
        }
        let mut arguments = [0; MOST_PARAMETERS];
        for (argument, given) in arguments.iter_mut().zip(given) {
            *argument = given;
        }
        match self.run(world, &mut Memory(memory), arguments) {
            Ok(()) => Ok(0),
            Err(Failure::Errno(errno)) => Ok(errno.number().into()),
            Err(Failure::Stop(stop)) => Err(stop),
        }
    }
}

/// The greatest number that stands for something: flags are numbered from the lowest bit on.
fn most(letter: char) -> u64 {
    match letter {
        // A clock; advice on a file; from where to seek; a signal.
        'c' => 3,
        'a' => 5,
        'w' => 2,
        'g' => 30,
        // Flags of: looking up a path, opening, an open file, setting times, receiving, shutting
        // down.
        'l' => 1,
        'o' | 't' => 15,
        'f' => 31,
        'r' | 'x' => 3,
        'R' => rights::ALL,
        _ => u64::MAX,
    }
}

const fn function(
    name: &'static str,
    parameters: &'static str,
    run: fn(&mut World, &mut Memory<'_>, Arguments) -> Done,
) -> Function {
    Function {
        name,
        parameters,
        run,
    }
}

/// All of them.
pub(crate) static FUNCTIONS: [Function; 46] = [
    function("args_get", "ii", |_, _, _| Ok(())),
    function("args_sizes_get", "ii", |_, memory, [count, bytes, ..]| {
        memory.put_u32(count, 0)?;
        Ok(memory.put_u32(bytes, 0)?)
    }),
    function("clock_res_get", "ci", |world, memory, [clock, at, ..]| {
        world.time(clock)?;
        Ok(memory.put(at, &1_u64.to_le_bytes())?)
    }),
    function(
        "clock_time_get",
        "cIi",
        |world, memory, [clock, _, at, ..]| {
            let time = world.time(clock)?;
            Ok(memory.put(at, &time.to_le_bytes())?)
        },
    ),
    function("environ_get", "ii", |world, memory, [list, at, ..]| {
        Ok(world.put_env(memory, list, at)?)
    }),
    function(
        "environ_sizes_get",
        "ii",
        |world, memory, [count, bytes, ..]| Ok(world.put_env_sizes(memory, count, bytes)?),
    ),
    function("fd_advise", "iIIa", of_input),
    function("fd_allocate", "iII", unsupported_of_input),
    function("fd_close", "i", |world, _, [file, ..]| {
        Ok(world.files.close(file)?)
    }),
    function("fd_datasync", "i", of_input),
    function("fd_fdstat_get", "ii", |world, memory, [file, at, ..]| {
        Ok(memory.put(at, &world.files.get(file)?.status())?)
    }),
    function("fd_fdstat_set_flags", "if", unsupported_of_input),
    function("fd_fdstat_set_rights", "iRR", |world, _, [file, ..]| {
        world.files.check_node(file)?;
        Err(Errno::NOTSUP.into())
    }),
    function("fd_filestat_get", "ii", |world, memory, [file, at, ..]| {
        let bytes = world.input_bytes();
        Ok(memory.put(at, &world.files.get(file)?.statistics(bytes))?)
    }),
    function("fd_filestat_set_size", "iI", |world, _, [file, ..]| {
        world.files.check_input(file)?;
        Err(Errno::ROFS.into())
    }),
    function(
        "fd_filestat_set_times",
        "iIIt",
        |world, _, [file, _, _, flags, ..]| {
            check_times(flags)?;
            world.files.check_node(file)?;
            Err(Errno::ROFS.into())
        },
    ),
    function(
        "fd_pread",
        "iiiIi",
        |world, memory, [file, list, count, from, answer, ..]| {
            let buffer = memory.buffer(list, count)?;
            let read = world.read_at(memory, file, buffer, from)?;
            Ok(memory.put_u32(answer, read)?)
        },
    ),
    function(
        "fd_prestat_dir_name",
        "iii",
        |world, memory, [file, at, room, ..]| {
            let name = world.files.name_of_given(file)?.ok_or(Errno::NOTDIR)?;
            if room < name.len() as u64 {
                return Err(Errno::NAMETOOLONG.into());
            }
            Ok(memory.put(at, name.as_bytes())?)
        },
    ),
    function("fd_prestat_get", "ii", |world, memory, [file, at, ..]| {
        let name = world.files.name_of_given(file)?.ok_or(Errno::BADF)?;
        memory.put_u32(at, 0)?;
        Ok(memory.put_u32(at + 4, name.len())?)
    }),
    function(
        "fd_pwrite",
        "iiiIi",
        |world, memory, [file, list, count, _, answer, ..]| {
            let buffer = memory.buffer(list, count)?;
            let written = world.write_at(memory, file, buffer)?;
            Ok(memory.put_u32(answer, written)?)
        },
    ),
    function(
        "fd_read",
        "iiii",
        |world, memory, [file, list, count, answer, ..]| {
            let buffer = memory.buffer(list, count)?;
            let read = world.read(memory, file, buffer)?;
            Ok(memory.put_u32(answer, read)?)
        },
    ),
    function(
        "fd_readdir",
        "iiiIi",
        |world, memory, [file, at, room, from, answer, ..]| {
            let listed = world.list(memory, file, (at, room), from)?;
            Ok(memory.put_u32(answer, listed)?)
        },
    ),
    function("fd_renumber", "ii", |world, _, [file, to, ..]| {
        Ok(world.files.renumber(file, to)?)
    }),
    function(
        "fd_seek",
        "iIwi",
        |world, memory, [file, offset, from, answer, ..]| {
            let at = world.seek(file, offset as i64, from)?;
            Ok(memory.put(answer, &at.to_le_bytes())?)
        },
    ),
    function("fd_sync", "i", of_input),
    function("fd_tell", "ii", |world, memory, [file, answer, ..]| {
        const CURRENT: u64 = 1;
        let at = world.seek(file, 0, CURRENT)?;
        Ok(memory.put(answer, &at.to_le_bytes())?)
    }),
    function(
        "fd_write",
        "iiii",
        |world, memory, [file, list, count, answer, ..]| {
            let buffer = memory.buffer(list, count)?;
            let written = world.write(memory, file, buffer)?;
            Ok(memory.put_u32(answer, written)?)
        },
    ),
    function(
        "path_create_directory",
        "iii",
        |world, memory, [directory, path, length, ..]| {
            change_at(world, memory, directory, [(path, length)])
        },
    ),
    function(
        "path_filestat_get",
        "iliii",
        |world, memory, [directory, _, path, length, at, ..]| {
            let bytes = world.input_bytes();
            world.files.check_directory(directory)?;
            let path = memory.path(path, length)?;
            let statistics = world.files.statistics_at(directory, path, bytes)?;
            Ok(memory.put(at, &statistics)?)
        },
    ),
    function(
        "path_filestat_set_times",
        "iliiIIt",
        |world, memory, [directory, _, path, length, _, _, flags, ..]| {
            check_times(flags)?;
            change_at(world, memory, directory, [(path, length)])
        },
    ),
    function(
        "path_link",
        "iliiiii",
        |world, memory, [from, _, path, length, to, link, bytes, ..]| {
            world.files.check_directory(from)?;
            change_at(world, memory, to, [(path, length), (link, bytes)])
        },
    ),
    function(
        "path_open",
        "iliioRRfi",
        |world, memory, [directory, _, path, length, flags, asked, _, mode, answer]| {
            let path = memory.path(path, length)?;
            world.files.check_holder(directory)?;
            if mode & SYNCHRONOUS != 0 {
                return Err(Errno::NOTSUP.into());
            }
            let number = world.files.open(directory, path, flags, asked)?;
            Ok(memory.put_u32(answer, number as usize)?)
        },
    ),
    function(
        "path_readlink",
        "iiiiii",
        |world, memory, [directory, path, length, ..]| {
            // Nothing here is a link.
            world.files.check_directory(directory)?;
            let path = memory.path(path, length)?;
            world.files.find(directory, path)?;
            Err(Errno::INVAL.into())
        },
    ),
    function(
        "path_remove_directory",
        "iii",
        |world, memory, [directory, path, length, ..]| {
            change_at(world, memory, directory, [(path, length)])
        },
    ),
    function(
        "path_rename",
        "iiiiii",
        |world, memory, [from, path, length, to, name, bytes, ..]| {
            world.files.check_directory(from)?;
            change_at(world, memory, to, [(path, length), (name, bytes)])
        },
    ),
    function(
        "path_symlink",
        "iiiii",
        |world, memory, [path, length, directory, link, bytes, ..]| {
            change_at(world, memory, directory, [(path, length), (link, bytes)])
        },
    ),
    function(
        "path_unlink_file",
        "iii",
        |world, memory, [directory, path, length, ..]| {
            change_at(world, memory, directory, [(path, length)])
        },
    ),
    function(
        "poll_oneoff",
        "iiii",
        |world, memory, [input, output, count, answer, ..]| {
            let World { clock, files, .. } = world;
            clock.poll(files, memory, input, output, count, answer)
        },
    ),
    function("proc_exit", "i", |_, _, [status, ..]| {
        Err(Stop::Exit(status as u32 as i32).into())
    }),
    function("proc_raise", "g", |_, _, _| Err(Errno::NOTSUP.into())),
    function("random_get", "ii", |world, memory, [at, length, ..]| {
        world.random(memory.get_mut(at, length)?)
    }),
    function("sched_yield", "", |_, _, _| {
        std::thread::yield_now();
        Ok(())
    }),
    function("sock_accept", "ifi", no_socket),
    function("sock_recv", "iiirii", no_socket),
    function("sock_send", "iiiii", no_socket),
    function("sock_shutdown", "ix", no_socket),
];

/// Flags of an open file that have each write reach the disk.
const SYNCHRONOUS: u64 = 2 | 8 | 16;

/// Flags that give the time of access or change, or have it be the present one: both is a mistake.
fn check_times(flags: u64) -> Result<(), Errno> {
    let both = flags & (flags >> 1);
    match both & 0b101 {
        0 => Ok(()),
        _ => Err(Errno::INVAL),
    }
}

/// Does nothing to the input.
fn of_input(world: &mut World, _: &mut Memory<'_>, [file, ..]: Arguments) -> Done {
    Ok(world.files.check_input(file)?)
}

/// The input takes no other settings.
fn unsupported_of_input(world: &mut World, _: &mut Memory<'_>, [file, ..]: Arguments) -> Done {
    world.files.check_input(file)?;
    Err(Errno::NOTSUP.into())
}

/// Nothing here can be changed.
fn change_at<const N: usize>(
    world: &mut World,
    memory: &Memory<'_>,
    directory: u64,
    paths: [(u64, u64); N],
) -> Done {
    world.files.check_directory(directory)?;
    for (path, length) in paths {
        memory.path(path, length)?;
    }
    Err(Errno::ROFS.into())
}

fn no_socket(world: &mut World, _: &mut Memory<'_>, [file, ..]: Arguments) -> Done {
    world.files.get(file)?;
    Err(Errno::NOTSOCK.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::bounds::Bounds;
    use crate::output::Output;
    use crate::state::{MemoryState, State as _};

    fn call(world: &mut World, name: &str, memory: &mut [u8], given: &[u64]) -> Result<i32, Stop> {
        let input: Arc<[u8]> = b"input"[..].into();
        let snapshot = MemoryState::default().snapshot().unwrap();
        let mut exchange = Exchange::new(input, snapshot, Box::new(|_| ()));
        let mut functions = FUNCTIONS.iter();
        let function = functions.find(|function| function.name == name).unwrap();
        function.call(world, &mut exchange, memory, given.iter().copied())
    }

    fn world(bounds: &Bounds) -> World {
        let input: Arc<[u8]> = b"input"[..].into();
        World::new(input, &[("A".into(), "1".into())], Output::Capture, bounds)
    }

    /// Whatever a module hands over, it is given an error number, or stopped.
    #[test]
    fn no_arguments_harm_the_host() {
        const NUMBERS: [u64; 12] = [
            0,
            1,
            3,
            4,
            24,
            4096,
            65_535,
            65_536,
            1 << 31,
            u32::MAX as u64,
            i64::MIN as u64,
            u64::MAX,
        ];
        let mut noise = 1_u64;
        let mut next = || {
            noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            NUMBERS[(noise >> 33) as usize % NUMBERS.len()]
        };
        let mut world = world(&Bounds::default());
        let mut memory = vec![0xff; 65_536];
        memory[4096..4104].copy_from_slice(&[0, 0, 0, 0, 4, 0, 0, 0]);
        let (mut succeeded, mut failed) = (0, 0);
        for round in 0..20_000 {
            let function = &FUNCTIONS[round % FUNCTIONS.len()];
            // Those that wait, or make random numbers, see that the time is over.
            world.set_deadline(Some(Instant::now()));
            let given = function.parameters().map(|parameter| match parameter {
                Parameter::I32 => next() & u64::from(u32::MAX),
                Parameter::I64 => next(),
            });
            let given: Vec<_> = given.collect();
            match call(&mut world, function.name, &mut memory, &given) {
                Ok(0) => succeeded += 1,
                Ok(1..77) => failed += 1,
                Ok(errno) => panic!("{} answers {errno}", function.name),
                Err(_) => {}
            }
        }
        assert!(succeeded > 500 && failed > 5000, "{succeeded}, {failed}");
    }

    #[test]
    fn one_call_prints_and_makes_no_more_than_a_piece() {
        let mut world = world(&Bounds::default().with(crate::Bound::OutputBytes, 70_000));
        let mut memory = vec![b'x'; 1 << 20];
        memory[..8].copy_from_slice(&[0, 0, 0, 0, 0, 0, 16, 0]);
        for printed in [65_536, 70_000, 70_000] {
            assert_eq!(
                call(&mut world, "fd_write", &mut memory, &[1, 0, 1, 16]),
                Ok(0)
            );
            assert_eq!(memory[16..20], 65_536_u32.to_le_bytes());
            assert_eq!(world.printed().stdout.len(), printed);
        }
        let random = [0, 1 << 20];
        assert_eq!(call(&mut world, "random_get", &mut memory, &random), Ok(0));
        world.set_deadline(Some(Instant::now()));
        let stopped = call(&mut world, "random_get", &mut memory, &random);
        assert_eq!(stopped, Err(Stop::TimedOut));
    }

    #[test]
    fn the_input_is_read_from_any_place() {
        let mut world = world(&Bounds::default());
        let mut memory = vec![0; 256];
        memory[..5].copy_from_slice(b"block");
        // An empty buffer before one of four bytes.
        memory[12..24].copy_from_slice(&[0, 0, 0, 0, 64, 0, 0, 0, 4, 0, 0, 0]);
        let open = [3, 0, 0, 5, 0, 2, 0, 0, 32];
        assert_eq!(call(&mut world, "path_open", &mut memory, &open), Ok(0));
        assert_eq!(memory[32], 4);
        for expected in ["inpu", "t", ""] {
            assert_eq!(
                call(&mut world, "fd_read", &mut memory, &[4, 8, 2, 40]),
                Ok(0)
            );
            assert_eq!(memory[40] as usize, expected.len());
            assert_eq!(&memory[64..][..expected.len()], expected.as_bytes());
        }
        assert_eq!(
            call(&mut world, "fd_pread", &mut memory, &[4, 8, 2, 3, 40]),
            Ok(0)
        );
        assert_eq!((memory[40], &memory[64..66]), (2, &b"ut"[..]));
        for (offset, from, place) in [(-4_i64, 2, 1), (2, 1, 3), (9, 0, 9)] {
            let seek = [4, offset as u64, from, 48];
            assert_eq!(call(&mut world, "fd_seek", &mut memory, &seek), Ok(0));
            assert_eq!(memory[48], place);
        }
        assert_eq!(
            call(&mut world, "fd_read", &mut memory, &[4, 8, 2, 40]),
            Ok(0)
        );
        assert_eq!(memory[40], 0);
        let before = [4, -10_i64 as u64, 1, 48];
        assert_eq!(call(&mut world, "fd_seek", &mut memory, &before), Ok(28));
        assert_eq!(
            call(&mut world, "fd_readdir", &mut memory, &[3, 64, 100, 2, 40]),
            Ok(0)
        );
        assert_eq!((memory[40], &memory[88..93]), (29, &b"block"[..]));
    }

    /// The functions are those that `wasmtime-wasi` has for plain commands.
    #[cfg(feature = "wasi")]
    #[test]
    fn names_and_types_are_those_of_preview_1() {
        use wasmtime::{Engine, ExternType, Linker, Store, ValType};
        use wasmtime_wasi::WasiCtxBuilder;
        use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};

        let engine = Engine::default();
        let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
        add_to_linker_sync(&mut linker, |context| context).unwrap();
        let mut store = Store::new(&engine, WasiCtxBuilder::new().build_p1());
        let defined: Vec<_> = linker.iter(&mut store).collect();
        let mut theirs: Vec<_> = defined
            .into_iter()
            .map(|(_, name, item)| match item.ty(&store) {
                ExternType::Func(function) => {
                    let letter = |parameter| match parameter {
                        ValType::I64 => 'I',
                        _ => 'i',
                    };
                    let parameters: String = function.params().map(letter).collect();
                    (name.to_string(), parameters, function.results().len() == 1)
                }
                other => panic!("{name} is {other:?}"),
            })
            .collect();
        theirs.sort();
        let mut ours: Vec<_> = FUNCTIONS
            .iter()
            .map(|function| {
                let letter = |parameter| match parameter {
                    Parameter::I64 => 'I',
                    Parameter::I32 => 'i',
                };
                let parameters: String = function.parameters().map(letter).collect();
                (function.name.to_string(), parameters, function.has_result())
            })
            .collect();
        ours.sort();
        assert_eq!(ours, theirs);
    }
}
