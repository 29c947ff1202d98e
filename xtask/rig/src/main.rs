//! What `cargo xtask rig test` runs: the product on real Debian machines in QEMU, looked at from outside.
//!
//! - [`guest`] is one machine: it boots, is asked by ssh, and loses its power. How, is `machine.sh`'s business.
//! - [`host`] asks a guest's manager from here, with the verbs of the program itself.
//! - [`ledger`] knows only what people were told, and holds it against what the manager says later; [`load`] fills it.
//! - [`scene`] are the stories told with them.

mod guest;
mod host;
mod ledger;
mod load;
mod place;
mod scene;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;

use place::Place;
use scene::{SCENES, Scene};

/// Tests the product on real Debian machines in QEMU
#[derive(Debug, Parser)]
#[command(name = "cargo xtask rig test")]
pub struct Args {
    /// Only these scenes, in their own order; --list names them
    scenes: Vec<String>,
    /// Name the scenes
    #[arg(long)]
    list: bool,
    /// How often each machine loses its power
    #[arg(long, default_value_t = 20, value_name = "N")]
    cuts: u32,
    /// When it does, and what runs then
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Begins the names of the machines; runs with different ones do not meet
    #[arg(long, default_value = "test", value_name = "NAME")]
    machines: String,
    /// Leave the machines as they are at the end
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        SCENES.iter().for_each(|scene| println!("{:10} {}", scene.name, scene.sentence));
        return ExitCode::SUCCESS;
    }
    match chosen(&args.scenes).and_then(|scenes| run(&args, &scenes)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scene>> {
    for name in names {
        anyhow::ensure!(SCENES.iter().any(|scene| scene.name == name), "there is no scene {name:?}; see --list");
    }
    Ok(SCENES.iter().filter(|scene| names.is_empty() || names.iter().any(|name| name == scene.name)).collect())
}

fn run(args: &Args, scenes: &[&Scene]) -> Result<bool> {
    let place = Place::new(args)?;
    let began = Instant::now();
    let mut failed = vec![];
    for scene in scenes {
        println!("\n{}: {}", scene.name, scene.sentence);
        let began = Instant::now();
        match (scene.run)(&place).with_context(|| scene.name) {
            Ok(()) => println!("passed in {}", seconds(began.elapsed())),
            Err(error) => {
                println!("FAILED in {}: {error:#}", seconds(began.elapsed()));
                failed.push(scene.name);
            }
        }
    }
    if !args.keep {
        place.clear();
    }
    println!("\n{} scenes in {}", scenes.len(), seconds(began.elapsed()));
    if !failed.is_empty() {
        println!("FAILED: {}\nagain: cargo xtask rig test --seed {} {}", failed.join(" "), args.seed, failed.join(" "));
    }
    Ok(failed.is_empty())
}

pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Asks again and again until it is so; else says what was last found instead.
pub fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() > end => {
                return Err(error.context(format!("not within {}: {what}", seconds(patience))));
            }
            // why: another machine gets there in its own time, and must not be kept from it by our asking.
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_are_chosen_by_name_and_run_in_their_own_order() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(&words).map(|scenes| scenes.iter().map(|scene| scene.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), SCENES.len());
        let (first, second) = (SCENES[0].name, SCENES[1].name);
        assert_eq!(names(&[second, first]).unwrap(), [first, second]);
        assert!(names(&["no-such-scene"]).is_err());
    }

    #[test]
    fn what_never_comes_true_is_told_with_what_was_found_instead() {
        let mut looks = 0;
        let found = until("three looks", Duration::from_secs(60), || {
            looks += 1;
            anyhow::ensure!(looks == 3, "only {looks}");
            Ok(looks)
        });
        assert_eq!(found.unwrap(), 3);
        let never: Result<()> = until("the impossible", Duration::ZERO, || anyhow::bail!("as ever"));
        assert!(format!("{:#}", never.unwrap_err()).contains("the impossible: as ever"));
    }
}
