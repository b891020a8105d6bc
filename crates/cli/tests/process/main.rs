//! The program among others: whoever reads its log, the service manager, a terminal.

mod again;
mod bed;
mod certificates;
mod chinese;
mod chinese_views;
mod context;
mod debug;
mod exits;
mod goodbye;
mod link;
mod log;
mod mosquitto;
mod mqttx;
mod numbers;
mod scripts;
mod service_manager;
mod shell;
mod shell_lines;
mod shows;
mod simulate;
mod stops_early;
mod survives;
mod sys;
mod takeover;
mod terminal;
mod widths;
