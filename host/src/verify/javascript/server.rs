//! What a browser's page is served by: as much of HTTP as that takes, on this machine alone, and
//! for those alone who know the way.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::MOST_ANSWER_BYTES;

/// More than a request's lines have, in bytes.
const MOST_HEAD_BYTES: u64 = 64 << 10;
/// Connections at a time. A browser opens some that it never uses.
const MOST_CONNECTIONS: usize = 32;
/// How long a connection may say nothing, in the middle of a request too.
const SILENCE: Duration = Duration::from_secs(20);

/// A request, and where its response goes.
pub struct Request {
    /// `GET /job`, say.
    pub target: String,
    /// What came with it.
    pub body: Vec<u8>,
    stream: TcpStream,
}

impl Request {
    /// Reads a request for something below a path; `None` of any other.
    fn read(stream: TcpStream, below: &str) -> io::Result<Option<Self>> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let mut reader = BufReader::new(stream).take(MOST_HEAD_BYTES);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let target = line.rsplit_once(' ').map_or("", |(target, _)| target);
        let Some((method, path)) = target.split_once(below) else {
            return Ok(None);
        };
        let target = format!("{method}/{path}");
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        if length > MOST_ANSWER_BYTES {
            return Ok(None);
        }
        let mut body = Vec::new();
        reader.set_limit(length);
        reader.read_to_end(&mut body)?;
        Ok(Some(Request {
            target,
            body,
            stream: reader.into_inner().into_inner(),
        }))
    }

    /// Answers it.
    pub fn respond(mut self, status: &str, media_type: &str, body: &[u8]) -> io::Result<()> {
        write!(
            self.stream,
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        self.stream.write_all(body)
    }
}

/// Takes requests, in the order in which they are complete. Ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    /// Nobody else can guess it.
    path: String,
    requests: Receiver<Request>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    /// Listens on a free port of this machine.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, requests) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let path = format!("/{:016x}{:016x}/", chance(), chance());
        let (over, below) = (Arc::clone(&is_over), path.clone());
        thread::Builder::new()
            .name("steadfast-page".into())
            .spawn(move || serve(&listener, &sender, &over, &below))?;
        Ok(Server {
            address,
            path,
            requests,
            is_over,
        })
    }

    /// Where the page is reached.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// The next request, if one comes in time.
    pub fn next(&self, within: Duration) -> Option<Request> {
        self.requests.recv_timeout(within).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread, which then ends.
        drop(TcpStream::connect(self.address));
    }
}

/// A browser opens connections that it may never use: each is waited for by itself.
fn serve(listener: &TcpListener, sender: &Sender<Request>, is_over: &AtomicBool, below: &str) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        if open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (sender, open, below) = (sender.clone(), Arc::clone(&open), below.to_owned());
        thread::spawn(move || {
            if let Ok(Some(request)) = Request::read(stream, &below) {
                // Nobody asks any more when that fails.
                let _ = sender.send(request);
            }
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// A number from the system's random numbers, which the standard library keys its maps with.
fn chance() -> u64 {
    RandomState::new().hash_one("page")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(server: &Server, request: &str) -> Option<Request> {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        server.next(Duration::from_millis(300))
    }

    #[test]
    fn only_those_are_heard_who_know_the_path() {
        let server = Server::start().unwrap();
        let known = format!("GET {}job HTTP/1.1\r\n\r\n", server.path);
        let request = asked(&server, &known).expect("it is heard");
        assert_eq!(request.target, "GET /job");
        assert!(
            asked(
                &server,
                "POST /answer HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
            )
            .is_none()
        );
        let long = format!(
            "POST {}answer HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
            server.path,
            MOST_ANSWER_BYTES + 1
        );
        assert!(asked(&server, &long).is_none());
        let body = format!(
            "POST {}answer HTTP/1.1\r\ncontent-length: 2\r\n\r\n{{}}",
            server.path
        );
        assert_eq!(asked(&server, &body).expect("it is heard").body, b"{}");
    }

    #[test]
    fn it_ends_and_gives_its_port_back() {
        let server = Server::start().unwrap();
        let address = server.address;
        drop(server);
        let is_gone = || TcpListener::bind(address).is_ok();
        assert!((0..100).any(|_| {
            thread::sleep(Duration::from_millis(10));
            is_gone()
        }));
    }
}
