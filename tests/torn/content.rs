//! A file's bytes. Zeros at its end take no room: a reserve of 16 MiB is nothing else.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

#[derive(Clone, Default)]
pub struct Content {
    /// What follows up to `size` is zero.
    bytes: Vec<u8>,
    size: usize,
}

impl Content {
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn resize(&mut self, size: usize) {
        self.bytes.truncate(size);
        self.size = size;
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.bytes.len() < at {
            self.bytes.resize(at, 0);
        }
        let inside = bytes.len().min(self.bytes.len() - at);
        self.bytes[at..at + inside].copy_from_slice(&bytes[..inside]);
        self.bytes.extend_from_slice(&bytes[inside..]);
        self.size = self.size.max(end);
    }

    pub fn read(&self, at: usize, length: usize) -> Vec<u8> {
        let length = length.min(self.size.saturating_sub(at));
        let there = self.bytes.get(at..self.bytes.len().min(at + length)).unwrap_or_default();
        let mut read = vec![0; length];
        read[..there.len()].copy_from_slice(there);
        read
    }

    pub fn store(&self, path: &Path) -> io::Result<()> {
        let file = File::create_new(path)?;
        file.write_all_at(&self.bytes, 0)?;
        file.set_len(self.size as u64)
    }
}

#[test]
fn bytes_are_read_as_they_were_written_and_zeros_where_nothing_was() {
    let mut content = Content::default();
    content.write(2, b"abc");
    content.resize(9);
    content.write(4, b"XYZ");
    assert_eq!((content.size(), content.read(0, 100)), (9, b"\0\0abXYZ\0\0".to_vec()));
    content.resize(3);
    content.resize(5);
    assert_eq!(content.read(1, 9), b"\0a\0\0".to_vec());
    assert!(content.read(7, 1).is_empty());
}
