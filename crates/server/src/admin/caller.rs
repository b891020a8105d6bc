//! Who makes a request, and whether it may.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use columba_broker::event::{AuthRequest, AuthVerdict, ListenerId, Peer};

use super::app::App;
use super::audit::Who;
use super::problem::Problem;
use crate::auth::Authenticate as _;
use crate::auth::tokens::{Scope, Scopes};

/// The group whose users may do everything.
const ADMIN_GROUP: &str = "admin";

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// Over TCP.
    Ip(SocketAddr),
    /// Over the Unix socket, by somebody who may use it.
    Socket {
        /// The user of the operating system.
        uid: u32,
    },
}

impl Origin {
    /// The address, if there is one.
    pub(super) const fn addr(self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(addr),
            Self::Socket { .. } => None,
        }
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(self) -> bool {
        self.addr()
            .is_none_or(|addr| addr.ip().to_canonical().is_loopback())
    }
}

/// Who makes a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// For the audit: `token grafana`, `user ann`, `socket, uid 0`.
    pub(super) name: Arc<str>,
    /// The user of the broker, if it has logged in as one.
    pub(super) user: Option<Arc<str>>,
    /// What it may do.
    pub(super) scopes: Scopes,
}

impl Caller {
    /// Its name as the recorder of the shards keeps it with what it did.
    pub(super) fn recorded(&self) -> Arc<str> {
        let name = &*self.name;
        match name.char_indices().nth(RECORDED_CHARS_MAX) {
            None => Arc::clone(&self.name),
            Some((end, _)) => {
                let (start, _) = name.split_at(end);
                format!("{start}…").into()
            }
        }
    }
}

/// Characters of a name that are recorded.
const RECORDED_CHARS_MAX: usize = 64;

/// A scope as a type.
pub(super) trait Needs {
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($name:ident),*) => { $(
        pub(super) struct $name;
        impl Needs for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )* };
}

scopes!(Read, Publish, Operate, Admin);

/// Proof that whoever makes a request may do what a scope allows. Every handler takes one, or says
/// why it needs none.
pub(super) struct May<S> {
    pub(super) caller: Caller,
    scope: PhantomData<S>,
}

impl<S: Needs> FromRequestParts<App> for May<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = caller_of(parts, app).await?;
        if !caller.scopes.allow(S::SCOPE) {
            let (name, scope) = (&caller.name, S::SCOPE.name());
            return Err(Problem::forbidden(format!(
                "{name} lacks the scope `{scope}`"
            )));
        }
        Ok(Self {
            caller,
            scope: PhantomData,
        })
    }
}

/// Whoever it is, as long as it is somebody.
pub(super) struct Somebody(pub(super) Caller);

impl FromRequestParts<App> for Somebody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        caller_of(parts, app).await.map(Self)
    }
}

/// Somebody who may look, or a program on this machine.
pub(super) struct Watcher;

impl FromRequestParts<App> for Watcher {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let origin = origin_of(parts)?;
        // A proxy on this machine speaks for others.
        let is_proxied = ["forwarded", "x-forwarded-for"]
            .iter()
            .any(|header| parts.headers.contains_key(*header));
        if origin.is_local() && !is_proxied {
            return Ok(Self);
        }
        May::<Read>::from_request_parts(parts, app).await?;
        Ok(Self)
    }
}

fn origin_of(parts: &Parts) -> Result<Origin, Problem> {
    let origin = parts.extensions.get::<Origin>().copied();
    origin.ok_or_else(|| Problem::failed("the other end of the connection is not known"))
}

async fn caller_of(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let origin = origin_of(parts)?;
    let caller = match (credentials(&parts.headers)?, origin) {
        (Credentials::None, Origin::Socket { uid }) => Caller {
            name: format!("socket, uid {uid}").into(),
            user: None,
            scopes: Scopes::ADMIN,
        },
        (Credentials::None, Origin::Ip(_)) => {
            return Err(Problem::unauthorized(
                "send `Authorization: Bearer TOKEN` (make one: columba token add DIR NAME), or a \
                 user and password with Basic",
            ));
        }
        (Credentials::Token(text), _) => of_token(app, &text)?,
        (Credentials::Password(user, password), _) => {
            of_password(app, origin, user, password).await?
        }
    };
    if let Some(who) = parts.extensions.get::<Who>() {
        who.set(&caller.name);
    }
    Ok(caller)
}

