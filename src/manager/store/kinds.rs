//! How the words of the protocol are written in columns.

use protocol::time::UnixMillis;
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

pub fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Unreadable { table: "memory", what: e.to_string() })
}

/// SQLite integers are signed; times and counts beyond that are nobody's.
pub fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub fn time(value: Option<UnixMillis>) -> Option<i64> {
    value.map(|t| int(t.0))
}

/// Reads the columns of one table, naming table and column where one cannot be understood.
pub struct Columns<'a, 'b> {
    pub table: &'static str,
    pub row: &'a Row<'b>,
}

impl Columns<'_, '_> {
    fn broken(&self, column: &str, what: impl std::fmt::Display) -> StoreError {
        StoreError::Unreadable { table: self.table, what: format!("{column}: {what}") }
    }

    pub fn get<T: rusqlite::types::FromSql>(&self, column: &str) -> Result<T, StoreError> {
        self.row.get(column).map_err(|e| self.broken(column, e))
    }

    pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.get::<String>(column)?.parse().map_err(|e| self.broken(column, e))
    }

    pub fn parse_opt<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse().map_err(|e| self.broken(column, e))).transpose()
    }

    pub fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|e| self.broken(column, e))
    }

    pub fn json_opt<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|e| self.broken(column, e))).transpose()
    }

    pub fn time(&self, column: &str) -> Result<UnixMillis, StoreError> {
        self.get::<i64>(column).map(|t| UnixMillis(t.unsigned_abs()))
    }

    pub fn time_opt(&self, column: &str) -> Result<Option<UnixMillis>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(|t| UnixMillis(t.unsigned_abs())))
    }

    pub fn number(&self, column: &str) -> Result<u64, StoreError> {
        self.get::<i64>(column)?.try_into().map_err(|e| self.broken(column, e))
    }
}
