//! Where the value of a secret comes from, and what of it is kept.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use protocol::name::SecretName;
use protocol::secret::{Hidden, MOST_SECRET_BYTES};

use crate::cli::exit::{Failure, Kind};

/// Byte for byte.
pub fn of_file(path: &Path) -> Result<Hidden, Failure> {
    let bytes = File::open(path).and_then(all).map_err(|error| {
        Failure::usage(format_args!("{} cannot be read: {error}; name a file that you may read", path.display()))
    })?;
    checked(bytes)
}

pub fn of_stdin(name: &SecretName, keep_newline: bool) -> Result<Hidden, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return checked(typed(name)?.into_bytes());
    }
    let bytes =
        all(stdin.lock()).map_err(|error| Failure::new(Kind::Fault, format_args!("stdin cannot be read: {error}")))?;
    checked(if keep_newline { bytes } else { without_newline(bytes) })
}

/// Twice, as nobody sees what is typed.
fn typed(name: &SecretName) -> Result<String, Failure> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt).map_err(|error| {
            Failure::usage(format_args!("nothing was set, as nothing was typed ({error}); try again, or pipe it in"))
        })
    };
    let first = ask(format!("{name} (is not shown): "))?;
    if first.is_empty() {
        return Ok(first);
    }
    match ask("once more: ".to_owned())? == first {
        true => Ok(first),
        false => Err(Failure::usage("nothing was set: these two are not the same; try again")),
    }
}

/// A little more than fits, so that it can be told that it is too much.
fn all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    from.take(MOST_SECRET_BYTES as u64 + 3).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The one at the end of a single line. What has several is a file as a whole, and some of those, like keys, need theirs.
fn without_newline(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.iter().position(|byte| *byte == b'\n') == bytes.len().checked_sub(1) && !bytes.contains(&0) {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

fn checked(bytes: Vec<u8>) -> Result<Hidden, Failure> {
    match bytes.len() {
        0 => Err(Failure::usage(
            "nothing was set: the value is empty; to keep a secret no longer: bramble secret rm NAME",
        )),
        1..=MOST_SECRET_BYTES => Ok(Hidden::of(bytes)),
        _ => Err(Failure::usage(format_args!(
            "nothing was set: a secret has at most {MOST_SECRET_BYTES} bytes, and this is more; encrypt what is long, keep it with bramble file put, and set what decrypts it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_line_loses_the_newline_at_its_end() {
        let kept = |text: &str| String::from_utf8(without_newline(text.into())).unwrap();
        for (piped, keeps) in [
            ("token\n", "token"),
            ("token\r\n", "token"),
            ("token", "token"),
            ("two words \n", "two words "),
            ("\n", ""),
            ("", ""),
            ("token\n\n", "token\n\n"),
            ("-----BEGIN\nkey\n-----END\n", "-----BEGIN\nkey\n-----END\n"),
            ("\nx", "\nx"),
            ("a\0b\n", "a\0b\n"),
        ] {
            assert_eq!(kept(piped), keeps, "{piped:?}");
        }
    }

    #[test]
    fn what_is_empty_or_too_long_is_told_before_anything_is_sent() {
        assert!(checked(vec![]).unwrap_err().message.contains("secret rm"));
        assert!(checked(vec![0; MOST_SECRET_BYTES]).is_ok());
        assert!(checked(vec![0; MOST_SECRET_BYTES + 1]).unwrap_err().message.contains("at most 65536 bytes"));
        let endless = all(io::repeat(7)).unwrap();
        assert!(endless.len() > MOST_SECRET_BYTES && endless.len() < MOST_SECRET_BYTES + 10);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let why = of_file(Path::new("/nowhere/key")).unwrap_err().message;
        assert!(why.starts_with("/nowhere/key cannot be read"), "{why}");
    }
}
