//! The engines that a module is run on: the one place that knows them all.

use super::engine::{Engine, Ready};
use super::javascript::{Browser, JavaScript, Kind, Node};
use super::subject::Subject;
use super::wasmi::Wasmi;
use super::wasmtime::Wasmtime;
use crate::engine::Compiler;

/// Every engine that is known, by name.
pub fn engines(subject: &Subject) -> Vec<(&'static str, Ready)> {
    let mut engines: Vec<(&'static str, Ready)> = Vec::new();
    for compiler in Compiler::ALL {
        let ready = Wasmtime::new(compiler, subject);
        engines.push((
            compiler.name(),
            ready.map(|engine| Box::new(engine) as Box<dyn Engine>),
        ));
    }
    let wasmi = Wasmi::new(subject);
    engines.push((
        "wasmi (module rewritten)",
        wasmi.map(|engine| Box::new(engine) as Box<dyn Engine>),
    ));
    let unless_wasi = |reason: &str| match subject.uses_wasi() {
        true => Err(reason.to_string()),
        false => Ok(()),
    };
    let node = unless_wasi(
        "Node's own WASI is no sandbox: a module can climb out of the directory that it is given",
    );
    let node = node.and_then(|()| Node::new());
    engines.push((
        "Node (V8, module rewritten)",
        node.map(|node| Box::new(JavaScript::new(node, subject)) as Box<dyn Engine>),
    ));
    for (kind, name) in [
        (Kind::Chromium, "Chromium (V8, module rewritten)"),
        (Kind::Firefox, "Firefox (SpiderMonkey, module rewritten)"),
    ] {
        let browser = unless_wasi("a browser has no WASI").and_then(|()| Browser::new(kind));
        engines.push((
            name,
            browser.map(|browser| Box::new(JavaScript::new(browser, subject)) as Box<dyn Engine>),
        ));
    }
    engines
}
