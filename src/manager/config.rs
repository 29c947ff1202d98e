//! The manager's configuration file. `config.toml` beside this file is the commented default that `bramble config`
//! prints; a test holds the two together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use protocol::api::Right;
use protocol::name::{NodeName, PersonName};
use protocol::{OLDEST_PROTOCOL, PROTOCOL};
use serde::Deserialize;

use super::cluster::ClusterConfig;
use super::scripts;

/// What `bramble config` prints.
pub const COMMENTED: &str = include_str!("config.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub ssh: String,
    pub address: Option<String>,
    pub name: Option<NodeName>,
    pub state: PathBuf,
    pub run: PathBuf,
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    #[serde(with = "humantime_serde")]
    pub stop_grace: Duration,
    pub output_limit: ByteSize,
    #[serde(with = "humantime_serde")]
    pub token_ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub keepalive: Duration,
    pub keepalive_max: u32,
    pub task_uid_base: u32,
    pub allow_shared_uid: BTreeSet<NodeName>,
    pub keep_tasks: u32,
    pub strangers: u32,
    pub strangers_per_address: u32,
    pub files: FilesConfig,
    pub results: ResultsConfig,
    pub mail: Option<MailConfig>,
    pub notify: NotifyConfig,
    pub people: BTreeMap<PersonName, Right>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    pub quota: ByteSize,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { quota: ByteSize::gib(10) }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResultsConfig {
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    #[serde(with = "humantime_serde")]
    pub collected: Duration,
    pub limit: Option<ByteSize>,
}

impl Default for ResultsConfig {
    fn default() -> Self {
        Self { keep: 30 * DAY, collected: DAY, limit: None }
    }
}

/// By whom mail is sent; where there is none, none is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    pub server: String,
    port: Option<u16>,
    #[serde(default)]
    pub tls: MailTls,
    pub from: String,
    /// A file of two lines, the user and the password.
    pub credentials: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// It begins in the clear, and nothing is sent before it is encrypted.
    #[default]
    Starttls,
    Tls,
    None,
}

