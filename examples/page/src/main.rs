//! The page's server: on this machine alone.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
#[command(name = "page", about = "Serves the example page")]
struct Arguments {
    /// Where the guest modules are
    guests: PathBuf,
    /// The port to listen on; 0 for any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port))?;
    println!("http://{}/", listener.local_addr()?);
    page::serve(listener, page::site(&arguments.guests))
}
