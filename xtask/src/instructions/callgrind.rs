//! Running a program under callgrind, and reading what it wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::process::{command, fresh_dir, output_of};

/// What one measurement cost.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// Instructions.
    pub(super) instructions: u64,
    /// Instructions that one function spent in another, by callee and caller. (The numbers of calls
    /// beside them also hold calls outside of what is measured.)
    spent: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A line that the program printed, and the profile of what it stands for.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) group: String,
    pub(super) name: String,
    /// What is counted.
    pub(super) unit: String,
    pub(super) count: u64,
    /// How often memory was allocated or made larger.
    pub(super) allocations: u64,
    pub(super) profile: Profile,
}

/// The functions between which instructions count, and those that end one profile and the next.
const OPTIONS: [&str; 8] = [
    "--collect-atstart=no",
    "--toggle-collect=*::metered::handle",
    "--toggle-collect=*::metered::poll",
    "--toggle-collect=*::metered::poll_mail",
    "--dump-before=*::metered::begin",
    "--dump-after=*::metered::end",
    "--compress-strings=no",
    "--compress-pos=no",
];

/// The functions of the C library that allocate.
const ALLOCATORS: [&str; 5] = [
    "malloc",
    "calloc",
    "realloc",
    "aligned_alloc",
    "posix_memalign",
];

/// Runs a program whose workloads announce themselves as `crates/broker/benches/driver` does.
pub(super) fn run(
    root: &Path,
    program: &Path,
    arguments: &[&str],
) -> anyhow::Result<Vec<Measurement>> {
    let dir = fresh_dir(root.join("target/instructions"))?;
    let mut valgrind = command("valgrind --tool=callgrind --quiet");
    valgrind.args(OPTIONS);
    valgrind.arg(format!("--callgrind-out-file={}/profile", dir.display()));
    valgrind.arg(program).args(arguments);
    let text = output_of(&mut valgrind)?;
    let mut measurements = Vec::new();
    for (position, line) in text.lines().enumerate() {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut field = || fields.next().with_context(|| line.to_owned());
        // Odd parts hold what led up to a measurement.
        let path = dir.join(format!("profile.{}", 2 * position + 2));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        measurements.push(Measurement {
            group: field()?,
            name: field()?,
            unit: field()?,
            count: field()?.parse()?,
            allocations: field()?.parse()?,
            profile: Profile::parse(&text)?,
        });
    }
    ensure!(!measurements.is_empty(), "nothing was measured");
    Ok(measurements)
}

impl Profile {
    /// Reads a profile without compressed names.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut profile = Self::default();
        let (mut caller, mut callee) = ("", "");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("fn=") {
                caller = plain(name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = plain(name);
            } else if line.starts_with("calls=") {
                // The next line: where the call stands, and what was spent in it.
                let spent = lines.next().and_then(|line| line.split(' ').nth(1));
                let callers = profile.spent.entry(callee.to_owned()).or_default();
                *callers.entry(caller.to_owned()).or_default() +=
                    spent.context("a call without its cost")?.parse::<u64>()?;
            } else if let Some(sum) = line.strip_prefix("summary:") {
                profile.instructions = sum.trim().parse()?;
            }
        }
        Ok(profile)
    }

    /// Whose the allocations are: shares of 1, by the function of ours that wanted them.
    pub(super) fn allocators(&self) -> BTreeMap<String, f64> {
        let mut owners = BTreeMap::new();
        for allocator in ALLOCATORS {
            for (caller, spent) in self.callers_of(allocator) {
                if !ALLOCATORS.contains(&caller) {
                    self.blame(caller, spent as f64, CALLERS_MAX, &mut owners);
                }
            }
        }
        let sum: f64 = owners.values().sum();
        for share in owners.values_mut() {
            *share /= sum;
        }
        owners
    }

    /// Passes a cost on to those who called a function, in proportion to what they spent in it,
    /// until it comes to ours.
    fn blame(&self, name: &str, cost: f64, depth: u32, owners: &mut BTreeMap<String, f64>) {
        let callers = self.callers_of(name);
        let total: u64 = callers.iter().map(|(_, spent)| spent).sum();
        if is_ours(name) || depth == 0 || total == 0 {
            *owners.entry(name.to_owned()).or_default() += cost;
            return;
        }
        for (caller, spent) in callers {
            let share = cost * spent as f64 / total as f64;
            self.blame(caller, share, depth - 1, owners);
        }
    }

    fn callers_of(&self, name: &str) -> Vec<(&str, u64)> {
        let callers = self.spent.get(name).into_iter().flatten();
        let others = callers.filter(|(caller, _)| *caller != name);
        others
            .map(|(caller, spent)| (caller.as_str(), *spent))
            .collect()
    }
}

/// How far a call is followed back at most.
const CALLERS_MAX: u32 = 12;

/// A name without the number that tells the levels of a recursion apart.
fn plain(name: &str) -> &str {
    name.split('\'').next().unwrap_or(name)
}

fn is_ours(name: &str) -> bool {
    name.trim_start_matches('<').starts_with("columba_") || name.contains("::metered::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_put_down_to_our_nearest_caller() -> anyhow::Result<()> {
        let text = "summary: 1234\n\
                    fn=columba_broker::a\n1 5\ncfn=alloc::grow\ncalls=3 1\n1 75\n\
                    fn=columba_broker::b\n1 5\ncfn=alloc::grow\ncalls=1 1\n1 25\n\
                    cfn=malloc\ncalls=7 1\n1 60\n\
                    fn=alloc::grow\n1 5\ncfn=realloc\ncalls=4 1\n1 40\n\
                    fn=realloc\n1 5\ncfn=malloc\ncalls=2 1\n1 20\n";
        let profile = Profile::parse(text)?;
        assert_eq!(profile.instructions, 1234);
        let owners: Vec<_> = profile.allocators().into_iter().collect();
        assert_eq!(
            owners,
            [
                ("columba_broker::a".to_owned(), 0.3),
                ("columba_broker::b".to_owned(), 0.7)
            ]
        );
        Ok(())
    }
}
