//! `--stdin`: all that is sent along.

use std::io::{self, Read};

use protocol::bytes::Blob;
use protocol::run::MOST_STDIN;
use protocol::unit::Bytes;

use crate::cli::exit::{Failure, Kind};

pub fn of_stdin() -> Result<Blob, Failure> {
    all(io::stdin().lock())
}

fn all(from: impl Read) -> Result<Blob, Failure> {
    let mut bytes = vec![];
    from.take(MOST_STDIN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(Kind::Fault, format_args!("stdin cannot be read: {error}")))?;
    if bytes.len() > MOST_STDIN {
        return Err(Failure::usage(format_args!(
            "nothing was run: stdin is longer than the {} that are sent along; keep it with bramble file put, and give it to a job",
            Bytes(MOST_STDIN as u64)
        )));
    }
    Ok(Blob(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_told_in_a_sentence_and_nothing_is_sent() {
        assert_eq!(all(&b"a\0b"[..]).unwrap(), Blob(b"a\0b".to_vec()));
        assert_eq!(all(io::repeat(7).take(MOST_STDIN as u64)).unwrap().0.len(), MOST_STDIN);
        let why = all(io::repeat(7)).unwrap_err().message;
        assert!(why.contains("1.0 MiB") || why.contains("1 MiB"), "{why}");
    }
}
