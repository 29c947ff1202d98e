//! Asks a running keeper over its control socket.

use std::path::Path;

use crate::layout::Layout;

pub fn status(_layout: &Layout, _json: bool) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}

pub fn tasks(_layout: &Layout, _json: bool) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}

pub fn upgrade(_layout: &Layout, _path: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
