//! Whose files they are, and who else sees them.

use std::os::unix::process::CommandExt;
use std::process::Output;

use crate::place::{Place, is_root, told};

const PEOPLE: &str = "[people]\nuid-70001 = \"operator\"\nuid-70002 = \"operator\"\nuid-70003 = \"viewer\"\n";

impl Place {
    fn as_uid(&self, uid: u32, words: &[&str]) -> Output {
        self.command(words).current_dir("/").uid(uid).gid(uid).output().unwrap()
    }
}

#[test]
fn others_see_only_what_is_shared_with_them() {
    if !is_root() {
        test_support::leave_out!("being several people needs root");
    }
    let place = Place::with(PEOPLE);
    let content = place.write("data", 1000);
    place.write("diary", 10);
    for name in ["data", "diary"] {
        let done = place.as_uid(70_001, &["put", place.path(name).to_str().unwrap()]);
        assert!(done.status.success(), "{}", crate::common::said(&done));
    }
    let does = |uid, words: &[&str]| {
        let done = place.as_uid(uid, words);
        assert!(done.status.success(), "{uid} {words:?}: {}", crate::common::said(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    let refused = |uid, words: &[&str]| told(&place.as_uid(uid, words));
    assert_eq!(refused(70_003, &["cat", "uid-70001/data"]).0, 5, "nobody else's business");
    let now = does(70_001, &["share", "data", "uid-70003", "uid-70002"]);
    assert_eq!(now, "data: shared with uid-70002, uid-70003\n");
    assert_eq!(place.as_uid(70_003, &["cat", "uid-70001/data"]).stdout, content);
    for (uid, sees, not) in [(70_003, "data", "diary"), (70_002, "data", "diary")] {
        let listed = does(uid, &["ls"]);
        assert!(listed.contains(sees) && !listed.contains(not), "{listed}");
    }
    let (code, why) = refused(70_002, &["rm", "uid-70001/data"]);
    assert!(code == 3 && why.contains("only uid-70001 or an admin may change it"), "{why}");
    let (code, why) = refused(70_003, &["put", "/etc/hostname"]);
    assert!(code == 3 && why.contains("is a viewer here, and only an operator may keep files"), "{why}");
    let (code, _) = refused(70_003, &["share", "uid-70001/data", "uid-70003"]);
    assert_eq!(code, 3);
    does(70_001, &["share", "data", "uid-70003", "--remove"]);
    assert_eq!(refused(70_003, &["cat", "uid-70001/data"]).0, 5);
    // An admin sees and may change all, and it is written down who did.
    assert_eq!(place.names(), ["data", "diary"]);
    place.does(&["rm", "uid-70001/diary"]);
    let events = place.manager().events();
    assert!(events.contains("file uid-70001/\"data\" shared with uid-70002, uid-70003 (by uid-70001)"), "{events}");
    assert!(events.contains("file uid-70001/\"diary\" removed (by root)"), "{events}");
}
