//! What a submission file comes to, with a look at the files it names: the job, and what is to be kept for it first.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use protocol::file::FileRef;
use protocol::job::{Array, Axis, JobFile, JobSpec};
use protocol::name::{BadName, FileName};
use protocol::notify::{BadNotify, Notify};
use protocol::result::{INPUTS, OUT, Reduce};

use super::bring::{Bring, Part, Upload};
use super::draft::{Draft, KeptFile};
use super::script::{self, quoted};
use super::shape::{At, Wrong};
use super::split::cut::cut;
use super::split::{INPUT, OUTPUT, Split};
use super::start::Start;
use super::step::Step;

/// What a map and a reduce call what they write.
const PART: &str = "part";
const RESULT: &str = "result";
/// As long as a name can be, but for the mark of a submission.
const LONGEST: usize = 255 - 9;

#[derive(Debug)]
pub struct Plan {
    /// Its first files are the uploads, in their order.
    pub spec: JobSpec,
    /// What runs in it, as it was meant.
    pub runs: Vec<Run>,
    pub uploads: Vec<Upload>,
    /// The file that is split, and how large its parts are.
    pub split: Option<(String, Vec<u64>)>,
}

/// A command, and how its program is started.
#[derive(Debug)]
pub struct Run {
    /// `command`, `step 1`, `map` or `reduce`.
    pub what: String,
    pub words: Vec<String>,
    pub start: Start,
}

impl Run {
    /// What a node must have for it.
    pub fn needs(&self) -> Option<&'static str> {
        self.start.needs(self.words.first()?)
    }
}

/// What a job runs.
struct Work {
    command: Vec<String>,
    runs: Vec<Run>,
    array: Option<Array>,
    reduce: Option<Reduce>,
    split: Option<(String, Vec<u64>)>,
    /// Where mistakes about the whole are told.
    at: Range<usize>,
}

impl Plan {
    /// Names of the parts of a file that is split.
    pub fn parts(&self) -> Vec<FileName> {
        self.uploads.iter().filter(|upload| upload.part.is_some()).map(|upload| upload.name.clone()).collect()
    }

    /// Parts go again when the job has them. As long as two submissions of the same file call theirs alike, the first takes
    /// away what the second has put: so each calls them by a mark of its own.
    pub fn call_parts_otherwise(&mut self) -> Result<(), String> {
        let mark = getrandom::u32().map_err(|error| format!("the system has no randomness to give: {error}"))?;
        for (upload, given) in self.uploads.iter_mut().zip(&mut self.spec.files).filter(|(of, _)| of.part.is_some()) {
            upload.name = format!("{}.{mark:08x}", upload.name).parse().map_err(|bad: BadName| bad.to_string())?;
            given.file.name = upload.name.clone();
        }
        Ok(())
    }

    /// `beside`: the folder that paths begin in; `called`: the submission file, in the names of what is kept for the job.
    pub fn of(draft: Draft, beside: &Path, called: &str) -> Result<Self, Wrong> {
        let mut bring = Bring::beside(beside);
        let work = match (&draft.split, &draft.steps[..]) {
            (Some(split), _) => {
                let stem = draft.name.as_ref().map_or(called, |name| name.value.as_str());
                split_work(split, stem, &draft, &mut bring)?
            }
            (None, []) => single_work(&draft, &mut bring)?,
            (None, steps) => step_work(steps, &draft, &mut bring)?,
        };
        let mut files: Vec<JobFile> = bring.uploads.iter().map(given).collect();
        for kept in draft.files {
            files.push(kept_already(kept, &mut bring)?);
        }
        let sweep =
            draft.sweep.iter().map(|axis| Axis { name: axis.value.name.clone(), values: axis.value.values.clone() });
        let interpreters = work.runs.iter().filter_map(Run::needs).map(str::to_owned).collect();
        let spec = JobSpec {
            name: draft.name.map(|name| name.value),
            command: work.command,
            env: draft.env.into_iter().map(|(name, value)| (name.value, value.value)).collect(),
            cpus: draft.cpus.unwrap_or(1),
            node: draft.node,
            array: work.array.or(draft.array.map(|array| array.value)),
            sweep: sweep.collect(),
            files,
            reduce: work.reduce,
            interpreters,
            secrets: draft.secrets.into_iter().map(|secret| secret.value).collect(),
            notify: told(&draft.notify)?,
        };
        for axis in &draft.sweep {
            let name = &axis.value.name;
            let is_used = |text: &String| has_name(text, name);
            if !spec.command.iter().chain(spec.env.values()).any(is_used) {
                return Err(axis.wrong(format!(
                    "{name} is swept over and used nowhere; write {{{name}}} in args or env, or leave it out"
                )));
            }
        }
        let at = draft.sweep.first().map_or(work.at, |axis| axis.span.clone());
        spec.check().map_err(|bad| Wrong { span: at, sentence: bad.to_string() })?;
        Ok(Self { spec, runs: work.runs, uploads: bring.uploads, split: work.split })
    }
}

