//! Tokens of the management API: one `name:hash:scopes:expiry` per line.
//!
//! A token is 32 random bytes, so that its hash needs neither salt nor time: SHA-256 does. The expiry
//! is in seconds since 1970, or `never`. Empty lines and lines that start with `#` say nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::password::NoRandomness;
use super::users::check_name;
use crate::config::fault::{Fault, Place};
use crate::instance::Stamps;

/// What every token starts with, so that one that has leaked is found by programs that look for
/// such.
const PREFIX: &str = "col_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// Something that a token or a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See everything except secrets.
    Read,
    /// Publish messages to every topic, and change what is retained.
    Publish,
    /// Disconnect, ban, unsubscribe, clear.
    Operate,
    /// Everything, users and tokens among it.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Publish, Self::Operate, Self::Admin];

    /// Its name in the file and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// The one with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Everything.
    pub const ADMIN: Self = Self(1 << Scope::Admin as u8);

    /// Whether something is allowed: `admin` allows all, and whoever operates may look.
    pub fn allow(self, scope: Scope) -> bool {
        let has = |scope: Scope| self.0 & 1 << scope as u8 != 0;
        match scope {
            Scope::Read => has(Scope::Read) || has(Scope::Operate) || has(Scope::Admin),
            Scope::Publish | Scope::Operate | Scope::Admin => has(scope) || has(Scope::Admin),
        }
    }

    /// The scopes in it, as they were given.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        let all = Scope::ALL.into_iter();
        all.filter(move |scope| self.0 & 1 << *scope as u8 != 0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        let bits = scopes.into_iter().map(|scope| 1 << scope as u8);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

impl std::str::FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let scopes = names.map(|name| {
            Scope::named(name)
                .ok_or_else(|| format!("`{name}` is no scope: read, publish, operate or admin"))
        });
        let scopes: Self = scopes.collect::<Result<_, _>>()?;
        if scopes.is_empty() {
            return Err("no scope: read, publish, operate or admin".to_owned());
        }
        Ok(scopes)
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}", scope.name())?;
        }
        Ok(())
    }
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The hash of its text.
    hash: [u8; 32],
    /// What it is good for.
    pub scopes: Scopes,
    /// When it ends, in seconds since 1970.
    pub expires_unix_secs: Option<u64>,
}

impl Token {
    /// A new token and its text, which is kept nowhere.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    pub fn new(
        scopes: Scopes,
        expires_unix_secs: Option<u64>,
    ) -> Result<(Self, String), NoRandomness> {
        let mut bytes = [0; TOKEN_BYTES];
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let token = Self {
            hash: hash_of(&text),
            scopes,
            expires_unix_secs,
        };
        Ok((token, text))
    }

    /// Whether it is still good.
    pub fn is_good_at(&self, unix_secs: u64) -> bool {
        self.expires_unix_secs.is_none_or(|end| unix_secs < end)
    }
}

/// All tokens by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    by_name: BTreeMap<Arc<str>, Token>,
    names: HashMap<[u8; 32], Arc<str>>,
}

impl Tokens {
    /// Reads a tokens file. What is at fault is left out and told.
    pub fn read(file: &str, text: &str) -> (Self, Vec<Fault>) {
        let mut tokens = Self::default();
        let mut faults = Vec::new();
        for (at, line) in (1..).zip(text.lines()) {
            if is_comment(line) {
                continue;
            }
            // A hash does not belong on a screen or into a log.
            let name = line.split(':').next().unwrap_or_default();
            let place = Place::of_line(file, at, &format!("{name}:..."));
            match read_line(line.trim_end()) {
                Ok((name, _)) if tokens.by_name.contains_key(name) => {
                    let what = format!("a second token is called `{name}`");
                    faults.push(Fault::error(place, what).fix("remove one of the lines"));
                }
                Ok((name, token)) => {
                    let name: Arc<str> = name.into();
                    tokens.names.insert(token.hash, Arc::clone(&name));
                    tokens.by_name.insert(name, token);
                }
                Err(what) => {
                    let fix = "make it anew with `columba token add DIR NAME --scopes SCOPES`";
                    faults.push(Fault::error(place, what).fix(fix));
                }
            }
        }
        (tokens, faults)
    }

    /// The token that a text is, good or not.
    pub fn find(&self, text: &str) -> Option<(&Arc<str>, &Token)> {
        let name = self.names.get(&hash_of(text))?;
        self.by_name.get_key_value(name)
    }

