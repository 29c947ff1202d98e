//! What a script is given by those who run it.

use std::collections::BTreeMap;

use protocol::api::Refusal;
use protocol::script::Param;

use super::shelf::Found;

/// The most bytes all parameters of a run have.
const MOST: usize = 128 * 1024;

/// All parameters of a script, those that were not given too.
pub fn params(found: &Found, given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal> {
    let known = &found.text.about.params;
    if let Some(unknown) = given.keys().find(|name| known.iter().all(|param| param.name != **name)) {
        let names: Vec<&str> = known.iter().map(|param| param.name.as_str()).collect();
        let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Refusal::usage(format!("the script has no parameter {unknown:?}; it has {has}")));
    }
    let all = known.iter().map(|param| Ok((param.name.clone(), value(param, &given)?)));
    let all: BTreeMap<String, String> = all.collect::<Result<_, Refusal>>()?;
    let length: usize = all.values().map(String::len).sum();
    if length > MOST {
        return Err(Refusal::usage(format!(
            "the parameters are {length} bytes long, and may have {} KiB",
            MOST / 1024
        )));
    }
    Ok(all)
}

fn value(param: &Param, given: &BTreeMap<String, String>) -> Result<String, Refusal> {
    let name = &param.name;
    let Some(value) = given.get(name).or(param.default.as_ref()) else {
        let about = if param.about.is_empty() { String::new() } else { format!(" ({})", param.about) };
        return Err(Refusal::usage(format!("the script needs {name}{about}, as in {name}=…")));
    };
    param.check(value).map_err(|why| Refusal::usage(format!("{name}: {why}")))?;
    Ok(value.clone())
}
