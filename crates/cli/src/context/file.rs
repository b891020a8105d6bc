//! The file of a context: what stands in it, how it is read, written and kept from other users.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use columba_server::config::fault::Place;
use columba_server::instance::file::{SECRET_MODE, write_atomically};
use columba_speech::{Language, Param, Text};
use serde::{Deserialize, Deserializer, Serialize};

use crate::admin_client::{Login, check_url};
use crate::connection::Url;
use crate::create::quoted;
use crate::failure::Failure;
use crate::words::{self, Said, toml_file};

/// A larger file is no context.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// A longer password or token is none.
const SECRET_BYTES_MAX: u64 = 65_535;

/// A connection that has a name.
///
/// Paths in it count from the directory of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The server.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "server_url"
    )]
    pub(crate) url: Option<String>,
    /// The server's Unix socket, in the place of a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unix: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Secret>,
    /// A file whose first line is the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cafile: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// Accept a certificate that names another host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) insecure: bool,
    /// Accept a certificate that names the host in its common name alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) accept_common_name: bool,
    /// The management API.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "api_url")]
    pub(crate) api: Option<String>,
    /// The directory of an instance on this machine, in the place of `api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Secret>,
    /// A file whose first line is the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

/// A text that is written to its file and shown nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By itself serde would say what stands there.
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom(
                words::secret_in_quotes().to_string(Language::English),
            )),
        }
    }
}

fn server_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let checked = check_server_url(&text);
    checked.map_err(|what| serde::de::Error::custom(what.to_string(Language::English)))?;
    Ok(Some(text))
}

fn api_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let checked = check_url(&text);
    checked.map_err(|what| serde::de::Error::custom(what.to_string(Language::English)))?;
    Ok(Some(text))
}

/// Whether a text is the URL of a server and nothing more.
pub(crate) fn check_server_url(text: &str) -> Result<(), Text> {
    match Url::parse(text)? {
        url if url.topic.is_some() => Err(words::context_no_topic()),
        _ => Ok(()),
    }
}

impl Context {
    /// Reads one, with its paths made to count from where the program runs.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        check_mode(path)?;
        let text = read_text(path, FILE_BYTES_MAX)?;
        let mut context = Self::parse(path, &text)?;
        let dir = path.parent().unwrap_or_else(|| Path::new("."));
        let paths = [
            &mut context.unix,
            &mut context.password_file,
            &mut context.cafile,
            &mut context.cert,
            &mut context.key,
            &mut context.dir,
            &mut context.token_file,
        ];
        for path in paths.into_iter().flatten() {
            *path = dir.join(&*path);
        }
        Ok(context)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let context: Self = toml::from_str(text).map_err(|error| {
            // Not with the line itself: it may be that of the password.
            let place = Place::in_text(
                &path.display().to_string(),
                text,
                error.span().unwrap_or_default(),
            );
            let what = fault_of(text, &error);
            Failure::new(words::of_file(place.to_string(), what)).faulty()
        })?;
        context.check().map_err(|what| {
            let file = path.display().to_string();
            Failure::new(words::of_file(file, what)).faulty()
        })?;
        Ok(context)
    }

    /// What its parts have to do with each other.
    pub(crate) fn check(&self) -> Result<(), Text> {
        let pairs = [
            (self.url.is_some() && self.unix.is_some(), "url and unix"),
            (
                self.password.is_some() && self.password_file.is_some(),
                "password and password_file",
            ),
            (self.api.is_some() && self.dir.is_some(), "api and dir"),
            (
                self.token.is_some() && self.token_file.is_some(),
                "token and token_file",
            ),
        ];
        if let Some((_, names)) = pairs.iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(words::context_two_ways(*names));
        }
        if self.cert.is_some() != self.key.is_some() {
            return Err(words::context_needs_both());
        }
        let has_user = self.user.is_some() || self.url.as_deref().is_some_and(has_user);
        if !has_user && (self.password.is_some() || self.password_file.is_some()) {
            return Err(words::context_needs_user());
        }
        if self.url.is_none() && self.unix.is_none() && self.api.is_none() && self.dir.is_none() {
            return Err(words::context_empty());
        }
        Ok(())
    }

    /// Writes it so that only its owner can read it.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: Param| {
            let file = path.display().to_string();
            Failure::new(words::unwritable(file, error)).fix(words::check_permissions())
        };
        let text = toml::to_string(self).map_err(|error| failed(error.to_string().into()))?;
        if let Some(dir) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            let made = builder.create(dir);
            made.map_err(|error| failed(words::system(&error)))?;
        }
        let written = write_atomically(path, &text, SECRET_MODE);
        written.map_err(|error| failed(words::system(&error)))
    }

    /// The password, from wherever it is.
    pub(crate) fn read_password(&self) -> Result<Option<String>, Failure> {
        read_secret(self.password.as_ref(), self.password_file.as_deref())
    }

    /// Its user and the password, if it has both.
    pub(crate) fn read_login(&self) -> Result<Option<Login>, Failure> {
        let (Some(user), Some(password)) = (self.user.clone(), self.read_password()?) else {
            return Ok(None);
        };
        let password = Secret::new(password);
        Ok(Some(Login { user, password }))
    }

    /// The token, from wherever it is.
    pub(crate) fn read_token(&self) -> Result<Option<String>, Failure> {
        read_secret(self.token.as_ref(), self.token_file.as_deref())
    }
}

