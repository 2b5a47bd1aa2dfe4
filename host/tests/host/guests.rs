//! Small guests, written by hand, and blocks to hand to them.

use std::mem::offset_of;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bitcoin_slices::{Visit, Visitor, bsl};
use steadfast::format::InstanceInfo;
use steadfast_host::{
    Digest, Finished, Input, MemoryState, Output, RegionImage, RunConfig, RunError, Runner,
};

/// Metashrew's functions, under their names.
pub const IMPORTS: &str = r#"
    (import "env" "__host_len" (func $host_len (result i32)))
    (import "env" "__load_input" (func $load_input (param i32)))
    (import "env" "__get_len" (func $get_len (param i32) (result i32)))
    (import "env" "__get" (func $get (param i32 i32)))
    (import "env" "__flush" (func $flush (param i32)))
    (import "env" "__log" (func $log (param i32)))
"#;

/// A module with metashrew's imports.
pub fn module(body: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {IMPORTS} {body})")).expect("a well-formed module")
}

/// A module whose `_start` runs `code` and then flushes one pair: the key `v` and a four-byte
/// value, the global `$value`.
pub fn module_that_writes(memory: &str, items: &str, code: &str) -> Vec<u8> {
    module(&format!(
        r#"
        {memory}
        (global $value (mut i32) (i32.const 0))
        {items}
        (data (i32.const 1024) "\09\00\00\00\0a\01v\0a\04????")
        (func (export "_start")
            {code}
            (i32.store (i32.const 1033) (global.get $value))
            (call $flush (i32.const 1028)))
        "#
    ))
}

/// Appends an `x` to the value of the key `n` in every block.
pub fn counter() -> Vec<u8> {
    counter_that("")
}

/// A [`counter`] that runs `code` after its flush.
pub fn counter_that(code: &str) -> Vec<u8> {
    module(&format!(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 16) "\01\00\00\00n")
        (data (i32.const 64) "????\0a\01n\0a")
        (func (export "_start") (local $len i32)
            (local.set $len (call $get_len (i32.const 20)))
            (call $get (i32.const 20) (i32.const 73))
            (i32.store8 (i32.add (i32.const 73) (local.get $len)) (i32.const 120))
            (i32.store8 (i32.const 72) (i32.add (local.get $len) (i32.const 1)))
            (i32.store (i32.const 64) (i32.add (local.get $len) (i32.const 6)))
            (call $flush (i32.const 68))
            {code})
        "#
    ))
}

/// Any block: guests here do not parse it.
pub fn any_input() -> Input {
    Input::new(7, b"block")
}

/// A configuration that prints nothing and does not depend on the machine.
pub fn quiet() -> RunConfig {
    RunConfig {
        ceiling: 1 << 32,
        output: Output::Capture,
        ..RunConfig::default()
    }
}

