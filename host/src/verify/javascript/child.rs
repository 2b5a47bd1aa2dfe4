//! Programs that end when we do, whatever becomes of us.

use std::io;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Starts a program, waits for the end of its own standard input, and ends all that the program has
/// started. Its input is a pipe from us, which the system closes with us.
#[cfg(unix)]
const SUPERVISE: &str = r#""$@" </dev/null & exec >&- 2>&-; read -r _; kill -9 0"#;

/// A program that runs until this is dropped, or our process is gone.
pub struct Supervised {
    child: Child,
    input: Option<ChildStdin>,
}

impl Supervised {
    /// Starts what a command says, with no input.
    pub fn start(command: Command, errors: Stdio) -> io::Result<Self> {
        let mut command = supervised(command);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(errors);
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        Ok(Supervised { child, input })
    }

    /// What it prints on its standard error, where that is a pipe.
    pub fn errors(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.input.take());
        if cfg!(not(unix)) {
            // It is gone already when that fails.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn supervised(command: Command) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut shell = Command::new("sh");
    shell.args(["-c", SUPERVISE, "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    // A group of its own, which can be ended whole.
    shell.process_group(0);
    shell
}

#[cfg(not(unix))]
fn supervised(command: Command) -> Command {
    command
}
