//! The commands of the `columba` binary.
#![forbid(unsafe_code)]

pub mod admin_client;
mod api;
pub mod bench;
mod bundle;
pub mod check;
pub mod clients;
mod colour;
pub mod completion;
mod connection;
pub mod context;
pub mod create;
pub mod doctor;
mod event_reader;
pub mod events;
mod failure;
pub mod manual;
pub mod mosquitto;
pub mod passwd;
mod payload;
pub mod publish;
mod receive;
mod record;
pub mod request;
pub mod run;
mod screen;
pub mod simulate;
pub mod store;
pub mod subscribe;
mod texts;
pub mod token;
pub mod top;
pub mod topics;
pub mod trace;
pub mod why;
mod words;
