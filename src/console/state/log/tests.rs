//! Pieces go in, lines are seen.

use std::time::Instant;

use protocol::api::{LogChunk, LogQuery};
use protocol::id::{Target, TaskId};
use protocol::job::Stream;

use super::*;
use crate::console::state::list::Move;

const VIEW: View = View { rows: 10, width: 40, wrap: false };

fn query() -> LogQuery {
    LogQuery { target: Target::Attempt(TaskId::new(9, 0).attempt(1)), follow: true, stream: None }
}

fn log() -> Log {
    let mut log = Log::default();
    log.begin(&query());
    log
}

fn piece(log: &mut Log, stream: Stream, text: impl AsRef<[u8]>) {
    let offset = log.known[stream as usize];
    log.add(&LogChunk { stream, offset, bytes: text.as_ref().to_vec().into() });
}

fn numbered(lines: usize) -> Log {
    let mut log = log();
    for line in 0..lines {
        piece(&mut log, Stream::Stdout, format!("line {line}\n"));
    }
    log.settle(VIEW);
    log
}

fn texts(log: &Log) -> Vec<String> {
    (log.dropped()..log.end()).filter_map(|line| log.text_of(line)).collect()
}

#[test]
fn lines_come_in_pieces_and_outputs_do_not_mix() {
    let mut log = log();
    piece(&mut log, Stream::Stdout, "one\ntw");
    piece(&mut log, Stream::Stderr, "oh\n");
    piece(&mut log, Stream::Stdout, "o\r\n\nlast");
    assert_eq!(texts(&log), ["one", "two", "oh", "", "last"]);
    piece(&mut log, Stream::Stdout, b"\xc3");
    piece(&mut log, Stream::Stdout, b"\xa4");
    assert_eq!(texts(&log).last().unwrap(), "lastä", "a letter that came in halves is whole");
}

#[test]
fn of_a_progress_line_the_last_part_is_kept() {
    let mut log = log();
    for percent in 0..50_000 {
        piece(&mut log, Stream::Stderr, format!("\r{percent}%"));
    }
    assert_eq!(texts(&log), ["49999%"]);
    assert!(log.bytes < 100, "{} bytes are kept of it", log.bytes);
    piece(&mut log, Stream::Stderr, "\rdone\r\nnext");
    assert_eq!(texts(&log), ["done", "next"]);
}

#[test]
fn a_line_without_end_is_broken_and_nothing_of_it_is_lost() {
    let mut log = log();
    let text = "aä漢".repeat(20_000);
    for part in text.as_bytes().chunks(1000) {
        piece(&mut log, Stream::Stdout, part);
    }
    piece(&mut log, Stream::Stdout, "\nafter\n");
    let lines = texts(&log);
    assert!(log.lines.iter().all(|line| line.bytes.len() <= LONGEST));
    assert_eq!(lines[..lines.len() - 1].concat(), text);
    assert_eq!(lines.last().unwrap(), "after");
}

#[test]
fn what_is_told_again_after_a_link_broke_is_taken_once() {
    let mut log = numbered(100);
    log.step(Move::First, VIEW);
    log.step(Move::Down, VIEW);
    let before = log.seen();
    log.begin(&query());
    log.add(&LogChunk { stream: Stream::Stdout, offset: 0, bytes: b"line 0\nline 1\n".to_vec().into() });
    let known = log.known[0];
    log.add(&LogChunk { stream: Stream::Stdout, offset: known - 3, bytes: b"99\nline 100\n".to_vec().into() });
    log.settle(VIEW);
    assert_eq!((log.len(), log.seen()), (101, before), "one line is new, and the eye stays");
    log.begin(&LogQuery { stream: Some(Stream::Stderr), ..query() });
    assert!(log.is_empty() && log.follow, "another log begins anew");
}

#[test]
fn a_sentence_of_the_manager_is_not_said_twice() {
    let mut log = numbered(2);
    log.note("pi-2 is away".into());
    log.note("pi-2 is away".into());
    assert_eq!(log.len(), 3);
    log.note("pi-2 is back".into());
    assert_eq!(log.len(), 4);
}

#[test]
fn the_newest_is_followed_until_one_scrolls_up_and_again_from_the_end() {
    let mut log = numbered(100);
    assert_eq!(log.seen(), 90..100);
    log.step(Move::Up, VIEW);
    assert!(!log.follow);
    piece(&mut log, Stream::Stdout, "more\nand more\n");
    log.settle(VIEW);
    assert_eq!(log.seen(), 89..99, "the eye rests");
    log.step(Move::Last, VIEW);
    assert!(log.follow);
    piece(&mut log, Stream::Stdout, "x\n");
    log.settle(VIEW);
    assert_eq!(log.seen(), 93..103);
    let mut short = numbered(3);
    short.step(Move::Up, VIEW);
    assert!(short.follow, "where all is seen, there is nothing to rest at");
}

