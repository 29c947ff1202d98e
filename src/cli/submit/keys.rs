//! The one table of the keys of a submission file; those of the tables in it are beside what they become. The reader, the JSON Schema and the test of `docs/submit.md` go by it.

use protocol::job::MOST_CPUS;

use super::draft::Draft;
use super::shape::{Key, Shape, key};

const fn classic(name: &'static str, shape: Shape<Draft>, means: &'static str) -> Key<Draft> {
    Key { name, shape, means, classic: true }
}

pub const EXECUTABLE: &str = "executable";

pub const STEP: &str = "step";
pub const SPLIT: &str = "split";

pub const KEYS: &[Key<Draft>] = &[
    classic(
        EXECUTABLE,
        Shape::Text(Draft::executable),
        "The program: a file beside this one, or else the name of a program that the node has",
    ),
    key("args", Shape::Texts(Draft::args), "Its arguments, each as it is; no shell looks at them"),
    classic(
        "data",
        Shape::OneOrMore(Draft::data),
        "Files and folders of this machine that each task finds in its folder",
    ),
    key("files", Shape::Files(Draft::files), "The same of what is kept on the manager already"),
    key("env", Shape::Variables(Draft::env), "Variables of the environment"),
    key(
        "secrets",
        Shape::Secrets(Draft::secrets),
        "Secrets that you have set: a name, or a table that says as which variable or file",
    ),
    key("cpus", Shape::Number(MOST_CPUS, Draft::cpus), "CPUs that each task needs; 1 where nothing is said"),
    key("node", Shape::Text(Draft::node), "On this node, instead of any that fits"),
    key("name", Shape::Text(Draft::name), "What to call the job"),
    key(
        "notify",
        Shape::OneOrMore(Draft::notify),
        "Who is told when the job has ended: mail:ADDRESS, or a URL that is sent JSON",
    ),
    key("array", Shape::Indices(Draft::array), "How many tasks, or their first and last BRAMBLE_INDEX as in \"5-9\""),
    key(
        STEP,
        Shape::Steps(Draft::steps),
        "Programs that run one after the other in one folder, instead of one executable",
    ),
    key(
        "sweep",
        Shape::Sweep(Draft::sweep),
        "A task for each combination of these values; {rate} in args or env stands for its",
    ),
    key(SPLIT, Shape::Split(Draft::split), "A file cut into parts, a task for each, and one for what came of them"),
    classic("client", Shape::Text(Draft::client), "An older word for name"),
    classic("email", Shape::Text(Draft::email), "An older word for notify, with an address alone"),
];

/// Keys that will mean something, and what to do until then.
pub const LATER: &[(&str, &str)] = &[
    ("mem", "leave it out, and choose a node that has enough with node"),
    ("gpus", "leave it out, and choose a node that has one with node"),
    ("labels", "leave it out, and choose the node with node"),
    ("retries", "leave it out, and try a failed task again with: bramble retry TASK"),
    ("after", "leave it out, and submit the second when the first has ended: bramble wait JOB && bramble submit FILE"),
    ("time_limit", "leave it out, and run the program under timeout: executable = \"timeout\", args = [\"10m\", …]"),
    (
        "output",
        "leave it out, and write what is to be kept into the folder out; it comes home with: bramble result get JOB",
    ),
];