enum Credentials {
    None,
    Token(String),
    Password(String, Vec<u8>),
}

fn credentials(headers: &HeaderMap) -> Result<Credentials, Problem> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Ok(Credentials::None);
    };
    let what = "the header Authorization is neither `Bearer TOKEN` nor `Basic ...`";
    let strange = || Problem::unauthorized(what);
    let text = header.to_str().map_err(|_| strange())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(strange)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Token(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(strange());
    }
    let decoded = STANDARD.decode(rest).map_err(|_| strange())?;
    let colon = decoded.iter().position(|byte| *byte == b':');
    let (user, password) = decoded.split_at(colon.ok_or_else(strange)?);
    let user = String::from_utf8(user.to_vec()).map_err(|_| strange())?;
    let password = password.get(1..).unwrap_or_default().to_vec();
    Ok(Credentials::Password(user, password))
}

fn of_token(app: &App, text: &str) -> Result<Caller, Problem> {
    let tokens = app.tokens.current();
    let Some((name, token)) = tokens.find(text) else {
        return Err(Problem::unauthorized("the token is not known"));
    };
    if !token.is_good_at(app.now().unix_ms / 1000) {
        let what = format!("the token {name} has expired: make another one");
        return Err(Problem::unauthorized(what));
    }
    Ok(Caller {
        name: format!("token {name}").into(),
        user: None,
        scopes: token.scopes,
    })
}

async fn of_password(
    app: &App,
    origin: Origin,
    user: String,
    password: Vec<u8>,
) -> Result<Caller, Problem> {
    let request = AuthRequest {
        peer: Peer {
            addr: origin.addr(),
            listener: ListenerId(0),
            certificate: None,
        },
        client_id: "".into(),
        user_name: Some(user),
        password: Some(password),
    };
    let addr = origin.addr().map(|addr| addr.ip());
    let verdict = match app.authenticator.recall(&request) {
        Some(verdict) => verdict,
        None => {
            let wait = |secs| {
                let what = format!("too many wrong passwords: try again in {secs} s");
                Problem::throttled(what).after_secs(secs)
            };
            app.throttle.check(addr, Instant::now()).map_err(wait)?;
            let verdict = check(app, request).await?;
            if verdict == AuthVerdict::BadCredentials {
                app.throttle.count(addr, Instant::now());
            }
            verdict
        }
    };
    let AuthVerdict::Allow {
        user: Some(user),
        groups,
    } = verdict
    else {
        return Err(Problem::unauthorized("the user or its password is wrong"));
    };
    let is_admin = groups.iter().any(|group| &**group == ADMIN_GROUP)
        || app.config().admin.users.iter().any(|name| *name == *user);
    Ok(Caller {
        name: format!("user {user}").into(),
        user: Some(user),
        scopes: if is_admin {
            Scopes::ADMIN
        } else {
            Scopes::default()
        },
    })
}

async fn check(app: &App, request: AuthRequest) -> Result<AuthVerdict, Problem> {
    let stopping = || Problem::busy("the broker is stopping");
    let _room = app.checks.acquire().await.map_err(|_| stopping())?;
    let authenticator = Arc::clone(&app.authenticator);
    let checked = tokio::task::spawn_blocking(move || authenticator.check(&request));
    checked.await.map_err(|_| stopping())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_recorded_in_part() {
        let recorded = |chars: usize| {
            let caller = Caller {
                name: "名".repeat(chars).into(),
                user: None,
                scopes: Scopes::ADMIN,
            };
            caller.recorded().chars().count()
        };
        assert_eq!(recorded(RECORDED_CHARS_MAX), RECORDED_CHARS_MAX);
        assert_eq!(recorded(RECORDED_CHARS_MAX + 1), RECORDED_CHARS_MAX + 1);
        assert_eq!(recorded(10 * RECORDED_CHARS_MAX), RECORDED_CHARS_MAX + 1);
    }
}
