//! The command behind `cargo xtask screenshots`, and a way to look at any screen.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};
use screens::palette::{DARK, LIGHT, Palette};
use screens::scene::write;
use screens::scenes::scenes;
use screens::{capture, picture, png};

#[derive(Parser)]
#[command(about = "Terminal screens as pictures, the same bytes on every machine")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make every picture this project keeps, as SVG and as PNG
    All {
        /// The folder they go to
        #[arg(long, value_name = "DIR", default_value = "screenshots")]
        out: PathBuf,
        /// Write nothing; fail where a picture is not what it would be made today
        #[arg(long)]
        check: bool,
    },
    /// Make a picture of what `tmux capture-pane -e -p` printed
    Render {
        /// What was captured; - reads it from stdin
        file: PathBuf,
        /// The width of the screen
        #[arg(long, value_name = "N", default_value = "80")]
        cols: NonZeroU16,
        /// The height of the screen
        #[arg(long, value_name = "N", default_value = "24")]
        rows: NonZeroU16,
        /// Where the picture goes: X.png or X.svg
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// What stands in the title bar
        #[arg(long, default_value = "")]
        title: String,
        /// Light or dark
        #[arg(long, value_enum, default_value = "dark")]
        palette: Theme,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Theme {
    Dark,
    Light,
}

impl Theme {
    fn palette(self) -> &'static Palette {
        match self {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }
}

fn main() -> anyhow::Result<()> {
    match Args::parse().chore {
        Chore::All { out, check: false } => scenes().iter().try_for_each(|scene| scene.write(&out)),
        Chore::All { out, check: true } => check(&out),
        Chore::Render { file, cols, rows, out, title, palette } => {
            let text = read(&file)?;
            let buffer = capture::captured(&text, cols, rows);
            let svg = picture::svg(&buffer, &title, palette.palette());
            match out.extension().and_then(|end| end.to_str()) {
                Some("png") => write(&out, &png::png(&svg, png::SCALE)?),
                Some("svg") => write(&out, svg.as_bytes()),
                _ => bail!("{} is neither .png nor .svg: name the picture after what it shall be", out.display()),
            }
        }
    }
}

fn check(folder: &Path) -> anyhow::Result<()> {
    let mut old = vec![];
    for scene in scenes() {
        old.extend(scene.out_of_date(folder)?);
    }
    if !old.is_empty() {
        bail!("out of date: {}; make them anew with `cargo xtask screenshots`", old.join(", "));
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = if file == Path::new("-") {
        let mut all = vec![];
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut all).map(|_| all)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