impl MailConfig {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        })
    }

    fn check(&self) -> Result<(), String> {
        if self.server.is_empty() {
            return Err("mail.server is empty; name a mail server, or leave [mail] out".into());
        }
        if let Err(bad) = self.from.parse::<lettre::message::Mailbox>() {
            return Err(format!("mail.from, {:?}, is no mail address: {bad}", self.from));
        }
        if self.tls == MailTls::None && self.credentials.is_some() {
            return Err("mail.credentials would be read by everybody on the way where mail.tls is \"none\"".into());
        }
        self.credentials.as_ref().map_or(Ok(()), |path| whole("mail.credentials", path))
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    /// Root certificates that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    pub plain_http: bool,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Config {
    fn default() -> Self {
        let (state, run) = default_folders();
        Self {
            ssh: "0.0.0.0:2222".into(),
            address: None,
            name: None,
            state,
            run,
            lease: Duration::from_secs(60),
            stop_grace: Duration::from_secs(10),
            output_limit: ByteSize::mib(64),
            token_ttl: Duration::from_secs(3600),
            keepalive: Duration::from_secs(5),
            keepalive_max: 3,
            task_uid_base: 1_900_000_000,
            allow_shared_uid: BTreeSet::new(),
            keep_tasks: 200_000,
            strangers: 64,
            strangers_per_address: 16,
            files: FilesConfig::default(),
            results: ResultsConfig::default(),
            mail: None,
            notify: NotifyConfig::default(),
            people: BTreeMap::new(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration {} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} is wrong: {what}; `bramble config` prints every key with its default", path.display())]
    Wrong { path: PathBuf, what: String },
}

impl Config {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(&text).map_err(|what| ConfigError::Wrong { path: path.into(), what })
    }

    fn parse(text: &str) -> Result<Self, String> {
        // The error of `toml` shows the line and points at the place in it.
        let config: Config = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let within = |key: &str, value: Duration, least: u64, most: u64| {
            let fits = (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&value);
            fits.then_some(()).ok_or_else(|| format!("{key} must be between {least}s and {most}s"))
        };
        for (key, folder) in [("state", &self.state), ("run", &self.run)] {
            whole(key, folder)?;
        }
        self.mail.as_ref().map_or(Ok(()), MailConfig::check)?;
        self.notify.ca.as_ref().map_or(Ok(()), |path| whole("notify.ca", path))?;
        within("lease", self.lease, 5, 86_400)?;
        within("stop_grace", self.stop_grace, 0, 3600)?;
        within("token_ttl", self.token_ttl, 10, 30 * 86_400)?;
        within("keepalive", self.keepalive, 1, 600)?;
        for (key, value) in [("results.keep", self.results.keep), ("results.collected", self.results.collected)] {
            within(key, value, 2 * 3600, 100 * 366 * 86_400)?;
        }
        if self.keepalive_max == 0 {
            return Err("keepalive_max must be at least 1".into());
        }
        if self.output_limit < ByteSize::kib(64) {
            return Err("output_limit must be at least 64KiB".into());
        }
        if self.task_uid_base < 1000 || self.task_uid_base > 4_000_000_000 {
            return Err("task_uid_base must lie between 1000 and 4000000000, clear of the uids of people".into());
        }
        if self.keep_tasks == 0 {
            return Err("keep_tasks must be at least 1, or no job could be looked at once it has ended".into());
        }
        if self.strangers == 0 || self.strangers_per_address == 0 {
            return Err("strangers and strangers_per_address must be at least 1, or no node could log in".into());
        }
        Ok(())
    }

    pub fn cluster(&self) -> ClusterConfig {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let hours = |d: Duration| d.as_secs().div_ceil(3600);
        ClusterConfig {
            lease_ms: ms(self.lease),
            stop_grace_ms: ms(self.stop_grace),
            output_limit: self.output_limit.as_u64(),
            task_uid_base: self.task_uid_base,
            allow_shared_uid: self.allow_shared_uid.clone(),
            keep_tasks: self.keep_tasks,
            files_quota: self.files.quota.as_u64(),
            results_keep_hours: hours(self.results.keep),
            results_collected_hours: hours(self.results.collected),
            results_limit: self.results.limit.map(|limit| limit.as_u64()),
            scripts: scripts::shipped().into(),
            protocols: protocols(),
            ..ClusterConfig::default()
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.run.join(SOCKET)
    }
}

fn whole(key: &str, path: &Path) -> Result<(), String> {
    if path.is_absolute() {
        return Ok(());
    }
    let written = path.display().to_string();
    Err(format!("{key} must be a whole path, one that begins with /, and not {written:?}"))
}

/// Those this build speaks; a build for tests can be made one of another age.
fn protocols() -> RangeInclusive<u32> {
    let ours = OLDEST_PROTOCOL..=PROTOCOL;
    if !cfg!(debug_assertions) {
        return ours;
    }
    let other = std::env::var("BRAMBLE_TEST_PROTOCOLS").ok();
    let other = other.as_deref().and_then(|both| both.split_once('-'));
    other.and_then(|(oldest, newest)| Some(oldest.parse().ok()?..=newest.parse().ok()?)).unwrap_or(ours)
}

/// The door's name inside the run folder.
pub const SOCKET: &str = "manager.sock";

/// State and run folder: the system's for root, the user's own otherwise.
pub fn default_folders() -> (PathBuf, PathBuf) {
    if rustix::process::geteuid().is_root() {
        return ("/var/lib/bramble".into(), "/run/bramble".into());
    }
    let folders = directories::ProjectDirs::from("", "", "bramble");
    let state = folders.as_ref().map(|dirs| dirs.data_dir().to_owned()).unwrap_or_else(|| "bramble-state".into());
    let run = folders.as_ref().and_then(|dirs| dirs.runtime_dir().map(Path::to_owned));
    let run = run.unwrap_or_else(|| state.join("run"));
    (state, run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_default_names_every_key_and_its_default() {
        let bare: String = COMMENTED
            .lines()
            .filter_map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ") || l.starts_with('[')))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
            .map(|line| format!("{line}\n"))
            .collect();
        let written: Config = toml::from_str(&bare).unwrap();
        let default = Config::default();
        assert_eq!(written.lease, default.lease);
        assert_eq!(written.stop_grace, default.stop_grace);
        assert_eq!(written.output_limit, default.output_limit);
        assert_eq!(written.token_ttl, default.token_ttl);
        assert_eq!(written.keepalive, default.keepalive);
        assert_eq!(written.keepalive_max, default.keepalive_max);
        assert_eq!(written.task_uid_base, default.task_uid_base);
        assert_eq!(written.keep_tasks, default.keep_tasks);
        assert_eq!(written.ssh, default.ssh);
        assert_eq!(
            (written.strangers, written.strangers_per_address),
            (default.strangers, default.strangers_per_address)
        );
        assert_eq!(written.files.quota, default.files.quota);
        assert_eq!(
            (written.results.keep, written.results.collected),
            (default.results.keep, default.results.collected)
        );
        assert_eq!(written.results.limit, Some(ByteSize::gib(100)), "an example: by default there is none");
        assert_eq!(written.people.len(), 1);
        let mail = written.mail.unwrap();
        assert_eq!((mail.tls, mail.port(), mail.credentials.is_some()), (MailTls::Starttls, 587, true));
        assert!(default.mail.is_none(), "an example: by default there is none");
        assert_eq!(written.notify.plain_http, default.notify.plain_http);
        let keys: toml::Table = bare.parse().unwrap();
        assert_eq!(keys.len(), 21, "a key is missing in config.toml or new in it: {keys:?}");
        assert_eq!(Config::parse(COMMENTED).unwrap().lease, default.lease);
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong_and_where() {
        for (text, says) in [
            ("leese = \"60s\"", "leese"),
            ("lease = \"sixty\"", "lease"),
            ("lease = \"1s\"", "between 5s"),
            ("[people]\nana = \"king\"", "king"),
            ("output_limit = \"1B\"", "64KiB"),
            ("state = \"bramble\"", "state must be a whole path"),
            ("run = \"./run\"", "run must be a whole path"),
            ("run = \"\"", "run must be a whole path"),
            ("keep_tasks = 0", "keep_tasks must be at least 1"),
            ("ssh = ", "line 1"),
            ("[files]\nquota = \"much\"", "quota"),
            ("[results]\nkeep = \"1h\"", "results.keep must be between 7200s"),
            ("[results]\ncollected = \"soon\"", "collected"),
            ("[results]\nlimit = \"much\"", "limit"),
            ("[mail]\nfrom = \"b@example.org\"", "server"),
            ("[mail]\nserver = \"m\"\nfrom = \"bramble\"", "mail.from"),
            ("[mail]\nserver = \"\"\nfrom = \"b@example.org\"", "mail.server"),
            ("[mail]\nserver = \"m\"\nfrom = \"b@x.org\"\ntls = \"ssl\"", "starttls"),
            ("[mail]\nserver = \"m\"\nfrom = \"b@x.org\"\ntls = \"none\"\ncredentials = \"/x\"", "on the way"),
            ("[mail]\nserver = \"m\"\nfrom = \"b@x.org\"\ncredentials = \"x\"", "whole path"),
            ("[notify]\nca = \"ca.pem\"", "notify.ca must be a whole path"),
            ("[files]\nqouta = \"1 GiB\"", "qouta"),
        ] {
            let why = Config::parse(text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
