//! What keys do wherever one is.

use protocol::api::{Reply, Request, Right};
use protocol::id::JobId;

use super::home;
use crate::client::ClientError;
use crate::console::actions;
use crate::console::event::{Effect, Event, Left, Purpose, Told};
use crate::console::sample::{self, press, screen};
use crate::console::state::page::Page;
use crate::console::state::{Now, Overlay, Pane, State};

fn answered(state: &mut State, purpose: &Purpose, answer: Result<Reply, ClientError>) {
    state.update(Event::Answered(purpose.clone(), answer), sample::now());
    state.settle(sample::now());
}

/// The requests among effects, each with what its answer is for; what is asked for by itself is left out.
fn deeds(effects: Vec<Effect>) -> Vec<(Purpose, Request)> {
    let asked = effects.into_iter().filter_map(|effect| match effect {
        Effect::Ask(purpose @ Purpose::Deed(_), request) => Some((purpose, request)),
        _ => None,
    });
    asked.collect()
}

fn lose(state: &mut State) {
    let lost = Told::Lost { why: "it went away".into(), pause: std::time::Duration::from_secs(5) };
    state.update(Event::Told(lost), sample::now());
    state.settle(sample::now());
}

#[test]
fn drain_is_sent_said_and_undone() {
    let mut state = home();
    let asked = deeds(press(&mut state, "jd"));
    let [(purpose, Request::Drain { node, on: true })] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(state.last_command.as_deref(), Some(format!("bramble node drain {node}").as_str()));
    answered(&mut state, purpose, Ok(Reply::Done { tasks: 1 }));
    assert!(screen(&state).contains(&format!("{node} takes no new tasks · u undoes it")), "{}", screen(&state));
    let undone = deeds(press(&mut state, "u"));
    assert!(matches!(&undone[..], [(_, Request::Drain { on: false, .. })]), "{undone:?}");
}

#[test]
fn the_manager_itself_is_not_drained() {
    let mut state = home();
    assert_eq!(deeds(press(&mut state, "ggd")), []);
    assert!(screen(&state).contains("shelf is the manager itself"), "{}", screen(&state));
}

#[test]
fn a_refusal_is_shown_in_the_managers_words() {
    let mut state = home();
    let asked = deeds(press(&mut state, "jd"));
    let refusal = protocol::api::Refusal::refused("jun is an operator here, and only an admin may drain nodes");
    answered(&mut state, &asked[0].0, Err(ClientError::Refused(refusal)));
    assert!(screen(&state).contains("only an admin may drain nodes"));
    assert!(state.undo.is_none(), "what was not done cannot be undone");
}

#[test]
fn what_cannot_be_brought_back_asks_first_and_enter_alone_does_nothing() {
    for keys in ["1jX", "1jR", "1jK", "2x"] {
        let mut state = home();
        assert_eq!(deeds(press(&mut state, keys)), [], "{keys}");
        assert!(matches!(state.overlay, Some(Overlay::Dialog(_))), "{keys}");
        assert_eq!(deeds(press(&mut state, "<Enter>")), [], "{keys}: Cancel has the focus");
        assert!(state.overlay.is_none());
        press(&mut state, keys);
        assert_eq!(deeds(press(&mut state, "<Tab><Enter>")).len(), 1, "{keys}");
        press(&mut state, keys);
        assert_eq!(deeds(press(&mut state, "<Tab><Esc>")), [], "{keys}: Esc is harmless");
        assert!(state.overlay.is_none());
    }
}

#[test]
fn what_has_ended_is_not_asked_about() {
    let mut state = home();
    let ended = |job: &&protocol::api::JobView| job.counts.ended() == job.counts.total();
    let id = state.picture.jobs.iter().find(ended).unwrap().id.0;
    press(&mut state, &format!(":stop<Space>{id}<Enter>"));
    assert!(state.overlay.is_none());
    assert!(screen(&state).contains(&format!("{id} has ended: there is nothing to stop")), "{}", screen(&state));
}