/// What is wrong with a text, in words that were lost on the way through its reader.
fn fault_of(text: &str, error: &toml::de::Error) -> Param {
    let message = error.message();
    let written = error.span().and_then(|span| text.get(span));
    let written = written.unwrap_or_default().trim_matches(['"', '\'']);
    let known = [
        check_server_url(written).err().map(Param::from),
        check_url(written).err(),
        Some(words::secret_in_quotes().into()),
    ];
    let found = known.into_iter().flatten();
    let mut found = found.filter(|what| what.to_string(Language::English) == message);
    found
        .next()
        .unwrap_or_else(|| toml_file::fault(message).into())
}

fn has_user(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.user_name.is_some())
}

fn read_secret(secret: Option<&Secret>, path: Option<&Path>) -> Result<Option<String>, Failure> {
    match (secret, path) {
        (Some(secret), _) => Ok(Some(secret.reveal().to_owned())),
        (None, Some(path)) => {
            let text = read_text(path, SECRET_BYTES_MAX)?;
            Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
        }
        (None, None) => Ok(None),
    }
}

fn check_mode(path: &Path) -> Result<(), Failure> {
    // What cannot be looked at cannot be read either, which says so.
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(());
    };
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let file = path.display().to_string();
    let what = words::context_open_to_others(file, format!("{mode:04o}"));
    Err(Failure::new(what)
        .fix(format!("chmod 600 {}", quoted(path)))
        .faulty())
}

fn read_text(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    let read = || {
        let mut text = String::new();
        let mut file = fs::File::open(path)?.take(bytes_max + 1);
        file.read_to_string(&mut text)?;
        if text.len() as u64 > bytes_max {
            return Err(io::Error::other(Said::from(words::over_bytes(bytes_max))));
        }
        Ok(text)
    };
    read().map_err(|error| {
        let file = path.display().to_string();
        Failure::new(words::unreadable(file, words::system(&error))).faulty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let parsed = Context::parse(Path::new("lab.toml"), text);
        let failure = parsed.expect_err("faulty");
        failure.sentence().to_string(Language::English)
    }

    #[test]
    fn faults_name_file_line_and_column_and_no_secret() {
        for (text, words) in [
            (
                "url = \"mqtt://h\"\nusr = \"x\"",
                "lab.toml:2:1: unknown field `usr`",
            ),
            ("user = \"x\"\nurl = \"http://h\"", "lab.toml:2:7: "),
            (
                "url = \"mqtt://h/topic\"",
                "lab.toml:1:7: a context names a server",
            ),
            ("api = \"mqtt://h\"", "lab.toml:1:7: "),
            (
                "url = \"mqtt://h\"\npassword = 5150",
                "lab.toml:2:12: write a text in quotes",
            ),
            ("url = \"mqtt://h\"\npassword = \"5150", "lab.toml:2:"),
            ("url = \"mqtt://ann:5150@\"", "lab.toml:1:7: "),
            (
                "url = \"mqtt://h\"\npassword = \"5150\"",
                "a password without a user",
            ),
            ("url = \"mqtt://h\"\ncert = \"a\"", "cert and key"),
            (
                "api = \"http://h\"\ntoken = \"5150\"\ntoken_file = \"f\"",
                "leave one",
            ),
            ("user = \"x\"", "it names no server"),
        ] {
            let fault = fault(text);
            assert!(fault.contains(words), "{text}: {fault}");
            assert!(!fault.contains("5150"), "{fault}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let context = Context {
            url: Some("mqtts://h:8884".to_owned()),
            user: Some("安".to_owned()),
            password: Some(Secret::new("a\"b\\c".to_owned())),
            insecure: true,
            accept_common_name: true,
            ..Context::default()
        };
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep/x.toml");
        context.write(&path).expect("written");
        assert_eq!(Context::read(&path).expect("read"), context);
        assert!(!format!("{context:?}").contains("a\"b"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
        let fault = format!("{:?}", Context::read(&path).expect_err("too open"));
        assert!(
            fault.contains("0640") && fault.contains("chmod 600"),
            "{fault}"
        );
    }

    #[test]
    fn paths_count_from_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.toml");
        let context = Context {
            url: Some("mqtt://h".to_owned()),
            user: Some("u".to_owned()),
            password_file: Some("pw".into()),
            cafile: Some("/etc/ca.pem".into()),
            ..Context::default()
        };
        context.write(&path).expect("written");
        fs::write(dir.path().join("pw"), "secret\nrest\n").expect("a file");
        let context = Context::read(&path).expect("read");
        assert_eq!(context.cafile.as_deref(), Some(Path::new("/etc/ca.pem")));
        let password = context.read_password().expect("read");
        assert_eq!(password.as_deref(), Some("secret"));
    }
}
