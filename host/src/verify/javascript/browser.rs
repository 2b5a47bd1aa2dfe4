//! Browsers, each with one page that asks for jobs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::child::Supervised;
use super::server::{Request, Server};
use super::{Answer, DRIVER, Failure, Job, REGION, Worker, runs};

const PAGE: &str = include_str!("page.mjs");
const INDEX: &str =
    "<!doctype html><title>steadfast verify</title><script type=module src=page.mjs></script>";

/// How long a browser may take to open the page.
const OPENING_LIMIT: Duration = Duration::from_secs(60);
/// How long its page may take to ask for the next job.
const ASKING_LIMIT: Duration = Duration::from_secs(30);

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
    fn command(self, program: &str, profile: &Path) -> std::io::Result<Command> {
        let mut command = Command::new(program);
        match self {
            Kind::Chromium => {
                command
                    .args(["--headless", "--disable-gpu", "--disable-quic"])
                    .args(["--no-first-run", "--disable-background-networking"])
                    .args(["--disable-component-update", "--disable-sync"])
                    .arg(format!("--user-data-dir={}", profile.display()));
                if is_roots(profile)? {
                    // It refuses to run as root with its sandbox; the module under test has that of
                    // WebAssembly.
                    command.arg("--no-sandbox");
                }
            }
            Kind::Firefox => {
                command.args(["--headless", "--no-remote", "--profile"]);
                command.arg(profile);
            }
        }
        Ok(command)
    }
}

/// Whether a directory that we have made is root's: then we are root.
#[cfg(unix)]
fn is_roots(directory: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(directory.metadata()?.uid() == 0)
}

#[cfg(not(unix))]
fn is_roots(_directory: &Path) -> std::io::Result<bool> {
    Ok(false)
}

/// A browser whose page stands ready.
pub struct Browser {
    kind: Kind,
    program: &'static str,
    server: Server,
    // Gone before its profile is.
    _child: Supervised,
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
        Self::ready(kind, program)
    }

    fn ready(kind: Kind, program: &'static str) -> Result<Self, String> {
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

    fn open(kind: Kind, program: &'static str) -> std::io::Result<Self> {
        let profile = tempfile::Builder::new().prefix("steadfast-").tempdir()?;
        let server = Server::start()?;
        let mut command = kind.command(program, profile.path())?;
        command.arg(server.url());
        Ok(Browser {
            kind,
            program,
            server,
            _child: Supervised::start(command, Stdio::null())?,
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
    fn work(&mut self, job: Job, within: Duration) -> Result<Answer, Failure> {
        let waiting = self.waiting.take();
        let waiting = waiting.or_else(|| self.serve("GET /job", ASKING_LIMIT));
        let waiting = waiting.ok_or("the page asks for nothing any more")?;
        waiting.respond("200 OK", "application/json", &serde_json::to_vec(&job)?)?;
        let Some(answer) = self.serve("POST /answer", within) else {
            // The module runs on in its page, which goes with the browser.
            *self = Browser::ready(self.kind, self.program)?;
            return Err(super::took_too_long(within).into());
        };
        let told = serde_json::from_slice(&answer.body)?;
        answer.respond("200 OK", "text/plain", b"")?;
        Ok(told)
    }
}