#[test]
fn the_theme_that_is_taken_is_named() {
    let mut state = home();
    let theme = crate::console::theme::Theme { name: "light".into(), ..(*state.theme).clone() };
    state.update(Event::Theme(Ok(std::sync::Arc::new(theme))), sample::now());
    assert!(screen(&state).contains("theme: light"), "{}", screen(&state));
}

#[test]
fn marked_ones_are_acted_on_together_and_named() {
    let mut state = home();
    press(&mut state, "j  ");
    assert_eq!(state.nodes.marks.len(), 2);
    press(&mut state, "X");
    let shown = screen(&state);
    let marks: Vec<String> = state.nodes.marks.iter().map(ToString::to_string).collect();
    assert!(shown.contains(&format!("Remove {} and {}?", marks[0], marks[1])), "{shown}");
    assert_eq!(deeds(press(&mut state, "<Right><Enter>")).len(), 2);
    assert!(state.nodes.marks.is_empty());
}

#[test]
fn the_palette_takes_an_action_with_its_argument() {
    let mut state = home();
    press(&mut state, ":drain<Space>pi-4");
    assert!(screen(&state).contains("drain pi-4"), "{}", screen(&state));
    let asked = deeds(press(&mut state, "<Enter>"));
    assert!(matches!(&asked[..], [(_, Request::Drain { node, .. })] if node.as_str() == "pi-4"), "{asked:?}");
    // A few letters of it are enough.
    press(&mut state, ":evts<Enter>");
    assert_eq!(state.focus, Pane::Events);
    press(&mut state, ":no such thing at all<Enter>");
    assert!(screen(&state).contains("there is no action"), "{}", screen(&state));
}

#[test]
fn a_command_is_run_from_the_palette_and_its_job_is_gone_to() {
    let mut state = home();
    let asked = deeds(press(&mut state, ":run<Space>uname<Space>-a<Enter>"));
    let [(purpose, Request::Submit(spec))] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(spec.command, ["uname", "-a"]);
    answered(&mut state, purpose, Ok(Reply::Submitted { job: JobId(10), tasks: 1 }));
    assert!(screen(&state).contains("job 10 submitted"));
}

#[test]
fn a_typed_command_keeps_its_quotes_and_one_left_open_can_be_mended() {
    let mut state = home();
    press(&mut state, "!");
    assert!(screen(&state).contains("a command, as in: ./sweep.sh 4"), "{}", screen(&state));
    assert_eq!(deeds(press(&mut state, "sh<Space>-c<Space>'date;<Space>hostname<Enter>")), []);
    assert!(screen(&state).contains("a quote is not closed"), "{}", screen(&state));
    let asked = deeds(press(&mut state, "'<Enter>"));
    let [(_, Request::Submit(spec))] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(spec.command, ["sh", "-c", "date; hostname"]);
    assert_eq!(state.last_command.as_deref(), Some("bramble run -- sh -c 'date; hostname'"));
}

#[test]
fn the_command_shown_says_which_manager_where_it_is_not_the_one_of_this_machine() {
    let mut state = home();
    press(&mut state, "jd");
    let address = "unix:///tmp/a b/manager.sock".parse().unwrap();
    state.update(Event::Told(Told::Named(Some(address))), sample::now());
    let shown = press(&mut state, "=");
    let command = "bramble --manager 'unix:///tmp/a b/manager.sock' node drain pi-2";
    assert_eq!(shown, [Effect::Copy(command.into())]);
}

#[test]
fn the_footer_offers_only_what_the_page_and_the_node_under_the_cursor_can() {
    let footer = |state: &State| screen(state).lines().last().unwrap_or_default().to_owned();
    let mut state = home();
    assert!(!footer(&state).contains("drain"), "the manager: {}", footer(&state));
    press(&mut state, "j");
    assert!(footer(&state).contains("d drain"), "{}", footer(&state));
    state.picture.nodes.iter_mut().for_each(|node| node.draining = true);
    assert!(footer(&state).contains("D undrain"), "{}", footer(&state));
    press(&mut state, "<Enter>");
    assert!(!footer(&state).contains("filter"), "{}", footer(&state));
}