    /// The token of a name.
    pub fn named(&self, name: &str) -> Option<&Token> {
        self.by_name.get(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Token)> {
        self.by_name.iter()
    }
}

/// The text of a tokens file with another token, in place of one of the same name.
pub fn with_token(text: &str, name: &str, token: &Token) -> String {
    let mut result = without_token(text, name).unwrap_or_else(|| text.to_owned());
    if !result.is_empty() && !result.ends_with('\n') {
        result.push('\n');
    }
    let hash: String = token
        .hash
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let expiry = match token.expires_unix_secs {
        Some(secs) => secs.to_string(),
        None => "never".to_owned(),
    };
    result.push_str(&format!("{name}:{hash}:{}:{expiry}\n", token.scopes));
    result
}

/// The text of a tokens file without a token; `None` if it is not in it.
pub fn without_token(text: &str, name: &str) -> Option<String> {
    let is_it = |line: &&str| !is_comment(line) && line.split(':').next() == Some(name);
    text.lines().find(is_it)?;
    let kept = text.lines().filter(|line| !is_it(line));
    Some(kept.flat_map(|line| [line, "\n"]).collect())
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

fn read_line(line: &str) -> Result<(&str, Token), String> {
    let fields: Vec<_> = line.split(':').collect();
    let [name, hash, scopes, expiry] = fields[..] else {
        return Err("not a token: a line is NAME:HASH:SCOPES:EXPIRY".to_owned());
    };
    check_name(name, "token name")?;
    let hash = parse_hash(hash).ok_or_else(|| format!("the hash of `{name}` is damaged"))?;
    let expires_unix_secs = match expiry {
        "never" => None,
        secs => Some(
            secs.parse()
                .map_err(|_| format!("the expiry of `{name}` is neither seconds nor `never`"))?,
        ),
    };
    let token = Token {
        hash,
        scopes: scopes.parse()?,
        expires_unix_secs,
    };
    Ok((name, token))
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

fn hash_of(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

/// A tokens file that is read again whenever it has changed.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    stamps: Stamps,
    tokens: Arc<Tokens>,
}

impl TokenFile {
    /// The file at a path, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: Mutex::default(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The tokens as the file has them now. A file that cannot be read has none.
    pub fn current(&self) -> Arc<Tokens> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stamps = Stamps::default();
        stamps.look(&self.path);
        if known.stamps != stamps {
            let text = match std::fs::read_to_string(&self.path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                Err(error) => {
                    let path = self.path.display();
                    tracing::error!(%error, "{path} cannot be read: no token is good");
                    String::new()
                }
            };
            let (tokens, faults) = Tokens::read(&self.path.display().to_string(), &text);
            for fault in faults {
                tracing::error!("{}", fault.in_one_line());
            }
            let tokens = Arc::new(tokens);
            *known = Known { stamps, tokens };
        }
        Arc::clone(&known.tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_text_and_good_until_it_expires() {
        let (token, text) = Token::new("read,publish".parse().unwrap(), Some(100)).unwrap();
        let file = with_token("# tokens\n", "grafana", &token);
        assert!(!file.contains(&text));
        let (tokens, faults) = Tokens::read("etc/tokens", &file);
        assert_eq!(faults, []);
        let (name, found) = tokens.find(&text).unwrap();
        assert_eq!((&**name, found), ("grafana", &token));
        assert!(found.is_good_at(99) && !found.is_good_at(100));
        assert!(tokens.find(&format!("{text}x")).is_none());
        assert!(tokens.find("").is_none());
        let (other, other_text) = Token::new(Scopes::ADMIN, None).unwrap();
        let file = with_token(&file, "grafana", &other);
        let (tokens, _) = Tokens::read("etc/tokens", &file);
        assert!(tokens.find(&text).is_none() && tokens.find(&other_text).is_some());
        assert_eq!(without_token(&file, "grafana").unwrap(), "# tokens\n");
        assert_eq!(without_token(&file, "other"), None);
    }

    #[test]
    fn scopes_allow_what_they_say_and_admin_everything() {
        let check = |text: &str, expected: [bool; 4]| {
            let scopes: Scopes = text.parse().unwrap();
            assert_eq!(
                Scope::ALL.map(|scope| scopes.allow(scope)),
                expected,
                "{text}"
            );
            assert_eq!(scopes.to_string(), text);
        };
        check("read", [true, false, false, false]);
        check("publish", [false, true, false, false]);
        check("operate", [true, false, true, false]);
        check("read,publish", [true, true, false, false]);
        check("admin", [true, true, true, true]);
        assert!("".parse::<Scopes>().is_err() && "write".parse::<Scopes>().is_err());
        assert!(
            Scope::ALL
                .iter()
                .all(|scope| !Scopes::default().allow(*scope))
        );
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_without_a_hash() {
        let (token, _) = Token::new(Scopes::ADMIN, None).unwrap();
        let good = with_token("", "a", &token);
        let text = format!(
            "{good}{good}b\nc:12:read:never\n{}",
            good.replace("admin", "all")
        );
        let (tokens, faults) = Tokens::read("etc/tokens", &text);
        assert_eq!(tokens.iter().count(), 1);
        let lines: Vec<_> = faults.iter().map(Fault::in_one_line).collect();
        let starts = [
            "etc/tokens:2:1: a second",
            "etc/tokens:3:1: not a token",
            "etc/tokens:4:1: the hash",
            "etc/tokens:5:1: `all`",
        ];
        assert_eq!(lines.len(), starts.len(), "{lines:?}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn a_changed_file_is_known_at_once_and_a_missing_one_has_no_tokens() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path().join("tokens"));
        assert_eq!(file.current().iter().count(), 0);
        let (token, text) = Token::new(Scopes::ADMIN, None).unwrap();
        std::fs::write(file.path(), with_token("", "a", &token)).unwrap();
        assert!(file.current().find(&text).is_some());
        std::fs::remove_file(file.path()).unwrap();
        assert!(file.current().find(&text).is_none());
    }
}
