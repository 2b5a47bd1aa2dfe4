//! How many tests ran, by the test programs' own result lines.

use std::io::{BufRead, BufReader, Write, stdout};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::shell;

/// Tests that passed and failed.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
    }
}

impl Tally {
    /// Runs a command that runs tests, passes its output through, and counts.
    pub fn run(&mut self, command: &mut Command) -> Result<()> {
        self.run_into(command, &mut stdout())
    }

    /// As [`run`](Self::run), and shows the output in one piece at the end.
    pub fn run_aside(&mut self, command: &mut Command) -> Result<()> {
        let mut output = Vec::new();
        let result = self.run_into(command, &mut output);
        stdout().write_all(&output)?;
        result
    }

    fn run_into(&mut self, command: &mut Command, output: &mut impl Write) -> Result<()> {
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot run `{}`", shell::shown(command)))?;
        let mut lines = BufReader::new(child.stdout.take().context("standard output is piped")?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            output.write_all(&line)?;
            self.count(&String::from_utf8_lossy(&line));
            line.clear();
        }
        shell::succeeded(command, child.wait()?)
    }

    /// Counts the line `test result: ok. 3 passed; 0 failed; 1 ignored; …`, and no other.
    fn count(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else {
            return;
        };
        for part in result.split([';', '.']) {
            if let Some((number, what)) = part.trim().split_once(' ') {
                let number = number.parse().unwrap_or(0);
                match what {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn result_lines_are_summed_and_others_left() {
        let mut tally = Tally::default();
        tally.count("running 7 tests\n");
        tally.count("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n");
        tally.count("test 12 passed; 1 failed\n");
        tally.count("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 filtered out\n");
        assert_eq!(
            tally,
            Tally {
                passed: 7,
                failed: 2
            }
        );
    }
}
