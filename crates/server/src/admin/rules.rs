//! The file of access rules: its text, its rules one by one, and their change.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use columba_broker::access::{AccessRules, Action, Hits, HitsByAction, Rule};
use columba_broker::query::{AccessHits, Answer, Request};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Admin, May, Read};
use super::condition::{Condition, DryRun, tag_of};
use super::extract::{Body, Params, PathOf};
use super::files::{edit_checked, read as read_file};
use super::problem::{FaultView, Problem};
use super::sessions::unexpected;
use crate::access_file;
use crate::access_file::edit::{
    CannotEdit, RuleText, rules, with_other_rule, with_rule, without_rule,
};
use crate::config::AclFormat;
use crate::instance::file::PLAIN_MODE;

/// How often shards are asked that do not have the same rules.
const HITS_TRIES: usize = 3;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read, write))
        .routes(routes!(add))
        .routes(routes!(replace, remove))
}

/// The access rules.
#[derive(Debug, Serialize, ToSchema)]
struct RulesView {
    /// The file.
    file: String,
    /// `columba` or `mosquitto`.
    format: &'static str,
    /// What stands in it.
    text: String,
    /// Changes with the text: for `If-Match`.
    etag: String,
    /// Its rules in the order in which they are asked; null if they stand in a form that cannot be
    /// changed one by one.
    rules: Option<Vec<RuleView>>,
    /// Whether this text is what counts now; if not, it is not read again yet, or is at fault.
    is_in_force: bool,
    /// How often each rule that counts now has decided, in the order in which they are asked.
    hits: Vec<RuleHitsView>,
    /// What no rule decided, since the rules changed last or the broker started.
    by_default: DefaultHitsView,
}

/// How often a rule that is in force has decided: since the broker started, or since the rule was
/// written if that was later. Other rules may change, and this one may move, without an end to the count.
#[derive(Debug, Serialize, ToSchema)]
struct RuleHitsView {
    /// Where it stands, as logs and denials name it: `etc/acl.toml:12`.
    place: String,
    /// Whether it allows; if not, it denies.
    is_allow: bool,
    /// Since when it is counted, in milliseconds since 1970.
    since_unix_ms: u64,
    /// Messages that clients published, and their Wills.
    publish: HitsView,
    /// Subscriptions; those that ended when the rules changed are among them.
    subscribe: HitsView,
    /// Copies of messages; where neither a rule nor the default can deny one, none is checked or counted.
    receive: HitsView,
}

/// What no rule has decided.
#[derive(Debug, Serialize, ToSchema)]
struct DefaultHitsView {
    /// Since when it is counted, in milliseconds since 1970.
    since_unix_ms: u64,
    /// Messages that clients published, and their Wills.
    publish: DefaultView,
    /// Subscriptions.
    subscribe: DefaultView,
    /// Copies of messages; where neither a rule nor the default can deny one, none is checked or counted.
    receive: DefaultView,
}

/// How often something was decided.
#[derive(Debug, Serialize, ToSchema)]
struct HitsView {
    /// How often.
    times: u64,
    /// When last, in milliseconds since 1970; null if never.
    last_unix_ms: Option<u64>,
}

/// How often nothing but the default decided.
#[derive(Debug, Serialize, ToSchema)]
struct DefaultView {
    /// Whether it allows.
    is_allowed: bool,
    /// How often.
    times: u64,
    /// When last, in milliseconds since 1970; null if never.
    last_unix_ms: Option<u64>,
}

impl From<Hits> for HitsView {
    fn from(hits: Hits) -> Self {
        Self {
            times: hits.times,
            last_unix_ms: (hits.times > 0).then_some(hits.last_unix_ms),
        }
    }
}

impl RuleHitsView {
    fn new(rule: &Rule, hits: &HitsByAction) -> Self {
        Self {
            place: rule.place.clone(),
            is_allow: rule.is_allow,
            since_unix_ms: hits.since_unix_ms,
            publish: hits.publish.into(),
            subscribe: hits.subscribe.into(),
            receive: hits.receive.into(),
        }
    }
}

impl DefaultHitsView {
    fn new(access: &AccessRules, hits: &HitsByAction) -> Self {
        let view = |action, hits: Hits| DefaultView {
            is_allowed: access.default_for(action),
            times: hits.times,
            last_unix_ms: (hits.times > 0).then_some(hits.last_unix_ms),
        };
        Self {
            since_unix_ms: hits.since_unix_ms,
            publish: view(Action::Publish, hits.publish),
            subscribe: view(Action::Subscribe, hits.subscribe),
            receive: view(Action::Receive, hits.receive),
        }
    }
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
struct RuleView {
    /// Its number, counted from 1; it changes with what stands before it.
    number: usize,
    /// Where it stands, as logs and denials name it: `etc/acl.toml:12`.
    place: String,
    /// What it says.
    rule: RuleText,
}

/// A new text of the rules.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewText {
    /// All of it.
    text: String,
}

