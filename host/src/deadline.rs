//! The clock by which guests are stopped: one thread that raises the epoch of every engine that is
//! alive. It ends when none is.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// Time between two epochs.
const TICK: Duration = Duration::from_millis(10);

struct Clock {
    engines: Vec<EngineWeak>,
    is_running: bool,
}

static CLOCK: Mutex<Clock> = Mutex::new(Clock {
    engines: Vec::new(),
    is_running: false,
});

/// Raises the engine's epoch once every [`TICK`] for as long as it is alive.
pub(crate) fn watch(engine: &Engine) {
    let mut clock = CLOCK.lock().expect("no holder of the clock panics");
    clock.engines.push(engine.weak());
    if !clock.is_running {
        let started = thread::Builder::new().name("steadfast-clock".into());
        started
            .spawn(run)
            .expect("the system has room for a thread that is to stop guests");
        clock.is_running = true;
    }
}

/// Epochs after which a guest has had so much time.
pub(crate) fn epochs(limit: Duration) -> u64 {
    // One more, since the first may be nearly over.
    u64::try_from(limit.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX / 4) + 1
}

fn run() {
    loop {
        thread::sleep(TICK);
        let mut clock = CLOCK.lock().expect("no holder of the clock panics");
        clock.engines.retain(|engine| {
            let engine = engine.upgrade();
            engine.inspect(Engine::increment_epoch).is_some()
        });
        if clock.engines.is_empty() {
            clock.is_running = false;
            return;
        }
    }
}
