//! Our own ed25519 keys and the fingerprints by which others are known.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};

/// An ed25519 private key.
#[derive(Clone)]
pub struct Key(Arc<PrivateKey>);

/// Far more than any key file.
const LONGEST_FILE: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read the key file {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the key file {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "the key file {} is damaged ({why}): restore it from a copy, or move it away to get a new key, \
         which others must then be told of", path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error("the key file {0} can be read by others (mode {1:o}): chmod 600 {0}", path.display(), mode)]
    Exposed { path: PathBuf, mode: u32 },
}

impl Key {
    pub fn generate() -> Key {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519);
        // Only algorithms with choices to make, like the length of RSA, can be refused.
        Key(Arc::new(key.expect("ed25519 keys can always be made")))
    }

    /// Reads the key in `path`; makes one (mode 0600, OpenSSH's format) where there is none. Whatever is there is
    /// never overwritten, and of two who make it at once both get the same.
    pub fn load_or_create(path: &Path) -> Result<Key, KeyError> {
        match Key::load(path) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let key = Key::generate();
        match key.store(path) {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Key::load(path),
            Err(source) => Err(KeyError::Write { path: path.to_owned(), source }),
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.public_key())
    }

    /// As a line of `authorized_keys` has it.
    pub fn public_line(&self, comment: &str) -> String {
        let public = self.0.public_key();
        // Whatever could not be written, there is no such key.
        let line = public.to_openssh().unwrap_or_default();
        let mut words = line.split(' ');
        format!("{} {} {comment}", words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    pub(crate) fn private(&self) -> &Arc<PrivateKey> {
        &self.0
    }

    fn load(path: &Path) -> Result<Key, KeyError> {
        let fail = |source| KeyError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        let mode = file.metadata().map_err(fail)?.mode() & 0o7777;
        let mut text = Vec::new();
        file.take(LONGEST_FILE).read_to_end(&mut text).map_err(fail)?;
        let damaged = |why: &dyn fmt::Display| KeyError::Damaged { path: path.to_owned(), why: why.to_string() };
        if text.is_empty() {
            return Err(damaged(&"it is empty"));
        }
        let key = PrivateKey::from_openssh(&text).map_err(|error| damaged(&error))?;
        if key.is_encrypted() {
            return Err(damaged(&"it has a passphrase"));
        }
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(damaged(&format_args!("it is an {} key, not ssh-ed25519", key.algorithm())));
        }
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        Ok(Key(Arc::new(key)))
    }

    /// Whole or not at all, also through a power cut, and never over another file.
    fn store(&self, path: &Path) -> io::Result<()> {
        let text = self.0.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .prefix(".key-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint())
    }
}

/// Of a public key, as `ssh-keygen -l` prints it: `SHA256:…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(Arc<str>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key's fingerprint; it looks like SHA256:…, as ssh-keygen -l prints it")]
pub struct BadFingerprint(String);

impl Fingerprint {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(key: &PublicKey) -> Fingerprint {
        Fingerprint(key.fingerprint(HashAlg::Sha256).to_string().into())
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let hash = text.strip_prefix("SHA256:").unwrap_or_default();
        let right = hash.len() == 43 && hash.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
        if right { Ok(Fingerprint(text.into())) } else { Err(BadFingerprint(text.chars().take(80).collect())) }
    }
}

/// For text that was a fingerprint when it was written down: what is none equals no key.
impl From<String> for Fingerprint {
    fn from(text: String) -> Self {
        Fingerprint(text.into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_key_is_made_once_and_then_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Key::load_or_create(&path).unwrap();
        let found = Key::load_or_create(&path).unwrap();
        assert_eq!(made.fingerprint(), found.fingerprint());
        assert_eq!(mode(&path), 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn many_who_make_the_same_key_at_once_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let prints: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| Key::load_or_create(&path).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap().fingerprint()).collect()
        });
        assert_eq!(prints.len(), 1);
    }

    #[test]
    fn a_torn_or_corrupt_key_file_is_one_clear_sentence_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        Key::load_or_create(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[120] ^= 1;
        let not_text: Vec<u8> = (0..=255).collect();
        for bad in [&b""[..], b"\n", b"hello", &whole[..whole.len() / 2], &whole[..30], &flipped, &not_text] {
            fs::write(&path, bad).unwrap();
            let why = Key::load_or_create(&path).unwrap_err();
            assert!(matches!(why, KeyError::Damaged { .. }), "{why}");
            let why = why.to_string();
            assert!(why.contains("is damaged") && why.contains(path.to_str().unwrap()), "{why}");
            assert!(!why.contains('\n'), "{why}");
            assert_eq!(fs::read(&path).unwrap(), bad, "it was not touched");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        Key::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let why = Key::load_or_create(&path).unwrap_err().to_string();
        assert!(why.contains("mode 644") && why.contains("chmod 600"), "{why}");
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_its_place_are_clear_sentences() {
        let folder = tempfile::tempdir().unwrap();
        let why = Key::load_or_create(&folder.path().join("no/key")).unwrap_err().to_string();
        assert!(why.starts_with("cannot write the key file"), "{why}");
        let why = Key::load_or_create(folder.path()).unwrap_err().to_string();
        assert!(why.starts_with("cannot read the key file"), "{why}");
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_printed_and_the_secret_is_not() {
        let key = Key::generate();
        let print = key.fingerprint();
        assert_eq!(print.as_str().parse::<Fingerprint>().unwrap(), print);
        assert_eq!(Fingerprint::from(print.to_string()), print);
        assert_eq!(print.as_str().len(), 50);
        assert_eq!(format!("{key:?}"), format!("Key({print})"));
        for bad in ["", "SHA256:", "MD5:00", &print.as_str()[..49], &format!("{print}=")] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
