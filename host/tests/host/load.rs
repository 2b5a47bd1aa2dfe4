//! Which modules can be run.

use crate::guests::*;
use steadfast::{Bytes, Plan};
use steadfast_host::bounds::Bounds;
use steadfast_host::map::MemoryMap;
use steadfast_host::outline::Outline;
use steadfast_host::{CommandWorld, LoadError, RunConfig, Runner, exec};

const START: &str = r#"(func (export "_start"))"#;

fn load(text: &str) -> Result<Runner, LoadError> {
    Runner::new(
        &wat::parse_str(text).expect("a well-formed module"),
        quiet(),
    )
}

fn refused(text: &str) -> LoadError {
    load(text).map(drop).unwrap_err()
}

#[test]
fn what_is_no_module_is_refused() {
    for bytes in [
        &b""[..],
        b"\0asm",
        b"(module)",
        b"\0asm\x01\0\0\0\xff",
        b"\0asm\x0d\0\x01\0",
    ] {
        let error = Runner::new(bytes, quiet()).map(drop).unwrap_err();
        assert!(matches!(error, LoadError::Invalid(_)), "{error:?}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn a_module_needs_a_start_of_the_right_type() {
    let memory = r#"(memory (export "memory") 1)"#;
    for start in [
        "",
        r#"(func (export "start"))"#,
        r#"(func (export "_start") (param i32))"#,
        r#"(func (export "_start") (result i32) (i32.const 0))"#,
        r#"(global (export "_start") i32 (i32.const 0))"#,
    ] {
        let error = refused(&format!("(module {memory} {start})"));
        assert!(matches!(error, LoadError::NoStart), "{start}: {error:?}");
    }
}

#[test]
fn a_module_needs_one_plain_memory() {
    for memory in ["", r#"(memory 1)"#, r#"(func (export "memory"))"#] {
        let error = refused(&format!("(module {memory} {START})"));
        assert!(matches!(error, LoadError::NoMemory), "{memory}: {error:?}");
    }
    let imported = r#"(memory (export "memory") (import "env" "memory") 1)"#;
    let error = refused(&format!("(module {imported} {START})"));
    assert!(matches!(error, LoadError::ImportedMemory), "{error:?}");
}

#[test]
fn a_proposal_that_is_not_enabled_is_named() {
    let plain = r#"(memory (export "memory") 1)"#;
    for (name, memory, code) in [
        ("64-bit memory", r#"(memory (export "memory") i64 1)"#, ""),
        (
            "multiple memories",
            r#"(memory (export "memory") 1) (memory 1)"#,
            "",
        ),
        ("threads", r#"(memory (export "memory") 1 1 shared)"#, ""),
        (
            "custom page sizes",
            r#"(memory (export "memory") 1 (pagesize 1))"#,
            "",
        ),
        ("exceptions", plain, "(tag $t) (func (throw $t))"),
        (
            "exceptions",
            plain,
            "(func (block $caught (try_table (catch_all $caught) (nop))))",
        ),
        ("garbage collection", plain, "(type (struct (field i32)))"),
        (
            "stack switching",
            plain,
            "(type $f (func)) (type $c (cont $f)) (func (drop (ref.null $c)))",
        ),
        (
            "wide arithmetic",
            plain,
            "(func (param i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)) (drop) (drop))",
        ),
    ] {
        let text = format!("(module {memory} {code} {START})");
        let error = refused(&text);
        let is_named = matches!(&error, LoadError::Proposal { name: found, .. } if *found == name);
        assert!(is_named, "{text}: {error:?}");
        // A plain command may have those two.
        if !matches!(name, "64-bit memory" | "multiple memories") {
            let module = wat::parse_str(&text).unwrap();
            let error = exec(&module, &CommandWorld::default(), 1 << 32, None, None).unwrap_err();
            assert!(error.to_string().contains(name), "{text}: {error}");
        }
    }
    // With a proposal that is not enabled, and wrong besides.
    let wrong = format!(
        "(module {plain} (tag $t) (func (result i32) (throw $t)) (func (result i32)) {START})"
    );
    assert!(matches!(refused(&wrong), LoadError::Invalid(_)));
}

#[test]
fn an_import_that_nobody_provides_is_named() {
    let error = refused(&format!(
        r#"(module (import "env" "__height" (func)) (memory (export "memory") 1) {START})"#
    ));
    assert!(error.to_string().contains("`env::__height`"), "{error}");
    let error = refused(&format!(
        r#"(module (import "env" "__flush" (func (param i64))) (memory (export "memory") 1) {START})"#
    ));
    assert!(matches!(error, LoadError::ImportType(_)), "{error:?}");
}

#[test]
fn more_initial_memory_than_the_ceiling_is_refused_and_as_much_is_not() {
    let module =
        wat::parse_str(format!(r#"(module (memory (export "memory") 2) {START})"#)).unwrap();
    let at = |ceiling| Runner::new(&module, RunConfig { ceiling, ..quiet() });
    assert!(at(131_072).is_ok());
    let error = at(131_071).map(drop).unwrap_err();
    assert!(error.to_string().contains("at least 131072"), "{error}");
}

#[test]
fn the_plan_is_read_from_its_section() {
    let plan = Plan::DEFAULT.with_region_base(Bytes::mib(32)).checked();
    let section = |bytes: &[u8]| format!(r#"(@custom "{}" "{}")"#, Plan::SECTION, escaped(bytes));
    let with = |sections: &str| {
        load(&format!(
            r#"(module {sections} (memory (export "memory") 1) {START})"#
        ))
    };

    let runner = with(&section(&plan.encode())).unwrap();
    assert_eq!(runner.guest().plan(), Some(&plan));
    assert_eq!(runner.guest().memory_needed(), 32 << 20);

    let runner = with("").unwrap();
    assert_eq!(
        (runner.guest().plan(), runner.guest().memory_needed()),
        (None, 65536)
    );

    let below = |maximum: u32| {
        load(&format!(
            r#"(module {} (memory (export "memory") 1 {maximum}) {START})"#,
            section(&plan.encode())
        ))
    };
    assert!(below(512).is_ok());
    let error = below(511).map(drop).unwrap_err().to_string();
    assert!(error.contains("--max-memory=33554432"), "{error}");

    let damaged = with(&section(&plan.encode()[1..])).map(drop);
    assert!(matches!(damaged, Err(LoadError::Plan(_))), "{damaged:?}");
    let twice = with(&section(&plan.encode()).repeat(2)).map(drop);
    assert!(matches!(twice, Err(LoadError::TwoPlans)), "{twice:?}");
}

/// Also where the linker was told to declare all of the budget.
#[test]
fn the_map_of_a_plan_has_the_heap_where_the_linker_says() {
    let plan = Plan::DEFAULT;
    let section = format!(
        r#"(@custom "{}" "{}")"#,
        Plan::SECTION,
        escaped(&plan.encode())
    );
    let rows = |memory: &str| {
        let module = format!(r#"(module {section} {memory} {START})"#);
        let outline = Outline::read(&wat::parse_str(module).unwrap(), &Bounds::default()).unwrap();
        let map = MemoryMap::of_plan("any", &plan, &outline);
        let rows = map.rows.iter().map(|row| (row.name, row.start, row.bytes));
        rows.take(2).collect::<Vec<(&str, u64, u64)>>()
    };
    let base = plan.region_base().get();
    let heap_base = r#"(global (export "__heap_base") i32 (i32.const 1048577))"#;
    let end = (1 << 20) + 65536;
    for pages in [17, base / 65536, 10_000] {
        assert_eq!(
            rows(&format!(
                r#"(memory (export "memory") {pages}) {heap_base}"#
            )),
            [
                ("static data, shadow stack", 0, end),
                ("heap", end, base - end)
            ],
            "{pages} pages"
        );
    }
    let declared = 17 * 65536;
    assert_eq!(
        rows(r#"(memory (export "memory") 17)"#),
        [
            ("static data, shadow stack", 0, declared),
            ("heap", declared, base - declared)
        ]
    );
}