/// The value of a key, as text.
pub fn text(state: &MemoryState, key: &str) -> Option<String> {
    let value = state.pairs().get(key.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The four-byte number that [`module_that_writes`] wrote.
pub fn written(state: &MemoryState) -> u32 {
    let value = &state.pairs()[&b"v"[..]];
    u32::from_le_bytes(value[..].try_into().expect("four bytes"))
}

/// Bytes as a string in the text format.
pub fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a signal, such as `-INT`, to a process.
#[cfg(unix)]
pub fn send(signal: &str, child: &std::process::Child) {
    let id = child.id().to_string();
    let status = std::process::Command::new("kill")
        .args([signal, &id])
        .status();
    assert!(status.unwrap().success());
}

/// Where the instance info stands in modules that have [`info_items`].
pub const INFO_AT: usize = 2048;

/// Instance info with these fields, as a guest built on steadfast exports it.
pub fn info_items(fields: &[(usize, u32)]) -> String {
    let mut bytes = [0; InstanceInfo::LEN];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &InstanceInfo::MAGIC.to_le_bytes());
    put(
        offset_of!(InstanceInfo, version),
        &InstanceInfo::VERSION.to_le_bytes(),
    );
    put(
        offset_of!(InstanceInfo, len),
        &(InstanceInfo::LEN as u32).to_le_bytes(),
    );
    put(InstanceInfo::CACHE_LIMIT_OFFSET, &u32::MAX.to_le_bytes());
    for (at, value) in fields {
        put(*at, &value.to_le_bytes());
    }
    format!(
        r#"(global (export "{}") i32 (i32.const {INFO_AT}))
        (data (i32.const {INFO_AT}) "{}")"#,
        InstanceInfo::EXPORT,
        escaped(&bytes)
    )
}

/// The header of mainnet block 702,861 with its first transactions.
pub fn small_block(transactions: u8) -> Vec<u8> {
    struct Take(usize, Vec<u8>);
    impl Visitor for Take {
        fn visit_transaction(&mut self, transaction: &bsl::Transaction<'_>) -> ControlFlow<()> {
            if self.0 == 0 {
                return ControlFlow::Break(());
            }
            self.0 -= 1;
            self.1.extend_from_slice(transaction.as_ref());
            ControlFlow::Continue(())
        }
    }
    let whole = bitcoin_test_data::blocks::mainnet_702861();
    let mut block = whole[..80].to_vec();
    block.push(transactions);
    let mut take = Take(transactions.into(), block);
    let _ = bsl::Block::visit(whole, &mut take);
    take.1
}

/// Blocks of one transaction each, at heights from 1 on, that build on each other.
pub fn chain(blocks: u32) -> Vec<Vec<u8>> {
    let mut parent = [7; 32];
    let block = |height: u32| {
        let mut block = 4i32.to_le_bytes().to_vec();
        block.extend(parent);
        block.extend([0; 32]);
        block.extend([height, 0x207f_ffff, 0].map(u32::to_le_bytes).concat());
        let input = Input::new(height, &block);
        parent = input.block_hash().expect("a header");
        let height = height.to_le_bytes();
        block.extend([1, 2, 0, 0, 0, 1]);
        block.extend([0; 32]);
        block.extend([0xff; 4]);
        // BIP 34: the shortest push of the height, or a padded one of a transaction that need not
        // be valid.
        let script = [&[3][..], &height[..3]].concat();
        let script = match height[0] {
            low @ 1..=16 if height[1..3] == [0, 0] => vec![0x50 + low, 0],
            low @ 17..=127 if height[1..3] == [0, 0] => vec![1, low],
            low if height[2] == 0 && height[1] < 128 => vec![2, low, height[1]],
            _ => script,
        };
        block.push(script.len() as u8);
        block.extend(script);
        block.extend([0xff; 4]);
        block.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        block.extend([0; 4]);
        block
    };
    (1..=blocks).map(block).collect()
}

/// A module whose `_start` runs some code, with a view that runs some other.
pub fn with_view(start: &str, view: &str) -> Vec<u8> {
    module(&format!(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (func (export "_start") {start})
        (func (export "ask") (result i32) {view})
        "#
    ))
}

pub const FLUSH: &str = "(call $flush (i32.const 20))";
pub const FOREVER: &str = "(loop $more (br $more))";

pub fn ran(module: &[u8], config: RunConfig) -> Finished {
    let runner = Runner::new(module, config).unwrap();
    runner.start(&any_input(), &MemoryState::default()).unwrap()
}

pub fn fails(module: &[u8], config: RunConfig) -> RunError {
    match ran(module, config).succeeded() {
        Err(error) => error,
        Ok(_) => panic!("it succeeds"),
    }
}

/// Checks that something takes less than some seconds.
pub fn soon<R>(work: impl FnOnce() -> R) -> R {
    let begin = Instant::now();
    let result = work();
    assert!(
        begin.elapsed() < Duration::from_secs(120),
        "{:?}",
        begin.elapsed()
    );
    result
}

/// A module with a view that returns its input.
pub fn echo() -> Vec<u8> {
    module(
        r#"
        (memory (export "memory") 1)
        (func (export "_start"))
        (func (export "echo") (result i32)
            (i32.store (i32.const 512) (call $host_len))
            (call $load_input (i32.const 516))
            (i32.const 516))
        "#,
    )
}

/// Blocks as standard input has them, one a line.
pub fn in_hexadecimal(blocks: &[Vec<u8>]) -> String {
    blocks
        .iter()
        .map(|block| hexadecimal(block) + "\n")
        .collect()
}

/// Where [`REGION`] stands in memories that have it.
pub const REGION_AT: u32 = 1 << 16;

/// A region, as it stands in an instance.
pub const REGION: &[u8] = include_bytes!("../../../tests/golden/region-8.bin");

/// An image of [`REGION`], of a module with this digest.
pub fn region_image(module: Digest) -> RegionImage {
    let memory = [&vec![0; REGION_AT as usize], REGION].concat();
    RegionImage::capture(&memory, REGION_AT, module).unwrap()
}
