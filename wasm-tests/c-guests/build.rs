//! Compiles the C and C++ sources for the module's target. A native build needs none of them.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=c");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    if !target.starts_with("wasm32") {
        return;
    }
    let mut c = cc::Build::new();
    c.compiler("clang").file("c/list.c");
    if target.contains("wasi") {
        c.include("/usr/include/wasm32-wasi").file("c/atexit.c");
        cpp();
    }
    c.compile("list");
}

/// C++ with its standard library, from Debian's packages.
fn cpp() {
    cc::Build::new()
        .cpp(true)
        .compiler("clang++")
        .cpp_link_stdlib(None)
        .flag("-nostdinc++")
        .include("/usr/include/wasm32-wasi/c++/v1")
        .include("/usr/include/wasm32-wasi")
        .flag("-fno-exceptions")
        .file("c/statics.cpp")
        .compile("statics");
    // By their paths: the directory has a libc as well, which is not the one that Rust brings.
    for library in ["libc++.a", "libc++abi.a"] {
        println!("cargo::rustc-link-arg-bins=/usr/lib/wasm32-wasi/{library}");
    }
}
