//! Whom this node works for: `manager.json`, written once the manager has let it join.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use link::Fingerprint;
use protocol::name::NodeName;
use serde::{Deserialize, Serialize};

use super::GiveUp;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// `host:port`
    pub address: String,
    /// By which that manager is known, wherever it is.
    pub host_key: Fingerprint,
    /// How the manager calls this node.
    pub name: NodeName,
    /// The output limit it last gave: it holds while the manager is away too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_limit: Option<u64>,
    /// How long it waits for this node before it gives its work up for lost, as it last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
}

impl Home {
    /// `None` where this node has not joined anyone.
    pub fn load(path: &Path) -> Result<Option<Home>, GiveUp> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(GiveUp(format!("cannot read {}: {error}", path.display()))),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            GiveUp(format!(
                "{} is damaged ({error}): remove it and join again with a new token of: bramble join-token",
                path.display()
            ))
        })
    }

    /// Whole or not at all, also through a power cut.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("json.new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let state = path.parent().unwrap_or(Path::new("/"));
        File::open(state)?.sync_all()?;
        // The state folder may have been made a moment ago, with the key that the manager knows from now on. Who may not
        // look at the folder around it cannot make its name last.
        if let Err(error) = File::open(state.parent().unwrap_or(state)).and_then(|around| around.sync_all()) {
            tracing::warn!("a power cut soon may take {} with it: {error}", state.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_remembered_and_a_damaged_one_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manager.json");
        assert_eq!(Home::load(&path).unwrap(), None);
        let home = Home {
            address: "manager:2222".into(),
            host_key: link::Key::generate().fingerprint(),
            name: "pi-1".parse().unwrap(),
            output_limit: Some(5),
            lease_ms: Some(60_000),
        };
        home.save(&path).unwrap();
        home.save(&path).unwrap();
        assert_eq!(Home::load(&path).unwrap(), Some(home));
        fs::write(&path, "{\"address\"").unwrap();
        let why = Home::load(&path).unwrap_err().to_string();
        assert!(why.contains("manager.json is damaged") && why.contains("bramble join-token"), "{why}");
    }
}
