use crate::layout::Layout;

pub fn print(_layout: &Layout, _json: bool) -> anyhow::Result<()> {
    anyhow::bail!("check is not built in")
}
