//! Files of the instance that operators change from here: read, changed, checked and written one after
//! the other.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::app::App;
use super::problem::{FaultView, Problem};
use crate::config::fault::{Fault, Place, Severity};
use crate::instance::file::{SECRET_MODE, Written, replace};

/// Changes a file with secrets. `change` gives the new text, `None` to leave it; a file that is not
/// there is empty.
pub(super) async fn edit<T>(
    app: &App,
    path: PathBuf,
    change: impl FnOnce(&str) -> Result<(Option<String>, T), Problem>,
) -> Result<T, Problem> {
    let _alone = app.editing.lock().await;
    let text = read(&path)?;
    let (new, result) = change(&text)?;
    if let Some(new) = new {
        // The log has the warning.
        let _warning = write(path, new, SECRET_MODE).await?;
    }
    Ok(result)
}

/// What a change of a file has come to, or would have.
#[derive(Debug)]
pub(super) struct Edited<T> {
    pub(super) result: T,
    /// The text it has now, or would have.
    pub(super) text: String,
    /// What is not wrong, but perhaps not wanted.
    pub(super) warnings: Vec<FaultView>,
}

/// Changes a file that the broker reads again, unless that would be at fault, and has it read again.
/// With `is_dry` it is only checked. The file keeps its permissions, of which one with
/// secrets has those of its owner alone; a new one has `mode`.
pub(super) async fn edit_checked<T>(
    app: &App,
    path: PathBuf,
    (mode, is_dry): (u32, bool),
    change: impl FnOnce(&str) -> Result<(String, T), Problem>,
) -> Result<Edited<T>, Problem> {
    let edited = {
        let _alone = app.editing.lock().await;
        let (text, result) = change(&read(&path)?)?;
        let warnings = check(app, path.clone(), text.clone()).await?;
        let mut warnings: Vec<_> = warnings.into_iter().map(FaultView::from).collect();
        if !is_dry {
            let old = std::fs::metadata(&path);
            let old = old.map_or(mode, |old| old.permissions().mode() & 0o777);
            // Secrets are not left open to others, whoever has opened them.
            let mode = if mode == SECRET_MODE { old & mode } else { old };
            let shown = app.running.shown(&path);
            let unsafe_now = write(path, text.clone(), mode).await?;
            warnings.extend(unsafe_now.map(|what| FaultView::warning(shown, what)));
        }
        Edited {
            result,
            text,
            warnings,
        }
    };
    if !is_dry {
        app.reload().await?;
    }
    Ok(edited)
}

/// The text of a file; one that is not there is empty.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Writes a file; what it gives is a warning.
async fn write(path: PathBuf, text: String, mode: u32) -> Result<Option<String>, Problem> {
    let place = path.clone();
    let written = tokio::task::spawn_blocking(move || replace(&path, &text, mode));
    let written = written
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
    match written.map_err(|error| failed(&place, &error))? {
        Written::Safe => Ok(None),
        Written::Unsynced(error) => Ok(Some(unsynced(&place, &error))),
    }
}

/// What was changed is in the file, and in force, but not safe.
pub(super) fn unsynced(path: &Path, error: &io::Error) -> String {
    let file = path.display();
    tracing::warn!(%file, %error, "a file was changed, and a loss of power may bring back the old one");
    format!(
        "it is in force, but a loss of power may bring back what was before: the directory of {file} could not \
         be synced: {error}"
    )
}

/// Reads all files as if one had a new text; the answer is what to warn of.
async fn check(app: &App, path: PathBuf, text: String) -> Result<Vec<Fault>, Problem> {
    let shown = app.running.shown(&path);
    let running = Arc::clone(&app.running);
    let checked = tokio::task::spawn_blocking(move || running.check(&path, &text));
    let checked = checked
        .await
        .map_err(|_| Problem::busy("the broker is stopping"))?;
    checked.map_err(|faults| at_fault(&shown, faults))
}

/// The new text is at fault, or files are that nobody wants to change now.
fn at_fault(shown: &str, faults: Vec<Fault>) -> Problem {
    let is_error = |fault: &&Fault| fault.severity == Severity::Error;
    let errors: Vec<&Fault> = faults.iter().filter(is_error).collect();
    let is_in_text = |fault: &&&Fault| match &fault.place {
        Place::Text { file, .. } | Place::File(file) => file == shown,
        Place::Variable { .. } => false,
    };
    let told = |faults: &[&Fault]| {
        let lines: Vec<_> = faults.iter().map(|fault| fault.in_one_line()).collect();
        lines.join("; ")
    };
    let own: Vec<&Fault> = errors.iter().filter(is_in_text).copied().collect();
    let problem = if own.is_empty() {
        Problem::conflict(format!(
            "other files have errors, correct them first: {}",
            told(&errors)
        ))
    } else {
        Problem::refused(format!("nothing was changed: {}", told(&own)))
    };
    problem.with_faults(faults)
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Problem {
    Problem::failed(format!("{}: {error}", path.display()))
}
