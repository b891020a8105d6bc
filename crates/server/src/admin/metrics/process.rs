//! What every process tells of itself.

use super::text::Text;

/// Where the operating system has `/proc`.
pub(super) fn of_process(text: &mut Text) {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return;
    };
    // The name of the program may hold spaces.
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return;
    };
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    let ticks_per_sec = rustix::param::clock_ticks_per_second() as f64;
    let cpu_secs = (field(14) + field(15)) as f64 / ticks_per_sec;
    let name = "process_cpu_seconds_total";
    text.one(name, "counter", "Processor time used.", cpu_secs);
    let resident = field(24) * rustix::param::page_size() as u64;
    let name = "process_resident_memory_bytes";
    text.one(name, "gauge", "Memory in use.", resident);
    let name = "process_virtual_memory_bytes";
    text.one(name, "gauge", "Address space in use.", field(23));
    let name = "process_threads";
    text.one(name, "gauge", "Threads.", field(20));
    if let Some(booted_at) = boot_time_secs() {
        let name = "process_start_time_seconds";
        let help = "When the process started, in seconds since 1970.";
        let after_secs = field(22) as f64 / ticks_per_sec;
        text.one(name, "gauge", help, booted_at as f64 + after_secs);
    }
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        let name = "process_max_fds";
        text.one(name, "gauge", "Files and sockets that may be open.", most);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let name = "process_open_fds";
        text.one(name, "gauge", "Open files and sockets.", open.count());
    }
}

/// When the machine started, in seconds since 1970.
fn boot_time_secs() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}