#[test]
fn help_is_paged_through_and_says_how_much_is_out_of_sight() {
    let mut state = home();
    press(&mut state, "?");
    assert!(screen(&state).contains(" ↓ "), "{}", screen(&state));
    press(&mut state, "<PageDown><PageDown>");
    assert!(screen(&state).contains(" ↑ "), "{}", screen(&state));
    press(&mut state, "<PageUp><PageUp><PageUp>");
    assert!(!screen(&state).contains(" ↑ "), "{}", screen(&state));
}

#[test]
fn help_is_searched_by_word_and_by_key_and_runs_what_it_shows() {
    let mut state = home();
    press(&mut state, "?zoom");
    assert!(screen(&state).contains("Give this pane the whole screen"), "{}", screen(&state));
    press(&mut state, "<Enter>");
    assert!(state.zoomed && state.overlay.is_none());
    press(&mut state, "?T");
    let shown = screen(&state);
    assert!(shown.contains("theme") && !shown.contains("zoom  "), "{shown}");
    press(&mut state, "<Esc>?qqqq");
    assert!(screen(&state).contains("no action has these words"));
}

#[test]
fn a_filter_holds_while_it_is_typed_and_esc_brings_back_what_there_was() {
    let mut state = home();
    let all = state.nodes.len();
    press(&mut state, "/pi-2");
    assert_eq!(state.nodes.len(), 1);
    press(&mut state, "<Esc>");
    assert_eq!(state.nodes.len(), all);
    press(&mut state, "/!pi-<Enter>");
    assert_eq!(state.nodes.len(), 1, "only the manager");
    press(&mut state, "<Esc>");
    assert_eq!(state.nodes.len(), all, "Esc takes it away again");
}

#[test]
fn esc_takes_away_one_thing_at_a_time_and_never_leaves() {
    let mut state = home();
    press(&mut state, "z/pi<Enter> ");
    assert!(state.zoomed && !state.nodes.filter.is_empty() && !state.nodes.marks.is_empty());
    press(&mut state, "<Esc>");
    assert!(state.nodes.marks.is_empty() && !state.nodes.filter.is_empty() && state.zoomed);
    press(&mut state, "<Esc>");
    assert!(state.nodes.filter.is_empty() && state.zoomed);
    press(&mut state, "<Esc>");
    assert!(!state.zoomed);
    for _ in 0..5 {
        let effects = press(&mut state, "<Esc>");
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Leave(_))));
    }
}

#[test]
fn pages_are_gone_back_from_and_forward_to() {
    let mut state = home();
    press(&mut state, "j<Enter>");
    assert!(matches!(state.pages.current(), Page::Node(_)));
    press(&mut state, "[");
    assert!(state.pages.current().is_home());
    press(&mut state, "]");
    assert!(matches!(state.pages.current(), Page::Node(_)));
    press(&mut state, "q");
    assert!(state.pages.current().is_home());
    assert!(press(&mut state, "q").contains(&Effect::Leave(Left::Nothing)));
}

#[test]
fn the_last_action_is_repeated_and_shown_as_a_command() {
    let mut state = home();
    press(&mut state, "=");
    assert!(screen(&state).contains("no action yet"), "{}", screen(&state));
    press(&mut state, "jd");
    press(&mut state, "j");
    let again = deeds(press(&mut state, "."));
    assert!(matches!(&again[..], [(_, Request::Drain { on: true, .. })]), "{again:?}");
    let command = state.last_command.clone().unwrap();
    assert!(press(&mut state, "=").contains(&Effect::Copy(command)));
}

