//! `completions` and `man`: made from the verbs themselves.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::context::Context;
use super::exit::{Exit, Failure, Kind};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble completions bash > ~/.local/share/bash-completion/completions/bramble
  bramble completions fish > ~/.config/fish/completions/bramble.fish")]
pub struct CompletionsArgs {
    /// For this shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Write man pages
#[derive(Debug, Args)]
pub struct ManArgs {
    /// A page a verb into this folder, instead of the first page to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs, mut verbs: Command, context: &Context) -> Result<Exit, Failure> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut verbs, "bramble", &mut script);
    context.print(String::from_utf8_lossy(&script))?;
    Ok(Exit::OK)
}

pub fn man(args: &ManArgs, verbs: Command, context: &Context) -> Result<Exit, Failure> {
    match &args.out {
        None => {
            let mut page = vec![];
            clap_mangen::Man::new(verbs).render(&mut page).map_err(|error| Failure::output(&error))?;
            context.print(String::from_utf8_lossy(&page))?;
        }
        Some(folder) => {
            let cannot = |error| {
                Failure::new(
                    Kind::Fault,
                    format_args!("the man pages cannot be written to {}: {error}", folder.display()),
                )
            };
            std::fs::create_dir_all(folder).map_err(cannot)?;
            clap_mangen::generate_to(verbs, folder).map_err(cannot)?;
        }
    }
    Ok(Exit::OK)
}
