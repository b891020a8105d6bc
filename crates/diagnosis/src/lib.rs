//! Why did the message not arrive?
//!
//! [`Evidence`] is what the flight recorder has about a question and how things stand now;
//! [`diagnose`] walks the message's way through it, from publisher to subscriber, and makes a
//! [`Report`]: the first thing that stopped the message, what shows it, and what to do. A verdict
//! says no more than the evidence does, and names how sure it is.
//!
//! Nothing here has IO or a clock: the same evidence gives the same report.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod chosen;
pub mod code;
mod conceal;
mod event;
pub mod evidence;
pub mod history;
pub mod losses;
mod names;
pub mod near;
pub mod noted;
pub mod operators;
pub mod outcomes;
pub mod render;
pub mod restarts;
pub mod rules;
pub mod stages;
pub mod texts;
mod timeline;
pub mod verdict;

pub use code::{Area, Code, Confidence, Fate};
pub use evidence::{Beginning, Coverage, Event, Evidence, KernelFacts, Presence, Question};
pub use texts::{explain, manual};
pub use verdict::{Report, Verdict, diagnose};
