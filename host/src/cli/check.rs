//! `steadfast check`: what in a module could make two nodes differ or stop.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};
use steadfast_host::check::{Finding, Level, check as look, rules};
use steadfast_host::table::counted;
use steadfast_host::{Bound, Bounds};

/// Places that a finding shows, unless all are asked for.
const SHOWN: usize = 5;

/// Reads a module, without running it, and tells what in it could make two nodes differ or stop
#[derive(clap::Args)]
pub struct Arguments {
    /// The module
    #[arg(required_unless_present = "rules")]
    module: Option<PathBuf>,
    /// Leaves out a rule; any number of them
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,
    /// Leaves out the rules that this file names, a line each: `RULE: the reason`
    #[arg(long, value_name = "FILE")]
    allow_file: Option<PathBuf>,
    /// Fails from this level on
    #[arg(long, value_enum, default_value_t = Failing::Warning, value_name = "LEVEL")]
    fail_on: Failing,
    /// Shows every place of a finding
    #[arg(long)]
    all: bool,
    /// Prints the findings as JSON
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Prints the findings in the format of code review tools, SARIF 2.1.0
    #[arg(long)]
    sarif: bool,
    /// Prints the rules, and looks at nothing
    #[arg(long)]
    rules: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Failing {
    Note,
    Warning,
    Error,
    Never,
}

impl Failing {
    fn fails(self, level: Level) -> bool {
        match self {
            Failing::Note => true,
            Failing::Warning => level >= Level::Warning,
            Failing::Error => level >= Level::Error,
            Failing::Never => false,
        }
    }
}

/// Prints what it finds; fails where that weighs enough.
pub fn check(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.rules {
        super::print(&table_of_rules())?;
        return Ok(ExitCode::SUCCESS);
    }
    let allowed = allowed(arguments)?;
    let module = arguments.module.as_deref().context("a module is wanted")?;
    let path = module.display().to_string();
    let bytes = super::read_bounded(module, Bound::ModuleBytes, &Bounds::default())?;
    let mut found = look(&bytes).with_context(|| path.clone())?;
    found.retain(|finding| !allowed.contains_key(finding.rule.id));
    if arguments.json {
        super::print_json(&found)?;
    } else if arguments.sarif {
        super::print_json(&sarif(&path, &found))?;
    } else {
        super::print(&table(&found, arguments.all))?;
    }
    let fails = found
        .iter()
        .any(|finding| arguments.fail_on.fails(finding.rule.level));
    Ok(if fails {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The rules that are allowed, with the reasons where a file gives them.
fn allowed(arguments: &Arguments) -> anyhow::Result<BTreeMap<String, String>> {
    let mut allowed: BTreeMap<String, String> = BTreeMap::new();
    for rule in &arguments.allow {
        allowed.insert(rule.clone(), String::new());
    }
    if let Some(path) = &arguments.allow_file {
        let path = path.as_path();
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        for (number, line) in (1..).zip(text.lines()) {
            let (rule, reason) = reason(line).with_context(|| at(path, number))?;
            if !rule.is_empty() {
                allowed.insert(rule.to_string(), reason.to_string());
            }
        }
    }
    for rule in allowed.keys() {
        if !rules().any(|known| known.id == rule) {
            bail!("there is no rule `{rule}`: `steadfast check --rules` lists them");
        }
    }
    Ok(allowed)
}

fn at(path: &Path, number: usize) -> String {
    format!("{}: line {number}", path.display())
}

/// A rule and the reason why it is allowed; both are empty in a line that is, or begins with `#`.
fn reason(line: &str) -> anyhow::Result<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(("", ""));
    }
    let (rule, reason) = line.split_once(':').unwrap_or((line, ""));
    let (rule, reason) = (rule.trim(), reason.trim());
    ensure!(
        !reason.is_empty(),
        "write `{rule}: why it is no trouble here`"
    );
    Ok((rule, reason))
}

/// Findings as people read them, with all places or some.
pub fn findings(found: &[Finding], all: bool) -> String {
    let mut text = String::new();
    for finding in found {
        let rule = finding.rule;
        let _ = writeln!(text, "{}: {} [{}]", rule.level, finding.what, rule.id);
        let shown = if all { finding.places.len() } else { SHOWN };
        for place in finding.places.iter().take(shown) {
            let _ = writeln!(text, "    {place}");
        }
        if let Some(more @ 1..) = finding.places.len().checked_sub(shown) {
            let _ = writeln!(text, "    and {more} more (--all)");
        }
        let _ = writeln!(text, "    {}", rule.advice);
    }
    text
}

fn table(found: &[Finding], all: bool) -> String {
    let mut text = findings(found, all);
    let count = |level| {
        found
            .iter()
            .filter(|finding| finding.rule.level == level)
            .count()
    };
    let counts = [Level::Error, Level::Warning, Level::Note].map(|level| {
        counted(
            count(level) as u64,
            &level.to_string(),
            &format!("{level}s"),
        )
    });
    let _ = writeln!(text, "{}", counts.join(", "));
    text
}

fn table_of_rules() -> String {
    let line = |rule: &steadfast_host::check::Rule| {
        format!(
            "{:<18} {:<8} {}\n",
            rule.id,
            rule.level.to_string(),
            rule.advice
        )
    };
    rules().map(line).collect()
}

/// Static Analysis Results Interchange Format: one run of one tool over one file.
fn sarif(path: &str, found: &[Finding]) -> Value {
    let rules: Vec<Value> = rules()
        .map(|rule| json!({ "id": rule.id, "help": { "text": rule.advice } }))
        .collect();
    let results: Vec<Value> = found.iter().map(|finding| result(path, finding)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "steadfast check",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results,
        }],
    })
}

fn result(path: &str, finding: &Finding) -> Value {
    let names = finding.places.iter();
    let names: Vec<Value> = names
        .map(|place| json!({ "fullyQualifiedName": place, "kind": "function" }))
        .collect();
    json!({
        "ruleId": finding.rule.id,
        "level": finding.rule.level,
        "message": { "text": format!("{}. {}", finding.what, finding.rule.advice) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": path } },
            "logicalLocations": names,
        }],
    })
}
