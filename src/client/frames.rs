//! Frames over any reader and writer.

use std::io;

use protocol::frame::{self, FrameError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::bytes::{Buf, BytesMut};

#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    Frame(FrameError),
}

#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::new() }
    }

    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ReadError> {
        loop {
            if let Some(json) = frame::split(&mut self.buffer).map_err(ReadError::Frame)? {
                return frame::parse(&json).map(Some).map_err(ReadError::Frame);
            }
            self.buffer.reserve(16 * 1024);
            if self.reader.read_buf(&mut self.buffer).await.map_err(ReadError::Io)? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into()))
                };
            }
        }
    }
}

#[derive(Debug)]
pub struct FrameWriter<W> {
    writer: W,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub fn new(writer: W) -> Self {
        Self { writer, buffer: BytesMut::new() }
    }

    pub fn feed<T: Serialize>(&mut self, message: &T) -> Result<(), FrameError> {
        frame::encode(message, &mut self.buffer)
    }

    pub fn pending(&self) -> usize {
        self.buffer.remaining()
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            if self.writer.write_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.writer.flush().await
    }
}
