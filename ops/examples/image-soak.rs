//! Mutates images of regions: `cargo run --release --package steadfast-ops --example image-soak -- COUNT [SEED]`.

use std::env::args;

use steadfast_ops::cache::soak;

fn main() {
    let mut numbers = args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"));
    let count = numbers.next().unwrap_or(1_000_000);
    let seed = numbers.next().unwrap_or(1);
    let [covered, uncovered] = soak(seed, count);
    println!("{count} images, none of which did harm");
    println!(
        "with their checksum as it was: {} refused, {} attached to and right, {} wrong",
        covered.cold, covered.warm, covered.wrong
    );
    println!(
        "without one, or with one made right: {} refused, {} attached to and right, {} with a changed value",
        uncovered.cold, uncovered.warm, uncovered.wrong
    );
}
