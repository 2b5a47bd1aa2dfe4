//! The map as a page, which `steadfast map --html` writes.

use std::fs;
use std::path::Path;

use bitcoin_test_data::blocks::mainnet_702861;

use crate::chromium::window;
use crate::command::steadfast;
use crate::indexer;

#[test]
fn the_map_tells_what_one_points_at() {
    let directory = tempfile::tempdir().unwrap();
    let Some(window) = window("the map in Chromium", directory.path()) else {
        return;
    };
    let html = write_map(directory.path());
    window.open(&format!("file://{}", html.display()));
    assert!(window.text("#told").starts_with("Point at"));
    for kind in ["small blocks", "entries"] {
        // A cell of that kind: only cells tell how much of them is in use.
        let cells = "[...document.querySelectorAll('rect')]";
        let is_one = format!("({{ textContent }}) => /{kind}.*% in use/.test(textContent)");
        window.value(&format!("{cells}.find({is_one}).id = {kind:?}"));
        let cell = format!("[id={kind:?}]");
        window.point_at(&cell);
        let told = window.text("#told");
        assert!(told.contains(kind), "{told}");
        assert_eq!(told, window.text(&cell));
    }
    window.picture("map.png");
}

fn write_map(directory: &Path) -> std::path::PathBuf {
    let (block, html) = (directory.join("block"), directory.join("map.html"));
    fs::write(&block, mainnet_702861()).unwrap();
    let module = indexer();
    let [map, input, to] = ["map", "--input", "--html"].map(Path::new);
    steadfast([map, &module, input, &block, to, &html]);
    let page = fs::read_to_string(&html).unwrap();
    assert!(
        !page.contains("src=") && !page.contains("href="),
        "nothing is fetched"
    );
    html
}