fn told(places: &[At<String>]) -> Result<Vec<Notify>, Wrong> {
    let mut spec = JobSpec::of(["true"]);
    for place in places {
        spec.notify.push(place.value.parse().map_err(|bad: BadNotify| place.wrong(bad.to_string()))?);
        spec.check().map_err(|bad| place.wrong(bad.to_string()))?;
    }
    Ok(spec.notify)
}

fn has_name(text: &str, name: &str) -> bool {
    text.contains(&format!("{{{name}}}"))
}

fn given(upload: &Upload) -> JobFile {
    let file = JobFile::of(own(&upload.name));
    match &upload.part {
        None => file,
        Some(Part { index, called }) => JobFile { called: Some(called.clone()), only: Some(*index), ..file },
    }
}

fn kept_already(kept: At<KeptFile>, bring: &mut Bring<'_>) -> Result<JobFile, Wrong> {
    let KeptFile { file, called, writable } = kept.value;
    let file = JobFile { called, writable, ..JobFile::of(file) };
    let at = At::new((), kept.span);
    if bring.uploads.iter().any(|upload| own(&upload.name) == file.file) {
        let name = &file.file.name;
        return Err(at.wrong(format!(
            "{name:?} is kept anew from this machine first, and this would be the new one; leave one out, or keep \
             the older under another name first: bramble file mv {name:?} NAME"
        )));
    }
    bring.once(file.name(), &at)?;
    Ok(file)
}

fn own(name: &FileName) -> FileRef {
    FileRef { owner: None, name: name.clone() }
}

fn single_work(draft: &Draft, bring: &mut Bring<'_>) -> Result<Work, Wrong> {
    let executable = draft.executable.clone().unwrap_or_else(|| At::new(String::new(), 0..0));
    let (start, mut command) = bring.program(&executable)?;
    bring_data(draft, bring)?;
    command.extend(draft.args.iter().map(|arg| arg.value.clone()));
    let run = Run { what: "command".into(), words: command.clone(), start };
    Ok(Work { command, runs: vec![run], array: None, reduce: None, split: None, at: executable.span })
}

fn bring_data(draft: &Draft, bring: &mut Bring<'_>) -> Result<(), Wrong> {
    draft.data.iter().try_for_each(|data| bring.data(data))
}

fn step_work(steps: &[At<Step>], draft: &Draft, bring: &mut Bring<'_>) -> Result<Work, Wrong> {
    let mut firsts = vec![];
    for step in steps {
        let executable = step.value.executable.clone().unwrap_or_else(|| At::new(String::new(), step.span.clone()));
        firsts.push(bring.program(&executable)?);
    }
    let programs = bring.uploads.len();
    bring_data(draft, bring)?;
    let input = match (bring.uploads.get(programs), draft.files.first()) {
        (Some(upload), _) => Some(in_folder(&upload.name)),
        (None, Some(kept)) => Some(in_folder(kept.value.called.as_ref().unwrap_or(&kept.value.file.name))),
        (None, None) => None,
    };
    let (mut parts, mut runs) = (vec![], vec![]);
    for ((number, step), (start, mut words)) in (1..).zip(steps).zip(firsts) {
        for arg in &step.value.args {
            words.push(match &input {
                Some(input) => arg.value.replace(INPUT, input),
                None if arg.value.contains(INPUT) => {
                    return Err(arg.wrong(format!(
                        "{INPUT} is the first of data or files, and there is none; name one, as in: data = \"a.csv\""
                    )));
                }
                None => arg.value.clone(),
            });
        }
        let name = step.value.name.as_ref().map(ToString::to_string);
        let what = format!("step {number}");
        runs.push(Run { what, words: words.clone(), start });
        parts.push(script::Part { words, name });
    }
    let is_tried = |word: &str| draft.sweep.iter().any(|axis| has_name(word, &axis.value.name));
    let at = steps.first().map_or(0..0, |step| step.span.clone());
    let command = script::command(&parts, is_tried).ok_or_else(|| Wrong {
        span: at.clone(),
        sentence: "these steps are longer than one command can be; put them into a script, and name that as executable"
            .into(),
    })?;
    Ok(Work { command, runs, array: None, reduce: None, split: None, at })
}

/// Its name, so that it is one and no option.
fn in_folder(name: &FileName) -> String {
    if name.as_str().starts_with('-') { format!("./{name}") } else { name.to_string() }
}

