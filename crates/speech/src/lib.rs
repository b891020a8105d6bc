//! Sentences for people, in English and Chinese, from one source.
//!
//! A crate with something to say writes a [`catalogue!`]: for every sentence a code, its
//! parameters and its two texts. The macro makes a function of each, so that a forgotten language
//! or parameter does not compile; [`faults`] finds what the compiler cannot, and every crate with a
//! catalogue calls it in a test.
//!
//! What travels is the [`Text`], which is code and parameters; a [`Language`] makes a sentence of it
//! at the very end. So JSON carries codes, and one report can be read in two languages.
#![forbid(unsafe_code)]

pub mod language;
pub mod shell;
pub mod system;
pub mod text;
pub mod width;

pub use language::Language;
pub use system::system;
pub use text::{Entry, Param, Text, faults, recognise, words_of};