/// What a change has come to, or would.
#[derive(Debug, Serialize, ToSchema)]
struct Changed {
    /// Whether it was only checked.
    dry_run: bool,
    /// The ETag of the rules after the change.
    etag: String,
    /// What stands in the file after the change.
    text: String,
    /// What is not wrong, but perhaps not wanted.
    warnings: Vec<FaultView>,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AddParams {
    /// Which number it gets; the last, if nothing is said.
    #[param(value_type = Option<usize>, minimum = 1)]
    number: Option<NonZeroUsize>,
}

/// The file and its format.
fn file(app: &App) -> Result<(PathBuf, AclFormat), Problem> {
    let acl = app.config().acl.clone();
    acl.ok_or_else(|| {
        Problem::conflict(
            "the configuration names no access rules, so everybody may do everything: write \
             `acl = \"etc/acl.toml\"` under [access]",
        )
    })
}

/// The access rules
///
/// As they stand in the file, with their ETag, and how often each has decided.
#[utoipa::path(
    get, path = "/acl", tag = "access",
    responses((status = 200, description = "The rules", body = RulesView)),
)]
async fn read(_: May<Read>, State(app): State<App>) -> Result<Response, Problem> {
    let (path, format) = file(&app)?;
    let text = read_file(&path)?;
    let file = app.running.shown(&path);
    let found = match format {
        AclFormat::Columba => rules(&text).ok(),
        AclFormat::Mosquitto => None,
    };
    let view = |(at, found): (usize, crate::access_file::edit::FoundRule)| RuleView {
        number: at + 1,
        place: format!("{file}:{}", found.line),
        rule: found.rule,
    };
    let rules = found.map(|found| found.into_iter().enumerate().map(view).collect());
    let AccessHits { access, hits } = hits_of_all(&app).await?;
    let in_file = access_file::read(&file, &text, format);
    let counted = access.rules().iter().zip(&hits.rules);
    let view = RulesView {
        is_in_force: in_file.faults.is_empty() && in_file.rules == *access,
        hits: counted
            .map(|(rule, hits)| RuleHitsView::new(rule, hits))
            .collect(),
        by_default: DefaultHitsView::new(&access, &hits.by_default),
        format: match format {
            AclFormat::Columba => "columba",
            AclFormat::Mosquitto => "mosquitto",
        },
        etag: tag_of(&text),
        rules,
        file,
        text,
    };
    let tag = view.etag.clone();
    Ok(tagged(Json(view), &tag))
}

/// The rules in force and their counts, of all shards together.
async fn hits_of_all(app: &App) -> Result<AccessHits, Problem> {
    // Rules that change reach the shards one by one.
    for _ in 0..HITS_TRIES {
        let mut sum: Option<AccessHits> = None;
        let mut is_same = true;
        for answer in app.asker.ask_all(&Request::AccessHits).await? {
            let one = match answer {
                Answer::AccessHits(one) => one,
                other => return Err(unexpected(&other)),
            };
            match &mut sum {
                None => sum = Some(*one),
                Some(sum) if sum.access == one.access => sum.hits.add(&one.hits),
                Some(_) => is_same = false,
            }
        }
        if let Some(sum) = sum.filter(|_| is_same) {
            return Ok(sum);
        }
    }
    Err(Problem::busy("the access rules are changing: try again").after_secs(1))
}

/// Change the text of the access rules
///
/// All of it, comments included. It is checked first: if anything is wrong, the answer names file and
/// line, and everything stays as it was. What it says counts at once. With `If-Match` only if the rules
/// are as they were read.
#[utoipa::path(
    put, path = "/acl", tag = "access",
    params(DryRun, ("If-Match" = Option<String>, Header, description = "The ETag of the rules")),
    request_body = NewText,
    responses((status = 200, description = "It is changed, or would be", body = Changed)),
)]
async fn write(
    _: May<Admin>,
    State(app): State<App>,
    Params(DryRun { dry_run }): Params<DryRun>,
    headers: HeaderMap,
    Body(new): Body<NewText>,
) -> Result<Response, Problem> {
    let (path, _) = file(&app)?;
    let condition = Condition::of(&headers)?;
    change(&app, path, dry_run, |text| {
        condition.check(Some(&tag_of(text)))?;
        Ok(new.text)
    })
    .await
}

