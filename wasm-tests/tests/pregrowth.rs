//! Empty pages that exist beforehand are adopted and move nothing.

use std::fs;

use wasm_tests::{Guest, Setting, TARGETS, path};
use wasmparser::{Parser, Payload};

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
                let setting = Setting {
                    pregrow_pages,
                    ..Setting::default()
                };
                let context = format!("{target} {name} grown to {pregrow_pages} pages");
                let outcome = guest.run(&setting).unwrap().finished(&context);
                assert_eq!(outcome.results, fresh.results, "{context}");
                let (info, expected) = (outcome.info(), fresh.info());
                assert_eq!(info.trace_digest, expected.trace_digest, "{context}");
                assert_eq!(info.heap_start, expected.heap_start, "{context}");
                assert_eq!(info.region_start, expected.region_start, "{context}");
                assert_eq!(info.region_granted, expected.region_granted, "{context}");
                assert_eq!(info.region_len, expected.region_len, "{context}");
            }
        }
    }
}

/// The module with another minimum of its memory, as a tool that takes a snapshot of a grown
/// instance writes it.
fn with_minimum(module: &[u8], pages: u32) -> Vec<u8> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::MemorySection(section) = payload.unwrap() else {
            continue;
        };
        let range = section.range();
        // One memory, with a minimum alone.
        let mut contents = vec![1, 0];
        let mut rest = pages;
        while rest >= 0x80 {
            contents.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        contents.push(rest as u8);
        // The section's length stands in the one byte before its contents.
        let start = range.start - 1;
        let mut rewritten = module[..start].to_vec();
        rewritten.push(contents.len() as u8);
        rewritten.extend(contents);
        rewritten.extend(&module[range.end..]);
        return rewritten;
    }
    panic!("the module declares no memory");
}

#[test]
fn a_raised_minimum_moves_nothing() {
    for target in TARGETS {
        let module = fs::read(path(target, "cache")).expect("`cargo xtask guests` built it");
        let fresh = Guest::from_bytes(&module).unwrap();
        let fresh = fresh.run(&Setting::default()).unwrap().finished("as built");
        for pages in [40, 2047, 2048, 2049, 3000, 20_000] {
            let context = format!("{target} with a minimum of {pages} pages");
            let raised = Guest::from_bytes(&with_minimum(&module, pages)).unwrap();
            let outcome = raised.run(&Setting::default()).unwrap().finished(&context);
            assert_eq!(outcome.results[..2], fresh.results[..2], "{context}");
            let (info, expected) = (outcome.info(), fresh.info());
            assert_eq!(info.trace_digest, expected.trace_digest, "{context}");
            assert_eq!(info.region_start, expected.region_start, "{context}");
            assert_eq!(info.region_granted, expected.region_granted, "{context}");
        }
        // A module that declares the whole budget is refused at instantiation where it does not
        // fit.
        let declared = Guest::from_bytes(&with_minimum(&module, 2048)).unwrap();
        let below = Setting {
            ceiling: 127 << 20,
            ..Setting::default()
        };
        assert!(declared.run(&below).is_err(), "{target}");
        let exactly = Setting {
            ceiling: 128 << 20,
            ..Setting::default()
        };
        assert!(declared.run(&exactly).unwrap().trap.is_none(), "{target}");
    }
}
