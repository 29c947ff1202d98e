//! The join token: one word to paste on a node. It says the role and carries the manager's host-key
//! fingerprint, so that the node checks the manager before it says anything.

use std::fmt;
use std::str::FromStr;

use crate::node::Role;

/// `bramble1-ROLE-SECRET-FINGERPRINT`: safe in a shell, selected by a double click.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    pub role: Role,
    /// Letters and digits; shown to nobody but the manager.
    pub secret: String,
    /// As `ssh-keygen -l` prints it: `SHA256:…`.
    pub host_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a join token ({0}); get a new one on the manager with: bramble join-token")]
pub struct BadToken(&'static str);

impl JoinToken {
    pub fn new(role: Role, secret: String, host_key: &str) -> Result<Self, BadToken> {
        let token = Self { role, secret, host_key: host_key.to_owned() };
        token.to_string().parse()
    }
}

impl FromStr for JoinToken {
    type Err = BadToken;
    fn from_str(text: &str) -> Result<Self, BadToken> {
        let mut parts = text.trim().splitn(4, '-');
        if parts.next() != Some("bramble1") {
            return Err(BadToken("it does not start with bramble1-"));
        }
        let role = parts.next().and_then(|role| role.parse().ok()).ok_or(BadToken("its role is unknown"))?;
        let secret = parts.next().filter(|s| s.len() >= 20 && s.bytes().all(|b| b.is_ascii_alphanumeric()));
        let secret = secret.ok_or(BadToken("its secret is cut short or damaged"))?;
        let print = parts.next().unwrap_or_default();
        if print.len() != 43 || !print.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(BadToken("its fingerprint is cut short or damaged"));
        }
        let host_key = format!("SHA256:{}", print.replace('-', "+").replace('_', "/"));
        Ok(Self { role, secret: secret.to_owned(), host_key })
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let print = self.host_key.trim_start_matches("SHA256:").replace('+', "-").replace('/', "_");
        write!(f, "bramble1-{}-{}-{print}", self.role, self.secret)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({} for {})", self.role, self.host_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: &str = "SHA256:abc+DEF/ghi0123456789abcdefghijklmnopqrstuv";

    #[test]
    fn a_token_reads_back_as_it_was_made() {
        let token = JoinToken::new(Role::Worker, "abcdefghijklmnopqrst2345".into(), PRINT).unwrap();
        let text = token.to_string();
        assert!(!text.contains([' ', '/', '+', '$', '\'']), "{text}");
        assert_eq!(text.parse::<JoinToken>().unwrap(), token);
        assert_eq!(format!(" {text}\n").parse::<JoinToken>().unwrap(), token);
    }

    #[test]
    fn a_damaged_token_says_where_to_get_another() {
        let text = JoinToken::new(Role::Worker, "abcdefghijklmnopqrst2345".into(), PRINT).unwrap().to_string();
        for bad in ["", "hello", "bramble1-dancer-x-y", &text[..text.len() - 1], &text[..30]] {
            let why = bad.parse::<JoinToken>().unwrap_err().to_string();
            assert!(why.contains("bramble join-token"), "{why}");
        }
    }

    #[test]
    fn the_secret_is_not_in_debug_output() {
        let token = JoinToken::new(Role::Worker, "abcdefghijklmnopqrst2345".into(), PRINT).unwrap();
        assert!(!format!("{token:?}").contains("qrst2345"));
    }
}
