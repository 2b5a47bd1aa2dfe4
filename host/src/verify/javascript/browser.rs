//! Browsers, each with one page that asks for jobs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::server::{Request, Server};
use super::{Answer, DRIVER, Failure, Job, REGION, Worker, runs};

const PAGE: &str = include_str!("page.mjs");
const INDEX: &str =
    "<!doctype html><title>steadfast verify</title><script type=module src=page.mjs></script>";

/// How long a browser may take to open the page.
const OPENING_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take for a block.
const JOB_LIMIT: Duration = Duration::from_secs(120);

/// A kind of browser.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Chromium,
    Firefox,
}

impl Kind {
    /// The names by which it is installed.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Kind::Chromium => &["chromium", "chromium-browser", "google-chrome"],
            Kind::Firefox => &["firefox-esr", "firefox"],
        }
    }

    /// A command that opens no window, knows no earlier session and speaks to nobody by itself.
    fn command(self, program: &str, profile: &Path) -> Command {
        let mut command = Command::new(program);
        match self {
            Kind::Chromium => {
                command
                    .args(["--headless", "--disable-gpu", "--disable-quic"])
                    .args(["--no-first-run", "--disable-background-networking"])
                    .args(["--disable-component-update", "--disable-sync"])
                    // It refuses to run as root with its sandbox; the module under test has that of WebAssembly.
                    .arg("--no-sandbox")
                    .arg(format!("--user-data-dir={}", profile.display()));
            }
            Kind::Firefox => {
                command.args(["--headless", "--no-remote", "--profile"]);
                command.arg(profile);
            }
        }
        command
    }
}

/// A browser whose page stands ready.
pub struct Browser {
    server: Server,
    child: Child,
    /// The page's request for a job, which is answered when there is one.
    waiting: Option<Request>,
    // Removed when the browser is gone.
    _profile: TempDir,
}

impl Browser {
    /// Opens the page in a browser; or tells why it cannot.
    pub fn new(kind: Kind) -> Result<Self, String> {
        let mut programs = kind.programs().iter();
        let Some(program) = programs.find(|program| runs(Path::new(program))) else {
            let names = kind.programs().join("`, no `");
            return Err(format!("there is no `{names}` on the path"));
        };
        let mut browser =
            Self::open(kind, program).map_err(|error| format!("{program}: {error}"))?;
        browser.waiting = browser.serve("GET /job", OPENING_LIMIT);
        match browser.waiting {
            Some(_) => Ok(browser),
            None => Err(format!(
                "{program} did not open a page within {} s",
                OPENING_LIMIT.as_secs()
            )),
        }
    }

    fn open(kind: Kind, program: &str) -> std::io::Result<Self> {
        let profile = tempfile::Builder::new().prefix("steadfast-").tempdir()?;
        let server = Server::start()?;
        let child = kind
            .command(program, profile.path())
            .arg(format!("http://{}/", server.address()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Browser {
            server,
            child,
            waiting: None,
            _profile: profile,
        })
    }

    /// Serves files until the page asks for `target`, if it does in time.
    fn serve(&mut self, target: &str, within: Duration) -> Option<Request> {
        loop {
            let request = self.server.next(within)?;
            // A page that has gone away meanwhile asks again.
            let _ = match &*request.target {
                wanted if wanted == target => return Some(request),
                "GET /" => request.respond("200 OK", "text/html", INDEX.as_bytes()),
                "GET /page.mjs" => request.respond("200 OK", "text/javascript", PAGE.as_bytes()),
                "GET /block.mjs" => request.respond("200 OK", "text/javascript", DRIVER.as_bytes()),
                "GET /region.mjs" => {
                    request.respond("200 OK", "text/javascript", REGION.as_bytes())
                }
                _ => request.respond("404 Not Found", "text/plain", b""),
            };
        }
    }
}

impl Worker for Browser {
    fn work(&mut self, job: Job) -> Result<Answer, Failure> {
        let waiting = self.waiting.take();
        let waiting = waiting.or_else(|| self.serve("GET /job", JOB_LIMIT));
        let waiting = waiting.ok_or("the page asks for nothing any more")?;
        waiting.respond("200 OK", "application/json", &serde_json::to_vec(&job)?)?;
        let answer = self.serve("POST /answer", JOB_LIMIT);
        let answer = answer.ok_or("the page gave no answer in time")?;
        let told = serde_json::from_slice(&answer.body)?;
        answer.respond("200 OK", "text/plain", b"")?;
        Ok(told)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It is gone already when either fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
