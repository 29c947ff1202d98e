//! Where it is told that a job has ended.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most places one job is told to.
pub const MOST_NOTIFY: usize = 10;
const LONGEST: usize = 2048;

/// `mail:ana@example.org` or `https://example.org/hook`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notify {
    /// To this address.
    Mail(String),
    /// By a POST of JSON to this URL.
    Web(String),
}

impl Notify {
    /// As it may be shown to everybody: of a URL only whose it is, for the rest is often as good as a password.
    pub fn shown(&self) -> Self {
        let Notify::Web(url) = self else { return self.clone() };
        let Some((scheme, rest)) = url.split_once("://") else { return self.clone() };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let more = if path.is_empty() || path == "/" { path } else { "/…" };
        Notify::Web(format!("{scheme}://{host}{more}"))
    }
}

/// Why a text is none: one clear sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadNotify(String);

impl FromStr for Notify {
    type Err = BadNotify;

    fn from_str(text: &str) -> Result<Self, BadNotify> {
        let bad = |why: &str| Err(BadNotify(format!("{text:?} {why}; write mail:ana@example.org or https://…")));
        if text.len() > LONGEST {
            return Err(BadNotify(format!("where a job's end is told to has at most {LONGEST} bytes")));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return bad("has a space or a control character in it");
        }
        if let Some(address) = text.strip_prefix("mail:") {
            let good = |(user, host): (&str, &str)| !user.is_empty() && !host.is_empty();
            return match address.rsplit_once('@').is_some_and(good) {
                true => Ok(Self::Mail(address.to_owned())),
                false => bad("is no mail address"),
            };
        }
        match text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
            Some(rest) if !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']) => Ok(Self::Web(text.to_owned())),
            Some(_) => bad("names no host"),
            None => bad("is nowhere that can be told"),
        }
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notify::Mail(address) => write!(f, "mail:{address}"),
            Notify::Web(url) => f.write_str(url),
        }
    }
}

impl Serialize for Notify {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Notify {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for good in ["mail:ana@example.org", "https://example.org/hook?x=1", "http://10.0.0.7:8080/"] {
            let read: Notify = good.parse().unwrap();
            assert_eq!(read.to_string(), good);
            assert_eq!(serde_json::from_str::<Notify>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn what_only_its_owner_knows_of_an_address_is_not_shown() {
        for (whole, shown) in [
            ("mail:ana@example.org", "mail:ana@example.org"),
            ("https://example.org:8443/hooks/T0KEN?key=1", "https://example.org:8443/…"),
            ("https://ana:pass@example.org?key=1", "https://example.org/…"),
            ("https://ana@example.org/", "https://example.org/"),
            ("http://example.org", "http://example.org"),
        ] {
            let shown_of_it = whole.parse::<Notify>().unwrap().shown();
            assert_eq!(shown_of_it.to_string(), shown);
            assert_eq!(shown.parse(), Ok(shown_of_it), "it is an address itself");
        }
    }

    #[test]
    fn what_is_no_address_is_told_in_a_sentence() {
        let long = format!("https://{}", "x".repeat(LONGEST));
        for bad in [
            "",
            "ana@example.org",
            "mail:",
            "mail:ana",
            "mail:@x",
            "mail:a@b\r\nBcc: c@d",
            "ftp://x",
            "https://",
            &long,
        ] {
            let why = bad.parse::<Notify>().unwrap_err().to_string();
            assert!(why.contains("https://") || why.contains("bytes"), "{bad:?}: {why}");
        }
    }
}
