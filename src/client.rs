//! How a verb or the console reaches a manager.
//!
//! A [`Client`] is one connection on which any number of calls may be under way; it is cheap to clone, and a call
//! that is dropped is a call whose answer nobody wants. What comes in many pieces (`logs`, `events`, `watch`) is a
//! [`Flow`] with a connection of its own, so that a reader who stalls holds up nobody and dropping it tells the
//! manager to stop. The bytes of a file or a result are an [`Upload`] or a [`Download`], for the same reason. Only words of the protocol pass here: no tables, no exit codes.

mod address;
mod error;
mod flow;
mod transfer;

use std::collections::HashMap;
use std::io;

use link::{FrameReader, FrameWriter, ReadError};
use protocol::api::{Answer, Body, Call, Refusal, Reply, Request};
use protocol::frame::{FrameError, Unknown};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

pub use address::{AddressError, ManagerAddress};
pub use error::ClientError;
pub use flow::Flow;
pub use transfer::{Download, Upload};

/// Requests on their way to the connection; a full queue makes the next caller wait.
const QUEUE: usize = 256;
/// As many bytes may wait to be written before more requests are taken.
const UNWRITTEN: usize = 256 * 1024;

/// A connection to a manager. Lives on the tokio runtime it was made on.
#[derive(Debug, Clone)]
pub struct Client {
    address: ManagerAddress,
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
struct Order {
    request: Request,
    to: oneshot::Sender<Result<Reply, ClientError>>,
}

impl Client {
    pub async fn connect(address: &ManagerAddress) -> Result<Client, ClientError> {
        let stream = open(address).await?;
        let (orders, queue) = mpsc::channel(QUEUE);
        tokio::spawn(Connection::new(address.clone(), stream).serve(queue));
        Ok(Client { address: address.clone(), orders })
    }

    pub fn address(&self) -> &ManagerAddress {
        &self.address
    }

    /// Asks, and waits for the one answer.
    pub async fn call(&self, request: Request) -> Result<Reply, ClientError> {
        let (to, answer) = oneshot::channel();
        let lost = || ClientError::Lost { address: self.address.clone() };
        self.orders.send(Order { request, to }).await.map_err(|_| lost())?;
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Asks for something that comes in many pieces, on a connection of its own.
    pub async fn stream(&self, request: Request) -> Result<Flow, ClientError> {
        Flow::open(&self.address, request).await
    }
}

async fn open(address: &ManagerAddress) -> Result<UnixStream, ClientError> {
    let ManagerAddress::Unix(path) = address;
    let stream = match UnixStream::connect(path).await {
        // More callers than the manager's queue holds: std waits for a place, on a thread that may.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let path = path.clone();
            let patient = tokio::task::spawn_blocking(move || {
                let stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(stream)
            });
            patient.await.unwrap_or_else(|gone| Err(io::Error::other(gone))).and_then(UnixStream::from_std)
        }
        other => other,
    };
    stream.map_err(|error| ClientError::connecting(address, &error))
}

/// The owner of one socket: writes what is ordered, hands every answer to the call it belongs to.
struct Connection {
    address: ManagerAddress,
    reader: FrameReader<tokio::net::unix::OwnedReadHalf>,
    writer: FrameWriter<tokio::net::unix::OwnedWriteHalf>,
    /// Cleared when the other side takes no more; its last words are still read.
    writable: bool,
    waiting: HashMap<u64, oneshot::Sender<Result<Reply, ClientError>>>,
    last_id: u64,
    /// Said to nobody in particular before the manager hung up.
    farewell: Option<Refusal>,
}

impl Connection {
    fn new(address: ManagerAddress, stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        Self {
            address,
            reader: FrameReader::new(read),
            writer: FrameWriter::new(write),
            writable: true,
            waiting: HashMap::new(),
            last_id: 0,
            farewell: None,
        }
    }

    async fn serve(mut self, mut orders: mpsc::Receiver<Order>) {
        let Err(end) = self.converse(&mut orders).await else { return };
        orders.close();
        for (_, to) in self.waiting.drain() {
            let _ = to.send(Err(end.clone()));
        }
        while let Some(order) = orders.recv().await {
            let _ = order.to.send(Err(end.clone()));
        }
    }

    /// Until nobody asks any more, or the connection is of no more use.
    async fn converse(&mut self, orders: &mut mpsc::Receiver<Order>) -> Result<(), ClientError> {
        loop {
            // In this order, so that whatever was ordered together is written together.
            tokio::select! {
                biased;
                answer = self.reader.next::<Answer>() => match answer {
                    Ok(Some(answer)) => self.deliver(answer),
                    Ok(None) | Err(ReadError::Io(_)) => return Err(self.hung_up()),
                    Err(ReadError::Frame(error)) => self.misunderstood(&error)?,
                },
                order = orders.recv(), if self.writer.pending() < UNWRITTEN => match order {
                    Some(order) => self.post(order),
                    None => return Ok(()),
                },
                written = self.writer.flush(), if self.writable && self.writer.pending() > 0 => {
                    self.writable = written.is_ok();
                }
            }
        }
    }

    fn post(&mut self, order: Order) {
        self.last_id += 1;
        match self.writer.feed(&Call { id: self.last_id, request: order.request }) {
            Ok(()) => drop(self.waiting.insert(self.last_id, order.to)),
            Err(error) => drop(order.to.send(Err(ClientError::unsendable(&error)))),
        }
    }

    fn deliver(&mut self, answer: Answer) {
        let outcome = match answer.body {
            Body::Reply(reply) => Ok(reply),
            Body::Error(refusal) => Err(ClientError::Refused(refusal)),
            Body::More(_) => Err(ClientError::nonsense(&self.address, "a part of a stream where one reply was due")),
        };
        match (self.waiting.remove(&answer.id), outcome) {
            (Some(to), outcome) => drop(to.send(outcome)),
            (None, Err(ClientError::Refused(refusal))) => self.farewell = Some(refusal),
            // Answered twice: the first answer counted.
            (None, _) => {}
        }
    }

    /// An answer of another build spoils its own call only; what is no message at all spoils the connection.
    fn misunderstood(&mut self, error: &FrameError) -> Result<(), ClientError> {
        let nonsense = ClientError::nonsense(&self.address, error);
        let FrameError::Unknown(Unknown { id: Some(id), .. }) = error else { return Err(nonsense) };
        if let Some(to) = self.waiting.remove(id) {
            let _ = to.send(Err(nonsense));
        }
        Ok(())
    }

    fn hung_up(&mut self) -> ClientError {
        match self.farewell.take() {
            Some(refusal) => ClientError::Refused(refusal),
            None => ClientError::Lost { address: self.address.clone() },
        }
    }
}

#[cfg(test)]
mod tests;
