//! `submit`: a job from a file. [`read`] makes a [`draft`] of its text by the table of [`keys`], or by the [`classic`] four
//! lines; [`plan`] looks at the files it names; then they are kept on the manager, and the job is submitted as `run`
//! does it.

mod bring;
mod check;
mod classic;
mod decimal;
mod draft;
mod keys;
mod plan;
mod read;
mod schema;
mod script;
mod secret;
mod shape;
mod split;
mod start;
mod step;
mod sweep;
#[cfg(test)]
mod tests;
mod value;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use protocol::job::JobSpec;
use protocol::unit::Bytes;

use self::plan::Plan;
use super::context::Context;
use super::exit::{Exit, Failure, Kind};
use super::file;
use super::interrupt::Interrupts;
use super::run::{self, Order};
use crate::client::Client;
use crate::document::Mistake;
use crate::text::count;

/// Submit a job from a file, with the files it needs
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble submit primes.toml            the job's number; what it needs is kept on the manager first
  bramble submit primes.toml --check    what would run, without asking anybody
  bramble submit primes.toml --wait     its output and its exit code, as with run --wait
  bramble submit primes.toml --wait --collect .   and what it left, a folder for each task
  make-submission | bramble submit -    from stdin
  bramble submit --schema > submission.json

A submission file says what to run and what it needs:
  executable = \"primes.py\"       a file beside it, or a program that the node has
  args = [\"100000\"]
  data = [\"a.csv\", \"set/\"]       files and folders that each task finds in its folder
  files = [\"kept.csv\"]           the same of what is kept on the manager already
  env = { RATE = \"0.1\" }
  cpus = 2
  node = \"pi-3\"
  name = \"primes\"
  notify = \"mail:ana@x.org\"      who is told when it has ended; or a list, or a URL
  array = 10                     ten tasks; or \"5-9\"

In place of executable it may have [[step]]s, which run one after the other in one folder, or a
[split], which cuts a file into parts, runs map on each and reduce over what came of them. A [sweep]
makes a task of each combination of values: rate = [0.1, 0.01] stands where args say {rate}.

What a task leaves in its folder out is its result: bramble result get, or --wait --collect DIR.

Paths begin in the folder of the file. A script is started by its first line; without one, .py
by python3 and .sh by bash. The classic four lines (executable, data, email, client) are read
too, and need no quotes.

Exit codes: 0 submitted, 2 the file is wrong or something it names is missing, 3 refused,
  4 manager not reachable; with --wait those of run --wait")]
pub struct SubmitArgs {
    /// The submission file, or - for stdin
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// Say what would run; keep and submit nothing
    #[arg(long, conflicts_with = "wait")]
    check: bool,
    /// Pass on the output, and wait for the end
    #[arg(long, short)]
    wait: bool,
    /// Afterwards put what each task printed and left into a folder of its own in this one
    #[arg(long, value_name = "DIR", requires = "wait")]
    collect: Option<PathBuf>,
    /// Print the JSON Schema of a submission file, for editors
    #[arg(long, conflicts_with_all = ["file", "check", "wait"])]
    schema: bool,
}

pub async fn submit(args: SubmitArgs, context: &Context) -> Result<Exit, Failure> {
    let Some(path) = args.file.filter(|_| !args.schema) else {
        context.print(format_args!("{:#}\n", schema::schema()))?;
        return Ok(Exit::OK);
    };
    let mut plan = plan_of(&path).map_err(Failure::usage)?;
    if args.check {
        check::tell(&plan, context)?;
        return Ok(Exit::OK);
    }
    let mut interrupts = Interrupts::watch().map_err(|error| Failure::new(Kind::Fault, error))?;
    let kept = tokio::select! {
        kept = keep(&mut plan, context) => kept,
        () = interrupts.next() => {
            give_up(&plan, context).await;
            return Ok(Exit::INTERRUPTED);
        }
    };
    let order = Order { passing: plan.parts(), spec: plan.spec, waits: args.wait, collect: args.collect };
    // From here on the exit code is the program's.
    if args.wait && order.is_single() { kept.map_err(Failure::beside_a_program) } else { kept }?;
    if args.wait {
        return run::carry_out(order, context).await;
    }
    tokio::select! {
        done = run::carry_out(order, context) => done,
        () = interrupts.next() => {
            context.note("left before the manager answered; see whether it took the job with: bramble job");
            Ok(Exit::INTERRUPTED)
        }
    }
}

fn plan_of(path: &Path) -> Result<Plan, Mistake> {
    let (file, bytes, beside) = match path == Path::new("-") {
        true => ("stdin".to_owned(), bytes(io::stdin().lock()), PathBuf::from(".")),
        false => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (path.display().to_string(), File::open(path).and_then(bytes), parent.to_owned())
        }
    };
    let bytes = bytes.map_err(|error| {
        let sentence = format!("this submission file cannot be read: {error}");
        Mistake { file: file.clone(), line: None, sentence }
    })?;
    plan_of_bytes(&file, bytes, &beside)
}

fn plan_of_bytes(file: &str, bytes: Vec<u8>, beside: &Path) -> Result<Plan, Mistake> {
    let document = read::document(file, bytes)?;
    let draft = read::draft(&document)?;
    let stem = Path::new(file).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    Plan::of(draft, beside, &stem).map_err(|wrong| read::mistake(&document, &wrong))
}

/// The job that a submission file asks for, or the one sentence about what is wrong in it. Its paths begin in `beside`,
/// and no manager is asked.
pub fn understand(file: &str, bytes: Vec<u8>, beside: &Path) -> Result<JobSpec, Mistake> {
    plan_of_bytes(file, bytes, beside).map(|plan| plan.spec)
}

/// One byte more than may be tells that there are more.
fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    from.take(read::MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The job is given what is kept here, and not what another puts under the same name in the next moment.
async fn keep(plan: &mut Plan, context: &Context) -> Result<(), Failure> {
    if plan.uploads.is_empty() {
        return Ok(());
    }
    let address = context.address()?;
    plan.call_parts_otherwise().map_err(|error| Failure::new(Kind::Fault, error))?;
    for (upload, given) in plan.uploads.iter().zip(&mut plan.spec.files) {
        let kept = match file::keep(&address, &upload.name, &upload.source, context).await {
            Ok(kept) => kept.file,
            Err(failure) => {
                give_up(plan, context).await;
                return Err(failure);
            }
        };
        given.hash = Some(kept.hash);
        if upload.part.is_none() {
            context.hint(format_args!("{}: kept, {}", kept.name, Bytes(kept.size)));
        }
    }
    if let Some((file, sizes)) = &plan.split {
        context.hint(format_args!("{file}: brought in {}", count(sizes.len() as u64, "part")));
    }
    Ok(())
}

/// There is no job that its parts could be for.
async fn give_up(plan: &Plan, context: &Context) {
    let parts = plan.parts();
    if parts.is_empty() {
        return;
    }
    // Who does not reach the manager has put nothing there, or will be told of it by the list of files.
    if let Ok(address) = context.address()
        && let Ok(client) = Client::connect(&address).await
    {
        run::let_pass(&client, &parts, context).await;
    }
}
