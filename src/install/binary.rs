//! The program that is installed: the one that runs now, or a chosen one.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::Stop;
use super::disk::Disk;
use super::plan::{Plan, Step};

/// Where it goes; the units name it.
pub const INSTALLED: &str = "/usr/local/bin/bramble";

pub struct Binary {
    from: PathBuf,
    what: String,
}

impl Binary {
    pub fn chosen(file: Option<&Path>) -> Self {
        match file {
            Some(file) => Self { from: file.into(), what: file.display().to_string() },
            // Through /proc, because the file itself may have been replaced or removed since it was started.
            None => Self { from: "/proc/self/exe".into(), what: "this program".into() },
        }
    }

    pub fn open(&self) -> Result<File, Stop> {
        let opened = File::open(&self.from);
        opened.map_err(|error| Stop::Usage(format!("{} cannot be read: {error}", self.from.display())))
    }

    /// Adds the step that brings it to its place.
    pub fn plan(self, disk: &Disk, plan: &mut Plan) -> Result<(), Stop> {
        let path = PathBuf::from(INSTALLED);
        let new = self.open()?;
        if !new.metadata().is_ok_and(|meta| meta.is_file()) {
            return Err(Stop::Usage(format!("{} is not a program", self.from.display())));
        }
        let same = File::open(disk.at(&path)).is_ok_and(|old| same(old, new)) && disk.mode(&path) == Some(0o755);
        plan.push(match same {
            true => Step::Keep { path, why: "the same program" },
            false => Step::Binary { path, binary: self },
        });
        Ok(())
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

fn same(a: File, b: File) -> bool {
    let size = |file: &File| file.metadata().map(|meta| meta.len()).ok();
    if size(&a) != size(&b) {
        return false;
    }
    let (mut a, mut b) = (BufReader::new(a), BufReader::new(b));
    loop {
        let (Ok(x), Ok(y)) = (a.fill_buf(), b.fill_buf()) else { return false };
        let n = x.len().min(y.len());
        if x[..n] != y[..n] {
            return false;
        }
        if n == 0 {
            return x.len() == y.len();
        }
        a.consume(n);
        b.consume(n);
    }
}
