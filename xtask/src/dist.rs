//! `cargo xtask dist`: the programs as they are shipped, small, for this kind of machine or another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::cross::{self, Target};
use crate::run::{cargo, output, run, target, workspace};

pub const PROGRAMS: [&str; 2] = ["bramble", "worker-agent"];

pub fn main(args: &[String]) -> ExitCode {
    match made(args) {
        Ok(folder) => {
            print!("{}", told(&folder).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn made(args: &[String]) -> Result<PathBuf, String> {
    let triple = triple(args)?;
    let built = build(&triple)?;
    let folder = target().ok_or("the folder that cargo builds in cannot be found")?;
    let folder = folder.join("dist-packages").join(format!("bramble-{}-{triple}", version()));
    collect(&built, &folder).map_err(|why| format!("{} cannot be filled: {why}", folder.display()))?;
    Ok(folder)
}

/// `--target TRIPLE`, else this machine.
fn triple(args: &[String]) -> Result<String, String> {
    match args {
        [] => cross::host().ok_or_else(|| "rustc does not say what machine this is".into()),
        [flag, triple] if flag == "--target" => Ok(triple.clone()),
        [one] if one.starts_with("--target=") => Ok(one["--target=".len()..].to_owned()),
        _ => Err(format!(
            "not understood: {}; as in: cargo xtask dist --target {}",
            args.join(" "),
            cross::AARCH64.triple
        )),
    }
}

/// Builds both programs in the profile `dist` and returns the folder they are in.
pub fn build(triple: &str) -> Result<PathBuf, String> {
    let foreign = cross::named(triple)?;
    let mut build = match foreign {
        Some(foreign) => {
            foreign.provide()?;
            foreign.cargo_build()
        }
        None => cargo(["build"]),
    };
    build.args(["--profile", "dist"]).args(PROGRAMS.iter().flat_map(|program| ["--package", *program]));
    if !run(build) {
        return Err(format!("the programs for {triple} could not be built"));
    }
    built_in(foreign).ok_or_else(|| "the folder that cargo builds in cannot be found".into())
}

fn built_in(foreign: Option<&Target>) -> Option<PathBuf> {
    match foreign {
        Some(foreign) => foreign.folder("dist"),
        None => Some(target()?.join("dist")),
    }
}

/// The programs, the licences, and a list of checksums for `sha256sum --check`.
fn collect(built: &Path, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for program in PROGRAMS {
        // Somebody may run the last one: a new file, not new bytes in the old one.
        let to = folder.join(program);
        let _ = fs::remove_file(&to);
        fs::copy(built.join(program), &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
    }
    for text in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(workspace().join(text), folder.join(text))?;
    }
    let mut sums = Command::new("sha256sum");
    sums.args(PROGRAMS.map(|program| folder.join(program)));
    let sums = output(sums).ok_or_else(|| std::io::Error::other("there is no sha256sum"))?;
    fs::write(folder.join("SHA256SUMS"), sums.replace(&format!("{}/", folder.display()), ""))
}

/// What was made: size, checksum, file.
fn told(folder: &Path) -> std::io::Result<String> {
    let sums = fs::read_to_string(folder.join("SHA256SUMS"))?;
    let mut told = format!("{}\n", folder.display());
    for (sum, program) in sums.lines().filter_map(|line| line.split_once("  ")) {
        let size = fs::metadata(folder.join(program))?.len();
        told += &format!("{:>6.2} MB  {sum}  {program}\n", size as f64 / 1e6);
    }
    Ok(told)
}

/// Of the workspace, of which this is a member.
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_this_machine_unless_one_is_named() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(triple(&[]), Ok(cross::host().unwrap()));
        assert_eq!(triple(&words("--target a-b-c")), Ok("a-b-c".into()));
        assert_eq!(triple(&words("--target=a-b-c")), Ok("a-b-c".into()));
        assert!(triple(&words("--tarpit a")).is_err());
        assert!(build("pdp11-unknown-bsd").is_err());
    }

    #[test]
    fn what_is_collected_can_be_checked_by_its_list() {
        let place = std::env::temp_dir().join(format!("bramble-dist-{}", std::process::id()));
        let (built, folder) = (place.join("built"), place.join("out"));
        fs::create_dir_all(&built).unwrap();
        PROGRAMS.iter().for_each(|program| fs::write(built.join(program), program).unwrap());
        collect(&built, &folder).unwrap();
        collect(&built, &folder).unwrap();
        let checked = |folder: &Path| {
            let mut check = Command::new("sha256sum");
            check.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(folder);
            check.output().unwrap().status.success()
        };
        assert!(checked(&folder));
        assert!(told(&folder).unwrap().contains("worker-agent"));
        fs::write(folder.join("bramble"), "another").unwrap();
        assert!(!checked(&folder));
        fs::remove_dir_all(place).unwrap();
    }
}
