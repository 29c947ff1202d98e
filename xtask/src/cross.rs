//! Building for another kind of machine: what it needs, and what cargo has to be told.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian;
use crate::run::{cargo, output, run};

/// A kind of machine we build for, as Rust calls it, and Debian's cross compiler for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    pub triple: &'static str,
    pub gcc: &'static str,
    packages: &'static [&'static str],
    /// The C library to link with; it comes in a package of its own.
    libc: &'static str,
}

pub const AARCH64: Target = Target {
    triple: "aarch64-unknown-linux-gnu",
    gcc: "aarch64-linux-gnu-gcc",
    packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    libc: "/usr/aarch64-linux-gnu/lib/libc.so",
};

const TARGETS: &[&Target] = &[&AARCH64];

/// The one of this name; `None` of the inner kind is this machine itself.
pub fn named(triple: &str) -> Result<Option<&'static Target>, String> {
    if host().is_some_and(|host| host == triple) {
        return Ok(None);
    }
    let known = || TARGETS.iter().map(|target| target.triple).collect::<Vec<_>>().join(", ");
    let found = TARGETS.iter().find(|target| target.triple == triple);
    found
        .map(|target| Some(*target))
        .ok_or_else(|| format!("nobody has said how to build for {triple}; known: {}", known()))
}

/// This machine, as Rust calls it.
pub fn host() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(rustc);
    rustc.arg("-vV");
    output(rustc)?.lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
}

impl Target {
    /// Installs what is missing where it may; says in a sentence what to do where it may not.
    pub fn provide(&self) -> Result<(), String> {
        let is_here = || debian::is_there(self.gcc) && Path::new(self.libc).exists();
        if !(is_here() || debian::install(self.packages) && is_here()) {
            let (gcc, packages) = (self.gcc, self.packages.join(" "));
            return Err(format!("there is no {gcc} with its C library; to get them: apt-get install {packages}"));
        }
        if !self.has_std() && !self.add_std() {
            let triple = self.triple;
            return Err(format!("Rust cannot build for {triple} yet; to teach it: rustup target add {triple}"));
        }
        Ok(())
    }

    /// Whether Rust's own library is there for it.
    fn has_std(&self) -> bool {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut rustc = Command::new(rustc);
        rustc.args(["--print", "target-libdir", "--target", self.triple]);
        output(rustc).is_some_and(|folder| Path::new(folder.trim()).is_dir())
    }

    fn add_std(&self) -> bool {
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", self.triple]);
        debian::is_there("rustup") && run(rustup) && self.has_std()
    }

    /// `cargo build` for it: who links, and who compiles C.
    pub fn cargo_build(&self) -> Command {
        let mut build = cargo(["build", "--target", self.triple]);
        let shouted = self.triple.to_uppercase().replace('-', "_");
        build.env(format!("CARGO_TARGET_{shouted}_LINKER"), self.gcc);
        build.env(format!("CC_{}", self.triple.replace('-', "_")), self.gcc);
        build
    }

    /// Where cargo puts what it builds for it; `profile` as its folder is called: `debug`, `dist`.
    pub fn folder(&self, profile: &str) -> Option<PathBuf> {
        Some(crate::run::target()?.join(self.triple).join(profile))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_needs_no_cross_compiler_and_an_unknown_one_is_refused_with_a_list() {
        assert_eq!(named(&host().unwrap()), Ok(None));
        let why = named("pdp11-unknown-bsd").unwrap_err();
        assert!(why.contains("pdp11") && why.contains(AARCH64.triple), "{why}");
    }

    #[test]
    fn cargo_is_told_who_links_and_who_compiles() {
        let build = AARCH64.cargo_build();
        let told = |key: &str| build.get_envs().any(|(k, v)| k == key && v.is_some_and(|v| v == AARCH64.gcc));
        assert!(told("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"));
        assert!(told("CC_aarch64_unknown_linux_gnu"));
    }
}
