//! Chromium, driven over the WebDriver protocol.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Method;

/// How long an element may take to appear, in milliseconds.
const ELEMENT_LIMIT_MS: u64 = 120_000;
/// How long the driver may take to answer, which is longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(180);
/// What the driver says when it is ready: its port follows.
const READY: &str = "started successfully on port ";
/// The member that holds an element's name in the protocol's objects.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window, which goes with its browser and its driver.
pub struct Window {
    agent: Agent,
    session: String,
    driver: Child,
}

/// Opens a window that puts what it downloads into a directory; says that a test is left out where
/// there is no Chromium.
pub fn window(test: &str, downloads: &Path) -> Option<Window> {
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !runs("chromium") || !runs("chromedriver") {
        // Not by the macro, whose lines are only shown of tests that fail.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED {test}: there is no `chromium` and `chromedriver` on the path"
        );
        return None;
    }
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("chromedriver starts");
    let lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once(READY)?;
        port.trim_end_matches('.').parse::<u16>().ok()
    });
    let port = port.expect("chromedriver says where it listens");
    let agent = Agent::config_builder().timeout_global(Some(ANSWER_LIMIT));
    let mut window = Window {
        agent: agent.http_status_as_error(false).build().into(),
        session: format!("http://127.0.0.1:{port}/session"),
        driver,
    };
    // The same flags as for the tests of the guest crate.
    let flags = concat!(env!("CARGO_MANIFEST_DIR"), "/../../webdriver.json");
    let flags = fs::read(flags).expect("the flags");
    let mut capabilities: Value = serde_json::from_slice(&flags).expect("JSON");
    capabilities["goog:chromeOptions"]["prefs"] =
        json!({ "download.default_directory": downloads });
    capabilities["timeouts"] = json!({ "implicit": ELEMENT_LIMIT_MS });
    let made = window.command(
        Method::POST,
        "",
        &json!({ "capabilities": { "alwaysMatch": capabilities } }),
    );
    let id = made["sessionId"].as_str().expect("a session");
    window.session = format!("{}/{id}", window.session);
    window.post("/window/rect", &json!({ "width": 1100, "height": 1200 }));
    Some(window)
}

impl Drop for Window {
    fn drop(&mut self) {
        // The browser ends with its session; all of it is gone already when one of these fails.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Window {
    fn command(&self, method: Method, path: &str, body: &Value) -> Value {
        let address = format!("{}{path}", self.session);
        let request = ureq::http::Request::builder().method(method).uri(&address);
        let request = request.header("Content-Type", "application/json");
        let request = request.body(match body {
            Value::Null => String::new(),
            body => body.to_string(),
        });
        let answer = self.agent.run(request.expect("a request"));
        let mut answer = answer.unwrap_or_else(|error| panic!("{address}: {error}"));
        let text = answer.body_mut().read_to_string().expect("an answer");
        assert!(answer.status().is_success(), "{path} {body}: {text}");
        let mut answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["value"].take()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.command(Method::POST, path, body)
    }

    /// Opens an address.
    pub fn open(&self, address: &str) {
        self.post("/url", &json!({ "url": address }));
    }

    /// The first element that a selector of CSS finds, as soon as there is one.
    pub fn element(&self, selector: &str) -> Value {
        self.post(
            "/element",
            &json!({ "using": "css selector", "value": selector }),
        )
    }

    fn on_element(&self, selector: &str, action: &str, body: &Value) {
        let element = self.element(selector);
        let name = element[ELEMENT].as_str().expect("an element");
        self.post(&format!("/element/{name}/{action}"), body);
    }

    /// Clicks on an element.
    pub fn click(&self, selector: &str) {
        self.on_element(selector, "click", &json!({}));
    }

    /// Chooses a file.
    pub fn choose(&self, selector: &str, file: &Path) {
        self.on_element(selector, "value", &json!({ "text": file }));
    }

    /// Moves the pointer to the middle of an element, once that is in the middle of the window.
    pub fn point_at(&self, selector: &str) {
        self.value(&format!(
            "document.querySelector({selector:?}).scrollIntoView({{ block: 'center' }})"
        ));
        let to = json!({ "type": "pointerMove", "origin": self.element(selector), "x": 0, "y": 0 });
        let mouse = json!({ "type": "pointer", "id": "mouse", "actions": [to] });
        self.post("/actions", &json!({ "actions": [mouse] }));
    }

    /// What an expression of JavaScript has for a value.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of an element.
    pub fn text(&self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({selector:?}).textContent"));
        text.as_str().expect("a text").trim().to_owned()
    }

    /// Keeps a picture of what the window shows, and checks that it shows something.
    pub fn picture(&self, name: &str) {
        let png = self.command(Method::GET, "/screenshot", &Value::Null);
        let png = BASE64_STANDARD.decode(png.as_str().expect("a picture"));
        let png = png.expect("base64");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, &png).expect("the picture is written");
        assert!(png.starts_with(b"\x89PNG"));
        // One colour all over takes a few kilobytes at this size.
        assert!(
            png.len() > 30_000,
            "{} bytes in {} show nothing",
            png.len(),
            path.display()
        );
    }
}