fn split_work(split: &At<Split>, stem: &str, draft: &Draft, bring: &mut Bring<'_>) -> Result<Work, Wrong> {
    let missing = || split.wrong("this split lacks something; it has file, by, chunks and map");
    let Split { file: Some(file), by: Some(by), chunks: Some(chunks), map: Some(map), reduce } = &split.value else {
        return Err(missing());
    };
    let map_first = first_of(&map.value, bring)?;
    let reduce_first = reduce.as_ref().map(|reduce| first_of(&reduce.value, bring)).transpose()?;
    bring_data(draft, bring)?;
    let (path, name, source) = bring.whole(file)?;
    for words in [Some(map), reduce.as_ref()].into_iter().flatten() {
        if let [_, script, ..] = &words.value[..] {
            bring.script(script)?;
        }
    }
    let unreadable = |error: std::io::Error| {
        file.wrong(format!("{} cannot be read: {error}; see to it that you may, or name another", file.value))
    };
    let size = source.size().unwrap_or_default();
    let mut opened = File::open(path).map_err(unreadable)?;
    let ranges = cut(&mut opened, size, &by.value, chunks.value).map_err(unreadable)?;
    let Some(last) = u32::try_from(ranges.len()).unwrap_or(u32::MAX).checked_sub(1) else {
        return Err(file.wrong(format!("{} is empty, and there is nothing to split; name another file", file.value)));
    };
    let sizes = ranges.iter().map(|range| range.end - range.start).collect();
    let mark = source.tag().unwrap_or_default();
    for (index, range) in (0..).zip(ranges) {
        let source = source.part(range).ok_or_else(missing)?;
        let kept = part_name(stem, &name, &mark, index).ok_or_else(missing)?;
        let part = Some(Part { index, called: name.clone() });
        bring.uploads.push(Upload { name: kept, written: file.value.clone(), source, part });
    }
    let mut runs = vec![];
    let command = map_command(map, map_first, &name, &mut runs);
    let reduce = reduce
        .as_ref()
        .zip(reduce_first)
        .map(|(reduce, first)| reduce_command(reduce, first, &mut runs))
        .transpose()?;
    let array = Some(Array { first: 0, last });
    Ok(Work { command, runs, array, reduce, split: Some((file.value.clone(), sizes)), at: split.span.clone() })
}

/// How the first word of a command is started, and what stands in its place.
fn first_of(words: &[At<String>], bring: &mut Bring<'_>) -> Result<(Start, Vec<String>), Wrong> {
    let nothing = At::new(String::new(), 0..0);
    bring.program(words.first().unwrap_or(&nothing))
}

/// Where the words say nothing of the input or the output, these are stdin and stdout.
fn map_command(
    map: &At<Vec<At<String>>>,
    (start, mut words): (Start, Vec<String>),
    name: &FileName,
    runs: &mut Vec<Run>,
) -> Vec<String> {
    let input = in_folder(name);
    let output = format!("{OUT}/{PART}");
    let rest = map.value.iter().skip(1);
    words.extend(rest.map(|word| word.value.replace(INPUT, &input).replace(OUTPUT, &output)));
    runs.push(Run { what: "map".into(), words: words.clone(), start });
    let says = |what: &str| map.value.iter().skip(1).any(|word| word.value.contains(what));
    let mut script = "exec \"$0\" \"$@\"".to_owned();
    if !says(INPUT) {
        script += &format!(" < {}", quoted(&input));
    }
    if !says(OUTPUT) {
        script += &format!(" > {output}");
    }
    if says(INPUT) && says(OUTPUT) {
        return words;
    }
    ["sh".to_owned(), "-c".to_owned(), script].into_iter().chain(words).collect()
}

fn reduce_command(
    reduce: &At<Vec<At<String>>>,
    (start, mut words): (Start, Vec<String>),
    runs: &mut Vec<Run>,
) -> Result<Reduce, Wrong> {
    let output = format!("{OUT}/{RESULT}");
    let rest = reduce.value.iter().skip(1);
    words.extend(rest.clone().map(|word| word.value.replace(OUTPUT, &output)));
    if let Some(within) = rest.clone().find(|word| word.value.contains(INPUTS) && word.value != INPUTS) {
        return Err(within.wrong(format!("{INPUTS} is many words and stands alone; write it as a word of its own")));
    }
    if !rest.clone().any(|word| word.value == INPUTS) {
        return Err(reduce.wrong(format!("reduce has no word {INPUTS}, which becomes the paths of all parts; add it")));
    }
    runs.push(Run { what: "reduce".into(), words: words.clone(), start });
    let part = PART.parse().map_err(|bad| reduce.wrong(format!("{bad}")))?;
    Ok(Reduce { command: words, part })
}

/// The same part of the same file has the same name, and another file's another.
fn part_name(stem: &str, name: &FileName, mark: &str, index: u32) -> Option<FileName> {
    let ending = format!(".{}.part-{index}", mark.get(..8).unwrap_or(mark));
    let begins = format!("{stem}.{name}").replace('/', "_");
    let fits = begins.floor_char_boundary(LONGEST.saturating_sub(ending.len()));
    format!("{}{ending}", &begins[..fits]).parse().ok()
}
