//! A host with a wasmtime, a store and limits of its own: two blocks, the cache handed from one to
//! the next, and a view. `cargo xtask own-host` builds the module and runs it.

use std::sync::Arc;

use steadfast_host::metashrew::{Exchange, add_to_linker, byte_string};
use steadfast_host::{
    AsOf, BlockTag, GuestInfo, Input, InstanceStats, MemoryState, Pair, RegionImage, State,
    module_digest, state_digest,
};
use wasmtime::error::Context as _;
use wasmtime::{
    Config, Engine, Instance, InstancePre, Linker, Memory, Module, Result, Store, StoreLimits,
    StoreLimitsBuilder, ensure,
};

/// The most linear memory that an instance may have.
const MEMORY_BYTES: usize = 2 << 30;
/// What a block or a view may run, in wasmtime's fuel: about an instruction each.
const FUEL: u64 = 20_000_000_000;
const PAGE_BYTES: u64 = 65_536;

/// What this host keeps for an instance. `exchange` is the metashrew interface's side of it.
struct MyState {
    limits: StoreLimits,
    exchange: Exchange,
}

/// An instance of the module, for one block or one view.
struct Running {
    store: Store<MyState>,
    instance: Instance,
    memory: Memory,
    info: Option<GuestInfo>,
}

/// Makes an instance, and tells it which module it is: it then refuses the image of another one.
fn instantiate(
    module: &InstancePre<MyState>,
    bytes: &[u8],
    input: Arc<[u8]>,
    state: &dyn State,
) -> Result<Running> {
    let log = |line: &str| println!("  the module logs: {line}");
    let mine = MyState {
        limits: StoreLimitsBuilder::new()
            .memory_size(MEMORY_BYTES)
            .instances(1)
            .build(),
        exchange: Exchange::new(input, state.snapshot()?, Box::new(log)),
    };
    let mut store = Store::new(module.module().engine(), mine);
    store.limiter(|mine| &mut mine.limits);
    store.set_fuel(FUEL)?;
    let instance = module.instantiate(&mut store)?;
    let memory = instance
        .get_memory(&mut store, "memory")
        .context("the module exports no memory")?;
    let info = GuestInfo::of(&instance, &mut store);
    if let Some(info) = info {
        info.name_module(memory.data_mut(&mut store), &module_digest(bytes));
    }
    Ok(Running {
        store,
        instance,
        memory,
        info,
    })
}

/// What a block has left.
struct Indexed {
    writes: Vec<Pair>,
    /// Of the cache, as the block left it.
    image: RegionImage,
    /// Lookups that found their key in the cache.
    hits: u64,
}

impl Running {
    /// Puts an image where the cache's region begins, before the first instruction.
    fn restore(&mut self, image: &RegionImage) -> Result<()> {
        let need = image.memory_needed().div_ceil(PAGE_BYTES);
        let more = need.saturating_sub(self.memory.size(&self.store));
        self.memory.grow(&mut self.store, more)?;
        Ok(image.restore(self.memory.data_mut(&mut self.store))?)
    }

    /// Indexes the block.
    fn start(&mut self, bytes: &[u8]) -> Result<Indexed> {
        let start = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, "_start")?;
        start.call(&mut self.store, ())?;
        let writes = self.store.data_mut().exchange.take_writes();
        let writes = writes.context("the block flushed nothing")?;
        let memory = self.memory.data(&self.store);
        let info = self.info.and_then(|info| info.read(memory));
        let info = info.context("the module is not built on steadfast")?;
        let seen = InstanceStats::read(memory, &info).cache.unwrap_or_default();
        println!(
            "  {} lookups hit the cache, {} did not; the database was asked for {} lengths",
            seen.hits,
            seen.misses,
            self.store.data().exchange.counts().get_lens
        );
        let image = RegionImage::capture(memory, info.region_start, module_digest(bytes))?;
        Ok(Indexed {
            writes,
            image,
            hits: seen.hits,
        })
    }

    /// Calls a view. What it returns is a pointer, which is checked as all others are.
    fn view(&mut self, name: &str) -> Result<Vec<u8>> {
        let view = self
            .instance
            .get_typed_func::<(), u32>(&mut self.store, name)?;
        let pointer = view.call(&mut self.store, ())?;
        let memory = self.memory.data(&self.store);
        let bytes = byte_string(memory, pointer).context("the view returned no byte string")?;
        Ok(memory[bytes].to_vec())
    }
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1);
    let path = path.context("give the path of a module with the view `blockhash`")?;
    let bytes = std::fs::read(&path).with_context(|| path.clone())?;

    let mut config = Config::new();
    config
        .consume_fuel(true)
        // The same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    let engine = Engine::new(&config)?;
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |mine: &mut MyState| &mut mine.exchange)?;
    // The host's other imports would be added here.
    let module = linker.instantiate_pre(&Module::new(&engine, &bytes)?)?;

    let mut state = MemoryState::default();
    let mut last: Option<Indexed> = None;
    let block = bitcoin_test_data::blocks::mainnet_702861();
    for height in [702_861, 702_862] {
        println!("block {height}");
        let input = Input::new(height, block);
        let mut running = instantiate(&module, &bytes, input.bytes().clone(), &state)?;
        if let Some(Indexed { image, .. }) = &last {
            running.restore(image)?;
        }
        let mut indexed = running.start(&bytes)?;
        // Only once the database has the block's writes is the image as of the database.
        state.apply(&indexed.writes)?;
        indexed.image.set_tag(BlockTag {
            chain: *b"main",
            height,
            hash: input.block_hash().context("the input holds no block")?,
        });
        let is_warm = last.is_none_or(|last| indexed.hits > last.hits);
        ensure!(
            is_warm,
            "block {height} did not begin with the last one's cache"
        );
        last = Some(indexed);
    }
    println!("state {}", state_digest(&state)?);

    let question = [&702_862_u32.to_le_bytes()[..], &702_862_u32.to_le_bytes()].concat();
    let mut view = instantiate(&module, &bytes, question.into(), &state)?;
    let hash = view.view("blockhash")?;
    let digits: Vec<String> = hash
        .iter()
        .rev()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("view blockhash: {}", digits.concat());
    Ok(())
}
