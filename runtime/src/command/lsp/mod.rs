//! `aurorac lsp`: a language server on stdin and stdout, for editors.
//!
//! A thread reads messages; everything else happens in turn on the main thread. Whatever has come is looked through
//! first, so that of many changes only the newest text is checked, requests that were cancelled are not worked on,
//! and those that speak of a text that has changed since are given back (`ContentModified`).

mod address;
mod answer;
mod documents;
mod frame;
mod place;
mod position;
mod publish;
mod server;
mod shelf;

use std::io::{BufReader, stdin};
use std::sync::mpsc;

use crate::run::Failure;

/// Serves until the client says `exit` or goes away. Ends well if it was told to shut down before.
pub fn run() -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut from = BufReader::new(stdin());
        loop {
            let incoming = frame::read(&mut from);
            let end = matches!(incoming, frame::Incoming::End);
            if sender.send(incoming).is_err() || end {
                break;
            }
        }
    });
    let ended_well = server::Server::new(Box::new(std::io::stdout())).serve(&receiver);
    if ended_well { Ok(()) } else { Err(Failure::Wrong(None)) }
}