#[test]
fn a_lost_manager_dims_the_picture_refuses_acts_and_is_met_again() {
    let mut state = home();
    press(&mut state, "jj");
    let cursor = state.nodes.scroll.cursor;
    lose(&mut state);
    assert!(screen(&state).contains("the manager is away"), "{}", screen(&state));
    assert_eq!(deeds(press(&mut state, "d")), []);
    assert!(screen(&state).contains("nothing was sent"));
    state.update(Event::Told(Told::Picture(Box::new(sample::picture(6, 9)))), sample::now());
    state.settle(sample::now());
    assert!(screen(&state).contains("the manager is back"));
    assert_eq!(state.nodes.scroll.cursor, cursor);
}

#[test]
fn another_manager_is_another_picture() {
    let mut state = home();
    press(&mut state, "j<Enter>");
    let other = protocol::api::Hello { host_key: "SHA256:other".into(), ..sample::hello() };
    state.update(Event::Told(Told::Hello(other)), sample::now());
    assert!(state.pages.current().is_home() && state.picture.nodes.is_empty() && state.events.is_empty());
}

#[test]
fn who_may_not_act_is_told_so_and_offered_nothing() {
    let mut state = home();
    state.me = Some(protocol::api::Hello { role: Right::Viewer, ..sample::hello() });
    assert_eq!(deeds(press(&mut state, "jd")), []);
    assert!(screen(&state).contains("only an admin may do that"), "{}", screen(&state));
    assert!(!state.offers("dra").iter().any(|offer| offer.line == "drain"));
    let mut state = home();
    state.read_only = true;
    assert_eq!(deeds(press(&mut state, "jd")), []);
    assert!(screen(&state).contains("--read-only"), "{}", screen(&state));
    for action in actions::table().filter(|action| !action.looks()) {
        assert!(!state.can(action), "{}", action.name);
    }
}

#[test]
fn panes_grow_shrink_and_are_zoomed() {
    let mut state = home();
    let width = state.settings.nodes_width;
    assert!(press(&mut state, ">").iter().any(|effect| matches!(effect, Effect::Keep(_))));
    assert!(state.settings.nodes_width > width);
    press(&mut state, &"<".repeat(40).replace('<', "<Lt>"));
    assert_eq!(state.settings.nodes_width, 20, "there is an end to it");
    press(&mut state, "3z");
    assert!(!screen(&state).contains("nodes 7"), "{}", screen(&state));
}

#[test]
fn a_sequence_that_leads_nowhere_is_forgotten() {
    let mut state = home();
    press(&mut state, "G");
    let last = state.nodes.scroll.cursor;
    press(&mut state, "g");
    assert!(screen(&state).lines().last().unwrap().contains("g …"), "{}", screen(&state));
    press(&mut state, "z");
    assert!(!state.zoomed && state.nodes.scroll.cursor == last);
    press(&mut state, "gg");
    assert_eq!(state.nodes.scroll.cursor, 0);
}

#[test]
fn the_first_screen_offers_what_can_be_done_without_a_manager() {
    let mut state = sample::fresh((100, 30), "default", crate::console::theme::Depth::Sixteen, false);
    let lost = Told::Lost { why: "no manager runs here".into(), pause: std::time::Duration::from_secs(1) };
    state.update(Event::Told(lost), sample::now());
    state.settle(sample::now());
    assert!(screen(&state).contains("bramble demo"), "{}", screen(&state));
    assert!(press(&mut state, "<Enter>").contains(&Effect::Leave(Left::Demo)));
    assert!(press(&mut state, "j<Enter>").contains(&Effect::Leave(Left::Install)));
    press(&mut state, "j<Enter>");
    assert!(matches!(state.overlay, Some(Overlay::Prompt(_))));
    press(&mut state, "/no/such/place<Enter>");
    press(&mut state, "q");
}

#[test]
fn toasts_go_by_themselves() {
    let mut state = home();
    press(&mut state, "y");
    assert!(screen(&state).contains("copied: shelf"));
    let wakeup = state.next_wakeup().unwrap();
    assert!(wakeup > sample::now().mono);
    let later = Now { mono: sample::now().mono + std::time::Duration::from_secs(60), ..sample::now() };
    state.settle(later);
    assert!(!screen(&state).contains("copied: shelf"));
}
