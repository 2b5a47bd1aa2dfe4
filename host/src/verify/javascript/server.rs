//! What a browser's page is served by: as much of HTTP as that takes, on this machine alone.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// More than any answer has, in bytes.
const MOST_BODY_BYTES: u64 = 1 << 30;

/// A request, and where its response goes.
pub struct Request {
    /// `GET /job`, say.
    pub target: String,
    /// What came with it.
    pub body: Vec<u8>,
    stream: TcpStream,
}

impl Request {
    fn read(stream: TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let target = line.rsplit_once(' ').map_or("", |(target, _)| target);
        let target = target.to_owned();
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
        let mut body = Vec::new();
        let mut limited = reader.by_ref().take(MOST_BODY_BYTES.min(length));
        limited.read_to_end(&mut body)?;
        Ok(Request {
            target,
            body,
            stream: reader.into_inner(),
        })
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

/// Takes requests, in the order in which they are complete.
pub struct Server {
    address: SocketAddr,
    requests: Receiver<Request>,
}

impl Server {
    /// Listens on a free port of this machine.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, requests) = mpsc::channel();
        // A browser opens connections that it may never use: each is waited for by itself. All of this ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || {
                    if let Ok(request) = Request::read(stream) {
                        // Nobody asks any more when that fails.
                        let _ = sender.send(request);
                    }
                });
            }
        });
        Ok(Server { address, requests })
    }

    /// Where it is reached.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request, if one comes in time.
    pub fn next(&self, within: Duration) -> Option<Request> {
        self.requests.recv_timeout(within).ok()
    }
}
