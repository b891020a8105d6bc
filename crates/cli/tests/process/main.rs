//! The program among others: whoever reads its log, the service manager, a terminal.

mod bed;
mod log;
mod service_manager;
mod survives;
mod sys;
mod terminal;
