//! What files and results have in common on their way: bytes that are [`fetch`]ed whatever becomes of the connection, in
//! several [`tries`], and [`unpack`]ed where they are a folder; a [`progress`] that is shown meanwhile; and the [`rename`]
//! to their place when they are whole.

pub mod fetch;
pub mod progress;
pub mod rename;
pub mod tries;
pub mod unpack;
