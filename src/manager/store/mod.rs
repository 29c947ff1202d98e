//! The store: SQLite in WAL mode. The state tables are the truth; the `event` table is an outbox written in the
//! same commit. One thread writes ([`writer`]), grouping whatever has arrived into one commit, and lets replies,
//! orders and events out only after it. Readers ([`read`]) look at what is committed.

mod image;
mod kinds;
pub mod lasting;
mod outputs;
mod read;
mod schema;
mod space;
#[cfg(test)]
mod tests;
mod write;
pub mod writer;

use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::cluster::Image;

pub use outputs::{Arriving, Outputs};
pub use read::Reader;
pub use space::Space;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the manager's database {} cannot be opened: {source}; check that the folder exists and may be written", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error(
        "the manager's database {} has schema {found}, made by a newer bramble; this one knows up to {known}: run the newer version, or restore a backup made before the upgrade",
        path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "the manager's database holds something unreadable in {table}: {what}; restore a backup, or move the file away to begin anew"
    )]
    Unreadable { table: &'static str, what: String },
    #[error(
        "the manager's database {} is damaged: {why}; restore a backup, or move it away to begin anew",
        path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error("the manager's database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// Says which file it is, where that is what helps.
    fn of(self, path: &Path) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            StoreError::Sqlite(source) | StoreError::Open { source, .. }
                if matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) =>
            {
                StoreError::Damaged { path: path.into(), why: source.to_string() }
            }
            other => other,
        }
    }

    /// The disk has no room: giving up the reserve may help.
    pub fn is_full(&self) -> bool {
        let full = |code| matches!(code, rusqlite::ErrorCode::DiskFull);
        matches!(self, StoreError::Sqlite(rusqlite::Error::SqliteFailure(e, _)) if full(e.code))
    }
}

/// The file inside the state folder.
pub fn database(state: &Path) -> PathBuf {
    state.join("bramble.db")
}

/// Ours alone, also where the folder around it is open to others; made where there is none. What is there already is
/// not opened: closing a file gives up the locks that SQLite holds on it in this process.
pub fn private(path: &Path) -> std::io::Result<()> {
    match File::options().create_new(true).append(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let open_to_others = std::fs::metadata(path)?.permissions().mode() & 0o077 != 0;
            if open_to_others { std::fs::set_permissions(path, Permissions::from_mode(0o600)) } else { Ok(()) }
        }
        made => made.map(drop),
    }
}

/// Opens for writing, brings an older schema forward and reads all that is kept.
fn load(path: &Path) -> Result<(Connection, Image), StoreError> {
    let loaded = open(path).and_then(|db| Ok((image::load(&db)?, db)));
    loaded.map(|(image, db)| (db, image)).map_err(|error| error.of(path))
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let opening = |source| StoreError::Open { path: path.into(), source };
    // It holds what people's tasks are given and print. SQLite's files beside it take over its mode.
    if let Err(error) = private(path) {
        tracing::warn!("{} may be read by others: {error}", path.display());
    }
    let mut db = Connection::open(path).map_err(opening)?;
    db.busy_timeout(std::time::Duration::from_secs(10)).map_err(opening)?;
    // FULL: in WAL mode each commit is synced; an acknowledged request survives a power cut.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 16777216;",
    )
    .map_err(opening)?;
    db.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut db, path)?;
    Ok(db)
}
