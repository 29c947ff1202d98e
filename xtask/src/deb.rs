//! `cargo xtask deb`: the Debian package of the program, for this kind of machine or another.
//!
//! What is in it says `[package.metadata.deb]` in Cargo.toml, how it behaves when it comes and goes `packaging/debian/`.
//! The units are those that `bramble install` writes, with the package's own path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::run::{cargo, output, run, target, workspace};
use crate::{cross, dist};

/// Where `bramble install` puts the program, and where a package does.
const BY_HAND: &str = "/usr/local/bin/bramble";
const PACKAGED: &str = "/usr/bin/bramble";
const UNITS: [&str; 2] = ["bramble-manager.service", "bramble-worker.service"];

#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `None`: this machine's own kind.
    pub triple: Option<String>,
    pub profile: String,
    /// The last part of the version, `0.1.0-1`; a higher one replaces a lower.
    pub revision: u32,
}

pub fn main(args: &[String]) -> ExitCode {
    match Wanted::read(args).and_then(|wanted| make(&wanted)) {
        Ok(package) => {
            println!("{}", package.display());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the package, and returns its path.
pub fn make(wanted: &Wanted) -> Result<PathBuf, String> {
    let target = target().ok_or("the folder that cargo builds in cannot be found")?;
    let built = wanted.built(&target)?;
    if !built.join("bramble").is_file() {
        return Err(format!(
            "{} is not there; build it first: {}",
            built.join("bramble").display(),
            wanted.how_to_build()
        ));
    }
    for unit in UNITS {
        let text = fs::read_to_string(workspace().join("src/install").join(unit));
        let written = text.and_then(|text| fs::write(built.join(unit), packaged(&text)));
        written.map_err(|error| format!("{unit} cannot be written beside the program: {error}"))?;
    }
    // Not `debian/`, where it deletes the packages it made before.
    let folder = target.join("deb");
    let package = folder.join(wanted.file_name());
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut deb = Command::new(tool(&target)?);
    deb.args(wanted.words()).arg("--output").arg(&package).stdout(Stdio::null());
    if run(deb) { Ok(package) } else { Err("the package could not be made".into()) }
}

/// cargo-deb, on the PATH or built once into the target folder.
fn tool(target: &Path) -> Result<PathBuf, String> {
    let mut asked = Command::new("cargo-deb");
    asked.arg("--version");
    if output(asked).is_some() {
        return Ok("cargo-deb".into());
    }
    let tools = target.join("tools");
    let tool = tools.join("bin/cargo-deb");
    let mut install = cargo(["install", "--locked", "cargo-deb", "--root"]);
    install.arg(&tools);
    if tool.is_file() || run(install) { Ok(tool) } else { Err("cargo-deb could not be built".into()) }
}

/// The unit as the package has it.
fn packaged(unit: &str) -> String {
    unit.replace(BY_HAND, PACKAGED)
}

impl Wanted {
    pub fn read(args: &[String]) -> Result<Self, String> {
        let mut wanted = Self { triple: None, profile: "dist".into(), revision: 1 };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?.clone();
            match word.as_str() {
                // What is built for this machine's own kind is not kept apart by its name.
                "--target" => wanted.triple = Some(value).filter(|triple| cross::host().as_ref() != Some(triple)),
                "--profile" => wanted.profile = value,
                "--revision" => wanted.revision = value.parse().map_err(|_| format!("{value:?} is no number"))?,
                _ => return Err(format!("{word} is not understood; as in: cargo xtask deb --target TRIPLE")),
            }
        }
        wanted.architecture()?;
        Ok(wanted)
    }

    /// As Debian calls it.
    fn architecture(&self) -> Result<&'static str, String> {
        let machine =
            self.triple.as_deref().map_or(std::env::consts::ARCH, |triple| triple.split('-').next().unwrap_or(triple));
        match machine {
            "x86_64" => Ok("amd64"),
            "aarch64" => Ok("arm64"),
            other => Err(format!("nobody has said what Debian calls {other}; known: x86_64, aarch64")),
        }
    }

    fn file_name(&self) -> String {
        let (version, architecture) = (env!("CARGO_PKG_VERSION"), self.architecture().unwrap_or("unknown"));
        format!("bramble_{version}-{}_{architecture}.deb", self.revision)
    }

    /// The folder with the program: built now as it is shipped, or built before in another profile.
    fn built(&self, target: &Path) -> Result<PathBuf, String> {
        if self.profile == "dist" {
            let host = || cross::host().ok_or("rustc does not say what machine this is");
            return dist::build(&self.triple.clone().map_or_else(host, Ok)?);
        }
        let folder = self.triple.as_ref().map_or(target.to_owned(), |triple| target.join(triple));
        Ok(folder.join(if self.profile == "dev" { "debug" } else { &self.profile }))
    }

    fn how_to_build(&self) -> String {
        let target = self.triple.as_ref().map(|triple| format!(" --target {triple}")).unwrap_or_default();
        format!("cargo build --package bramble --profile {}{target}", self.profile)
    }

    fn words(&self) -> Vec<String> {
        let mut words = format!("deb --package bramble --no-build --no-strip --profile {}", self.profile);
        words += &format!(" --deb-revision {}", self.revision);
        if let Some(triple) = &self.triple {
            words += &format!(" --target {triple}");
        }
        words.split(' ').map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(line: &str) -> Result<Wanted, String> {
        Wanted::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_package_is_named_as_debian_names_it() {
        let name = wanted("--target aarch64-unknown-linux-gnu --revision 3").unwrap().file_name();
        assert!(name.starts_with("bramble_") && name.ends_with("-3_arm64.deb"), "{name}");
        assert!(wanted("--target x86_64-unknown-linux-gnu").unwrap().file_name().ends_with("-1_amd64.deb"));
        assert!(wanted("--target pdp11-unknown-bsd").unwrap_err().contains("pdp11"));
        assert!(wanted("--tarpit x").is_err() && wanted("--target").is_err() && wanted("--revision x").is_err());
    }

    #[test]
    fn what_is_not_built_is_named_with_the_command_that_builds_it() {
        let wanted = wanted("--target aarch64-unknown-linux-gnu --profile no-such-profile").unwrap();
        let why = make(&wanted).unwrap_err();
        assert!(why.contains("aarch64-unknown-linux-gnu/no-such-profile/bramble is not there"), "{why}");
        assert!(why.contains("--profile no-such-profile --target aarch64-unknown-linux-gnu"), "{why}");
    }

    #[test]
    fn the_units_of_the_package_start_its_own_program_and_are_ours_in_all_else() {
        for unit in UNITS {
            let ours = fs::read_to_string(workspace().join("src/install").join(unit)).unwrap();
            let packaged = packaged(&ours);
            assert!(packaged.contains("ExecStart=/usr/bin/bramble ") && !packaged.contains("/usr/local"), "{unit}");
            assert_eq!(packaged.lines().count(), ours.lines().count());
            let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
            assert!(manifest.contains(&format!("target/release/{unit}")), "{unit} is not in the package");
        }
    }

    #[test]
    fn the_scripts_of_the_package_are_sound_shell() {
        for script in ["postinst", "prerm", "postrm"] {
            let path = workspace().join("packaging/debian").join(script);
            let mut sh = Command::new("sh");
            sh.arg("-n").arg(&path);
            assert!(output(sh).is_some(), "{script}");
        }
    }
}
