//! Where a manager is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::ClientError;

/// Where an installed manager listens.
const SYSTEM: &str = "/run/bramble/manager.sock";
/// What the kernel's `sockaddr_un` holds, less the zero byte at its end.
const LONGEST_PATH: usize = 107;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagerAddress {
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl ManagerAddress {
    /// The manager of this machine: the installed one, else one this person started.
    pub fn local() -> Result<ManagerAddress, ClientError> {
        let mut places = vec![PathBuf::from(SYSTEM)];
        if let Some(folders) = directories::ProjectDirs::from("", "", "bramble") {
            places.extend(folders.runtime_dir().map(|run| run.join("manager.sock")));
            places.push(folders.data_dir().join("run/manager.sock"));
        }
        match places.iter().find(|path| path.exists()) {
            Some(path) => Ok(ManagerAddress::Unix(path.clone())),
            None => Err(ClientError::NoneHere),
        }
    }
}

impl FromStr for ManagerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = |why: String| Err(AddressError(why));
        if text.starts_with("ssh://") {
            return bad(format!(
                "{text} cannot be reached from here yet; log in to that machine with ssh and use bramble there"
            ));
        }
        let path = match text.strip_prefix("unix://") {
            Some(path) => path,
            None if text.contains("://") || !text.contains('/') => {
                return bad(format!("{text:?} is not a manager's address; write unix:///run/bramble/manager.sock"));
            }
            None => text,
        };
        if path.is_empty() || path.contains('\0') {
            return bad(format!("{text:?} names no socket; write unix:///run/bramble/manager.sock"));
        }
        if path.len() > LONGEST_PATH {
            let length = path.len();
            return bad(format!("the socket path {path} has {length} bytes; Linux allows {LONGEST_PATH}"));
        }
        Ok(ManagerAddress::Unix(path.into()))
    }
}

impl fmt::Display for ManagerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ManagerAddress::Unix(path) = self;
        write!(f, "unix://{}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_or_plainly_a_path() {
        let path = ManagerAddress::Unix("/run/bramble/manager.sock".into());
        assert_eq!("unix:///run/bramble/manager.sock".parse(), Ok(path.clone()));
        assert_eq!("/run/bramble/manager.sock".parse(), Ok(path.clone()));
        assert_eq!(path.to_string(), "unix:///run/bramble/manager.sock");
    }

    #[test]
    fn what_is_no_address_says_how_one_is_written() {
        for bad in ["", "manager", "tcp://pi:22", "unix://", "unix://a\0b"] {
            let why = bad.parse::<ManagerAddress>().unwrap_err().to_string();
            assert!(why.contains("unix:///run"), "{bad:?}: {why}");
        }
        assert!("ssh://pi".parse::<ManagerAddress>().unwrap_err().to_string().contains("yet"));
        let long = format!("unix:///{}", "x".repeat(107));
        assert!(long.parse::<ManagerAddress>().unwrap_err().to_string().contains("108 bytes"));
    }
}
