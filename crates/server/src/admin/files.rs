//! Files of the instance that operators change from here: read, changed and written one after the
//! other.

use std::io;
use std::path::{Path, PathBuf};

use super::app::App;
use super::problem::Problem;
use crate::instance::file::{SECRET_MODE, write_atomically};

/// Changes a file with secrets. `change` gives the new text, `None` to leave it; a file that is not
/// there is empty.
pub(super) async fn edit<T>(
    app: &App,
    path: PathBuf,
    change: impl FnOnce(&str) -> Result<(Option<String>, T), Problem>,
) -> Result<T, Problem> {
    let _alone = app.editing.lock().await;
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&path, &error)),
    };
    let (new, result) = change(&text)?;
    if let Some(new) = new {
        let place = path.clone();
        let written =
            tokio::task::spawn_blocking(move || write_atomically(&path, &new, SECRET_MODE));
        let written = written
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
        written.map_err(|error| failed(&place, &error))?;
    }
    Ok(result)
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Problem {
    Problem::failed(format!("{}: {error}", path.display()))
}