#[test]
fn wrapped_lines_are_scrolled_row_by_row() {
    let view = View { wrap: true, ..VIEW };
    let mut log = log();
    piece(&mut log, Stream::Stdout, format!("first\n{}\nlast\n", "x".repeat(10_000)));
    log.settle(view);
    assert_eq!((log.seen(), log.first_row()), (1..3, 241));
    log.step(Move::Up, view);
    assert_eq!((log.seen(), log.first_row()), (1..2, 240));
    log.step(Move::PageUp, view);
    assert_eq!(log.first_row(), 231);
    log.step(Move::First, view);
    assert_eq!((log.seen(), log.first_row()), (0..2, 0));
    for _ in 0..500 {
        log.step(Move::Down, view);
    }
    assert_eq!((log.seen(), log.first_row()), (1..3, 241));
}

#[test]
fn unwrapped_lines_are_scrolled_sideways_to_their_end() {
    let mut log = log();
    piece(&mut log, Stream::Stdout, format!("{}\n", "x".repeat(100)));
    log.settle(VIEW);
    for _ in 0..50 {
        log.step(Move::Right, VIEW);
    }
    assert_eq!(log.left(), 60);
    log.settle(View { wrap: true, ..VIEW });
    assert_eq!(log.left(), 0);
}

#[test]
fn words_are_found_as_they_come_and_gone_to_round_the_end() {
    let mut log = log();
    for line in 0..100 {
        piece(
            &mut log,
            Stream::Stdout,
            format!("{}{line}\n", if line % 10 == 3 { "\x1b[31mErr\x1b[0mor " } else { "" }),
        );
    }
    log.settle(VIEW);
    log.search("err");
    log.search("error");
    assert_eq!((log.matches(), log.current_match()), ((10, 10), Some(93)));
    assert!(log.go_to_match(true));
    assert_eq!((log.matches(), log.follow), ((1, 10), false));
    assert!(log.seen().contains(&3));
    assert!(log.go_to_match(false));
    assert_eq!(log.matches(), (10, 10));
    piece(&mut log, Stream::Stdout, "an err");
    log.settle(VIEW);
    assert_eq!(log.matches(), (10, 10));
    piece(&mut log, Stream::Stdout, "or");
    log.settle(VIEW);
    assert_eq!(log.matches(), (10, 11), "a line that grew has them now");
    log.search("nothing like it");
    assert_eq!((log.matches(), log.go_to_match(true)), ((0, 0), false));
    log.search("");
    assert_eq!(log.matches(), (0, 0));
}

#[test]
fn words_far_to_the_right_are_brought_into_view() {
    let mut log = log();
    piece(&mut log, Stream::Stdout, format!("{}needle{}\n", "x".repeat(9000), "y".repeat(500)));
    log.settle(VIEW);
    log.search("needle");
    assert!((log.left()..log.left() + 34).contains(&9000), "{}", log.left());
    let wrapped = View { wrap: true, ..VIEW };
    log.settle(wrapped);
    log.step(Move::First, wrapped);
    assert!(log.go_to_match(true));
    let row = 9000 / 40;
    assert!((log.first_row()..log.first_row() + 10).contains(&row), "{}", log.first_row());
}

#[test]
fn old_lines_are_given_up_and_what_is_found_in_them_too() {
    let mut log = numbered(0);
    log.search("line");
    let many: String = (0..MOST_LINES + 500).map(|line| format!("line {line}\n")).collect();
    piece(&mut log, Stream::Stdout, many);
    log.settle(VIEW);
    assert_eq!((log.len(), log.dropped(), log.matches().1), (MOST_LINES, 500, MOST_LINES));
    log.step(Move::First, VIEW);
    assert_eq!(log.seen(), 500..510);
    piece(&mut log, Stream::Stdout, "x\n".repeat(1000));
    log.settle(VIEW);
    assert_eq!(log.seen(), 1500..1510, "what was seen there is kept no more");
}

#[test]
fn ten_megabytes_are_taken_in_and_scrolled_through_without_a_stall() {
    let line = "\x1b[32m2026-03-02 14:03:20\x1b[0m step 17 of 100000: loss 0.123, accuracy 0.991 at node pi-2\n";
    let chunk: String = line.repeat((64 << 10) / line.len());
    let (mut log, began) = (log(), Instant::now());
    for _ in 0..160 {
        piece(&mut log, Stream::Stdout, &chunk);
        log.settle(VIEW);
    }
    let taken = began.elapsed();
    let began = Instant::now();
    log.search("accuracy");
    let searched = began.elapsed();
    let (view, began) = (View { rows: 50, width: 160, wrap: true }, Instant::now());
    for _ in 0..1000 {
        log.step(Move::PageUp, view);
        log.settle(view);
    }
    let scrolled = began.elapsed() / 1000;
    println!("10 MB in {taken:?}, searched in {searched:?}, a screen scrolled in {scrolled:?}");
    assert_eq!(log.len(), MOST_LINES);
    assert!(taken.as_secs() < 10, "{taken:?} for 10 MB");
    assert!(scrolled.as_millis() < 50, "{scrolled:?} for a screen");
}
