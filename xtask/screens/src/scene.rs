//! A picture that is kept: how it is written, and whether it is out of date.

use std::path::Path;

use anyhow::Context;
use ratatui::buffer::Buffer;

use crate::palette::Palette;
use crate::{picture, png};

/// One picture: `FILE.svg` and `FILE.png`.
pub struct Scene {
    pub file: String,
    pub title: &'static str,
    pub buffer: Buffer,
    pub palette: Palette,
}

impl Scene {
    /// Makes both files in `folder`.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        for (name, bytes) in self.files()? {
            write(&folder.join(name), &bytes)?;
        }
        Ok(())
    }

    /// The names of those files in `folder` that are missing or show something else.
    pub fn out_of_date(&self, folder: &Path) -> anyhow::Result<Vec<String>> {
        let files = self.files()?.into_iter();
        let old = files.filter(|(name, bytes)| std::fs::read(folder.join(name)).ok().as_ref() != Some(bytes));
        Ok(old.map(|(name, _)| name).collect())
    }

    fn files(&self) -> anyhow::Result<[(String, Vec<u8>); 2]> {
        let svg = picture::svg(&self.buffer, self.title, &self.palette);
        let png = png::png(&svg, png::SCALE).with_context(|| format!("the picture {}", self.file))?;
        Ok([(format!("{}.svg", self.file), svg.into_bytes()), (format!("{}.png", self.file), png)])
    }
}

/// Writes a picture and says so.
pub fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(file, bytes).with_context(|| format!("{} cannot be written", file.display()))?;
    println!("{} ({} kB)", file.display(), bytes.len().div_ceil(1000));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_up_to_date_until_it_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let scene =
            Scene { file: "a".into(), title: "", buffer: Buffer::with_lines(["up"]), palette: crate::palette::DARK };
        assert_eq!(scene.out_of_date(folder.path()).unwrap(), ["a.svg", "a.png"]);
        scene.write(folder.path()).unwrap();
        assert!(scene.out_of_date(folder.path()).unwrap().is_empty());
        std::fs::write(folder.path().join("a.png"), "touched").unwrap();
        assert_eq!(scene.out_of_date(folder.path()).unwrap(), ["a.png"]);
    }
}
