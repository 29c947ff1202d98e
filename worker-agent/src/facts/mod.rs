//! Facts and metrics (written in their own branch).

pub mod check;

pub fn print(_json: bool, _sysfs_root: Option<&std::path::Path>) -> anyhow::Result<()> {
    anyhow::bail!("facts are not built in")
}
