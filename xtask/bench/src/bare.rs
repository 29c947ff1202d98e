//! The same program spawned in a loop with nothing around it: what any other number is compared with.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::process;
use crate::throughput::Speed;

/// As many at once as the worker has slots.
pub const SLOTS: u32 = 2;
pub const PROGRAM: &str = "true";

/// `posix_spawn` and wait, in a loop for each slot: std takes that way when it need not set anything.
pub fn spawn(tasks: u32) -> anyhow::Result<Speed> {
    let one = |program: &str| -> anyhow::Result<()> {
        let ended = Command::new(program).status().context("the bare program cannot be started")?;
        if ended.success() { Ok(()) } else { bail!("the bare program failed: {ended}") }
    };
    // Found once, as the worker does.
    let program = found(PROGRAM)?;
    measured(tasks, || {
        std::thread::scope(|scope| {
            let loops: Vec<_> =
                (0..SLOTS).map(|_| scope.spawn(|| (0..tasks / SLOTS).try_for_each(|_| one(&program)))).collect();
            loops.into_iter().try_for_each(|slot| slot.join().unwrap_or_else(|_| bail!("a spawning thread panicked")))
        })
    })
}

/// With both outputs in pipes, as most schedulers in Rust would do it.
pub fn tokio_with_pipes(tasks: u32) -> anyhow::Result<Speed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(SLOTS as usize).enable_all().build();
    let runtime = runtime.context("no runtime")?;
    let program = found(PROGRAM)?;
    measured(tasks, || {
        runtime.block_on(async {
            let loops: Vec<_> =
                (0..SLOTS).map(|_| tokio::spawn(spawn_with_pipes(program.clone(), tasks / SLOTS))).collect();
            for slot in loops {
                slot.await.context("a spawning task panicked")??;
            }
            Ok(())
        })
    })
}

async fn spawn_with_pipes(program: String, tasks: u32) -> anyhow::Result<()> {
    for _ in 0..tasks {
        let mut command = tokio::process::Command::new(&program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().await.context("the bare program cannot be started")?;
        if !output.status.success() {
            bail!("the bare program failed: {}", output.status);
        }
    }
    Ok(())
}

/// What `run` takes for so many tasks: our own CPU and that of all the children it waits for.
pub fn measured(tasks: u32, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Speed> {
    let own = std::process::id();
    let (before, began) = (process::cpu(own)?, Instant::now());
    run()?;
    let took = began.elapsed();
    Ok(Speed::of(tasks, took, process::cpu(own)?.saturating_sub(before)))
}

fn found(program: &str) -> anyhow::Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(program));
    let file = files.find(|file| file.is_file()).with_context(|| format!("there is no program {program}"))?;
    Ok(file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_run_as_many_as_they_are_told() {
        for way in [spawn, tokio_with_pipes] {
            let speed = way(20).unwrap();
            assert!(speed.per_second > 1.0, "{speed:?}");
        }
    }
}