/// Add an access rule
///
/// As the last, or with a number of its own. Everything else in the file stays as it is.
#[utoipa::path(
    post, path = "/acl/rules", tag = "access",
    params(
        DryRun, AddParams,
        ("If-Match" = Option<String>, Header, description = "The ETag of the rules; with `number` it is needed"),
    ),
    request_body = RuleText,
    responses((status = 200, description = "It is added, or would be", body = Changed)),
)]
async fn add(
    _: May<Admin>,
    State(app): State<App>,
    Params(DryRun { dry_run }): Params<DryRun>,
    Params(AddParams { number }): Params<AddParams>,
    headers: HeaderMap,
    Body(rule): Body<RuleText>,
) -> Result<Response, Problem> {
    let condition = Condition::of(&headers)?;
    if number.is_some() {
        condition.is_needed()?;
    }
    let path = rule_file(&app)?;
    change(&app, path, dry_run, |text| {
        condition.check(Some(&tag_of(text)))?;
        with_rule(text, number.map(NonZeroUsize::get), &rule).map_err(cannot)
    })
    .await
}

/// Change an access rule
///
/// The comments above it stay. `If-Match` is needed, because numbers change.
#[utoipa::path(
    put, path = "/acl/rules/{number}", tag = "access",
    params(
        ("number" = usize, Path, description = "Its number, counted from 1", minimum = 1),
        DryRun,
        ("If-Match" = Option<String>, Header, description = "The ETag of the rules"),
    ),
    request_body = RuleText,
    responses((status = 200, description = "It is changed, or would be", body = Changed)),
)]
async fn replace(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(number): PathOf<NonZeroUsize>,
    Params(DryRun { dry_run }): Params<DryRun>,
    headers: HeaderMap,
    Body(rule): Body<RuleText>,
) -> Result<Response, Problem> {
    let condition = Condition::of(&headers)?;
    condition.is_needed()?;
    let path = rule_file(&app)?;
    change(&app, path, dry_run, |text| {
        condition.check(Some(&tag_of(text)))?;
        with_other_rule(text, number.get(), &rule).map_err(cannot)
    })
    .await
}

/// Remove an access rule
///
/// With the comments right above it. `If-Match` is needed, because numbers change.
#[utoipa::path(
    delete, path = "/acl/rules/{number}", tag = "access",
    params(
        ("number" = usize, Path, description = "Its number, counted from 1", minimum = 1),
        DryRun,
        ("If-Match" = Option<String>, Header, description = "The ETag of the rules"),
    ),
    responses((status = 200, description = "It is removed, or would be", body = Changed)),
)]
async fn remove(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(number): PathOf<NonZeroUsize>,
    Params(DryRun { dry_run }): Params<DryRun>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let condition = Condition::of(&headers)?;
    condition.is_needed()?;
    let path = rule_file(&app)?;
    change(&app, path, dry_run, |text| {
        condition.check(Some(&tag_of(text)))?;
        without_rule(text, number.get()).map_err(cannot)
    })
    .await
}

/// The file, if its rules can be changed one by one.
fn rule_file(app: &App) -> Result<PathBuf, Problem> {
    match file(app)? {
        (path, AclFormat::Columba) => Ok(path),
        (path, AclFormat::Mosquitto) => Err(Problem::conflict(format!(
            "{} is a file of Mosquitto, whose lines depend on each other: change its text with PUT /acl",
            app.running.shown(&path)
        ))),
    }
}

fn cannot(why: CannotEdit) -> Problem {
    match why {
        CannotEdit::Missing => Problem::missing(why.to_string()),
        CannotEdit::Syntax | CannotEdit::Inline => {
            Problem::conflict(format!("{why}: change its text with PUT /acl"))
        }
    }
}

async fn change(
    app: &App,
    path: PathBuf,
    dry_run: bool,
    change: impl FnOnce(&str) -> Result<String, Problem>,
) -> Result<Response, Problem> {
    let edited = edit_checked(app, path, (PLAIN_MODE, dry_run), |text| {
        Ok((change(text)?, ()))
    })
    .await?;
    let tag = tag_of(&edited.text);
    let changed = Changed {
        dry_run,
        etag: tag.clone(),
        text: edited.text,
        warnings: edited.warnings,
    };
    Ok(tagged(Json(changed), &tag))
}

/// An answer with an ETag.
pub(super) fn tagged(body: impl IntoResponse, tag: &str) -> Response {
    let mut response = body.into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
