//! The map as one page that needs nothing else.

use super::model::MemoryMap;

/// What stands at the pointer is told below the picture as well, since titles appear late and
/// vanish.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; background: #fff; color: #222; font-family: system-ui, sans-serif; }
svg { display: block; max-width: 100%; height: auto; margin: 0 auto; padding-bottom: 3em; }
rect:hover { stroke: currentColor; }
#told { position: fixed; left: 0; right: 0; bottom: 0; padding: .6em 1.6em; background: #222; color: #fff; font-size: 14px; }
@media (prefers-color-scheme: dark) { body { background: #14171c; color: #dde3ea; } #told { background: #dde3ea; color: #14171c; } }
</style>
{svg}
<div id="told">Point at anything to see what it is.</div>
<script>
const told = document.getElementById("told");
document.querySelector("svg").addEventListener("mouseover", (event) => {
  const title = event.target.querySelector("title");
  if (title) told.textContent = title.textContent;
});
</script>
</html>
"#;

impl MemoryMap {
    /// The map as a page of HTML, without any resource of its own.
    pub fn to_html(&self) -> String {
        // The picture is put in last: it may hold anything.
        let page = PAGE.replace("{title}", &escaped(&self.title));
        page.replacen("{svg}", &self.to_svg(), 1)
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
}
