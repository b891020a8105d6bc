//! The program among others: whoever reads its log, the service manager, a terminal.

mod bed;
mod log;
mod sys;
