//! Pages that exist beforehand, clean or soiled, are adopted and move nothing.

use wasm_tests::{Guest, Setting, TARGETS};

#[test]
fn pregrowth_moves_nothing() {
    for target in TARGETS {
        for name in [
            "cache",
            "churn",
            "exhaust",
            "small-plan",
            "policy-ladder",
            "policy-exact",
        ] {
            let guest = Guest::load(target, name);
            let fresh = guest.run(&Setting::default()).unwrap().finished(name);
            for pregrow_pages in [
                20, 100, 2047, 2048, 2049, 2063, 2064, 9000, 18431, 18432, 18433, 65536,
            ] {
                // Soiling writes each byte: only where that stays quick.
                for soil in [false, true] {
                    if soil && pregrow_pages > 2064 {
                        continue;
                    }
                    let setting = Setting {
                        pregrow_pages,
                        soil,
                        ..Setting::default()
                    };
                    let context =
                        format!("{target} {name} grown to {pregrow_pages} pages, soiled: {soil}");
                    let outcome = guest.run(&setting).unwrap().finished(&context);
                    assert_eq!(outcome.results[0], fresh.results[0], "{context}");
                    let (record, expected) = (outcome.record(), fresh.record());
                    assert_eq!(record.trace_digest, expected.trace_digest, "{context}");
                    assert_eq!(record.heap_start, expected.heap_start, "{context}");
                    assert_eq!(record.region_start, expected.region_start, "{context}");
                    assert_eq!(record.region_granted, expected.region_granted, "{context}");
                }
            }
        }
    }
}

#[test]
fn a_soiled_region_serves_as_a_fresh_one() {
    for target in TARGETS {
        let guest = Guest::load(target, "small-plan");
        let fresh = guest.run(&Setting::default()).unwrap().finished("fresh");
        let soiled = Setting {
            pregrow_pages: 40 * 16,
            soil: true,
            ..Setting::default()
        };
        let soiled = guest.run(&soiled).unwrap().finished("soiled");
        assert_eq!(soiled.results, fresh.results);
        assert!(soiled.results[2] > 0, "the cache hits");
    }
}
