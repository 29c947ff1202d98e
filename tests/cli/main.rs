//! The real program against a manager that says what each test tells it to.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod comeback;
mod exec;
mod fake;
mod history;
mod lists;
mod logs;
mod many;
mod rest;
mod results;
mod run;
mod sample;
mod submit;
mod trouble;
