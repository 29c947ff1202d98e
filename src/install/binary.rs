//! The program that is installed: the one that runs now, or a chosen one.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::plan::{Plan, Step};
use super::{Machine, Stop};

/// Where it goes; the units name it.
pub const INSTALLED: &str = "/usr/local/bin/bramble";
/// Where the Debian package has it; its units name that.
pub const PACKAGED: &str = "/usr/bin/bramble";
const OF_THE_PACKAGE: &str = "of the Debian package";

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
    pub fn plan(self, machine: &Machine, plan: &mut Plan) -> Result<(), Stop> {
        let path = PathBuf::from(INSTALLED);
        if machine.packaged {
            plan.push(Step::Keep { path: PACKAGED.into(), why: OF_THE_PACKAGE });
            if machine.disk.is_there(&path) {
                // It would be found first, and is not upgraded any more.
                plan.push(Step::Remove { path, why: "installed by hand, before the package", old: None });
            }
            return Ok(());
        }
        let new = self.open()?;
        if !new.metadata().is_ok_and(|meta| meta.is_file()) {
            return Err(Stop::Usage(format!("{} is not a program", self.from.display())));
        }
        if !is_elf(&new) {
            return Err(Stop::Usage(format!(
                "{} is not a program that Linux could start (no ELF file); name the bramble to install",
                self.from.display()
            )));
        }
        if machine.live {
            self.must_be_bramble()?;
        }
        let disk = &machine.disk;
        let same = File::open(disk.at(&path)).is_ok_and(|old| same(old, new)) && disk.mode(&path) == Some(0o755);
        plan.push(match same {
            true => Step::Keep { path, why: "the same program" },
            false => Step::Binary { path, binary: self },
        });
        Ok(())
    }
}

impl Binary {
    /// A program of another processor, or another program, would leave this machine without its daemon.
    fn must_be_bramble(&self) -> Result<(), Stop> {
        let said = Command::new(&self.from).arg("--version").stdin(Stdio::null()).output();
        match said {
            Ok(said) if said.status.success() && said.stdout.starts_with(b"bramble ") => Ok(()),
            Ok(_) => Err(Stop::Usage(format!("{} is not bramble: --version says something else", self.from.display()))),
            Err(error) => Err(Stop::Usage(format!("{} cannot run on this machine: {error}", self.from.display()))),
        }
    }
}

fn is_elf(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"\x7fELF"
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
