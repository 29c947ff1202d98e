//! The core, driven from outside: tests that read as sentences, one file a subject, and `simulator`, which throws
//! dice.
//!
//! `World` is everything around the core that such a sentence needs: a clock, a store in memory that the core can be
//! loaded from again, people who ask and nodes that report. Here the nodes are played by hand; in the simulator they
//! play themselves.

mod admin;
mod away;
mod checks;
mod clock;
mod files;
mod full;
mod interpreters;
mod joining;
mod kept;
mod liars;
mod links;
mod lists;
mod lost;
mod notices;
mod output;
mod people;
mod placement;
mod reach;
mod reduce;
mod results;
mod runs;
mod scale;
mod secrets;
mod simulator;
mod stopping;
mod supplies;
mod sweep;
mod tasks;
mod trim;
mod waiting;
mod why;
mod words;
mod world;
