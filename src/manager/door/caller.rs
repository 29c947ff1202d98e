//! Who calls: known by the credentials of the socket's other end.

use protocol::api::{Refusal, Right};
use protocol::name::PersonName;
use tokio::net::unix::UCred;

use crate::manager::cluster::Caller;
use crate::manager::config::Config;

/// Root and the manager's own user are admin; others by system name and role from the configuration.
pub fn identify(peer: &UCred, config: &Config) -> Result<Caller, Refusal> {
    let uid = peer.uid();
    let person = name_of(uid);
    if uid == 0 || uid == rustix::process::geteuid().as_raw() {
        return Ok(Caller { person, right: Right::Admin });
    }
    match config.people.get(&person) {
        Some(&right) => Ok(Caller { person, right }),
        None => Err(Refusal::refused(format!(
            "{person} (uid {uid}) is not one of this manager's people; its admin can add a line under [people] in the \
             manager's configuration: {person} = \"operator\""
        ))),
    }
}

/// The system's name for this uid, or one made of the number.
fn name_of(uid: u32) -> PersonName {
    let known = uzers::get_user_by_uid(uid).and_then(|user| user.name().to_str().and_then(|name| name.parse().ok()));
    known.unwrap_or_else(|| format!("uid-{uid}").parse().expect("letters, a dash and digits are a name"))
}
