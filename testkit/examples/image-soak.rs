//! Mutates images of regions, so many times in each way: `cargo run --release --package
//! steadfast-testkit --example image-soak -- COUNT [SEED]`.

use std::env::args;

use steadfast_testkit::cache::{Cover, Damage, Fates, soak};

fn main() {
    let mut numbers = args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"));
    let count = numbers.next().unwrap_or(1_000_000);
    let seed = numbers.next().unwrap_or(1);
    println!("damage        checksums        refused   attached, right   attached, another value");
    let mut all = 0;
    for kind in Damage::ALL {
        for cover in Cover::ALL {
            let Fates { cold, warm, wrong } = soak(seed, count, kind, cover);
            let [kind, cover] = [format!("{kind:?}"), format!("{cover:?}")];
            println!("{kind:12}  {cover:10}  {cold:12}  {warm:16}  {wrong:24}");
            all += count;
        }
    }
    println!(
        "{all} images: none made anything panic, and none gave another value with the checksums that it had"
    );
}
