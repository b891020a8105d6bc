//! Why a message did not arrive: gathers the evidence from all shards, and has it judged.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use columba_broker::access::Action;
use columba_broker::query::{
    AccessAnswer, AccessQuery, Answer, PAGE_ROWS_MAX, Page, Request, SubscriptionKey,
    SubscriptionRow, SubscriptionsQuery, TopicsQuery,
};
use columba_codec::topic::TopicName;
use columba_diagnosis::evidence::FILTERS_MAX;
use columba_diagnosis::history::filter_of;
use columba_diagnosis::render::{Style, json, markdown, text};
use columba_diagnosis::{Code, Evidence, Presence, Question, diagnose, explain};
use columba_speech::Language;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Caller, Somebody};
use super::events::recordings;
use super::extract::Params;
use super::problem::Problem;
use super::sessions::unexpected;
use crate::auth::tokens::Scope;

/// How far back, if nothing is said.
const WINDOW_MS: u64 = 15 * 60 * 1000;

/// Cells of a line.
const WIDTHS: RangeInclusive<usize> = 40..=1000;

/// What clocks may be ahead of UTC.
const OFFSETS_SECS: RangeInclusive<i64> = -86_400..=86_400;

/// Subscriptions that are looked at for one question, of all shards together.
const SUBSCRIPTIONS_MAX: usize = 10_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(why))
        .routes(routes!(codes))
}

/// A question: at least one of `topic`, `from` and `to`.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WhyParams {
    /// The topic that the message was published to. Without it, the one of which those who are asked about
    /// lost most; if they lost nothing, what is the matter with them, or their last message.
    topic: Option<String>,
    /// The client id of who published it.
    from: Option<String>,
    /// The client id of who misses it. Without it, all subscribers are looked at.
    to: Option<String>,
    /// The beginning of the time in question, in milliseconds since 1970. Without it: 15 minutes before the
    /// end, or when the broker started, if that was later.
    since_unix_ms: Option<u64>,
    /// Its end; now without it.
    until_unix_ms: Option<u64>,
    /// The language of the sentences: `en` or `zh`.
    #[serde(default)]
    #[param(inline)]
    lang: Lang,
    /// Whether the whole answer is to come as one text as well, in `rendered`: `text` for a terminal, or
    /// `markdown`.
    #[param(inline)]
    render: Option<Render>,
    /// Cells of a line of that text.
    #[serde(default = "width")]
    #[param(minimum = 40, maximum = 1000)]
    width: usize,
    /// Whether that text does without marks that are not ASCII.
    #[serde(default)]
    ascii: bool,
    /// What the reader's clocks are ahead of UTC, in seconds.
    #[serde(default)]
    #[param(minimum = -86400, maximum = 86400)]
    utc_offset_secs: i64,
}

const fn width() -> usize {
    100
}

#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Zh => Self::Chinese,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Render {
    /// For a terminal.
    Text,
    /// For a ticket or a chat.
    Markdown,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
struct Why {
    /// The verdict, the stages, the timeline, the fixes, what else was noticed, and how far the record
    /// reaches. Its form is named by `schema`.
    #[schema(value_type = Object)]
    report: Value,
    /// The same as one text, if that was asked for.
    rendered: Option<String>,
}

/// Why did it not arrive?
///
/// Looks back at what was recorded and says what became of messages on a topic, with evidence and a fix.
/// Any user may ask, with its own name and password, about clients that have a session under its name, and
/// learns nothing of other clients but what came to topics that its client may use; others need the scope
/// `read`.
#[utoipa::path(
    get, path = "/why", tag = "why", params(WhyParams),
    responses((status = 200, description = "The verdict", body = Why)),
)]
async fn why(
    Somebody(caller): Somebody,
    State(app): State<App>,
    Params(params): Params<WhyParams>,
) -> Result<Json<Why>, Problem> {
    let question = question_of(&app, &params)?;
    let style = style_of(&params)?;
    check_caller(&app, &caller, &question).await?;
    let is_open = params.since_unix_ms.is_none();
    let mut evidence = gather(&app, question, is_open).await?;
    if !caller.scopes.allow(Scope::Read) {
        conceal(&app, &mut evidence).await?;
    }
    let (language, render) = (style.language, params.render);
    let judged = tokio::task::spawn_blocking(move || {
        let report = diagnose(&evidence);
        let rendered = render.map(|render| match render {
            Render::Text => text(&report, &style),
            Render::Markdown => markdown(&report, language),
        });
        Why {
            report: json(&report, language),
            rendered,
        }
    });
    let judged = judged.await;
    let failed = |_| Problem::failed("the evidence could not be judged");
    Ok(Json(judged.map_err(failed)?))
}

fn question_of(app: &App, params: &WhyParams) -> Result<Question, Problem> {
    if params.topic.is_none() && params.from.is_none() && params.to.is_none() {
        return Err(Problem::invalid(
            "say what you ask about: a topic, or a client in from or to",
        ));
    }
    let to_ms = params.until_unix_ms.unwrap_or_else(|| app.now().unix_ms);
    Ok(Question {
        topic: params.topic.clone(),
        publisher: params.from.clone(),
        subscriber: params.to.clone(),
        from_ms: params
            .since_unix_ms
            .unwrap_or_else(|| to_ms.saturating_sub(WINDOW_MS)),
        to_ms,
    })
}

fn style_of(params: &WhyParams) -> Result<Style, Problem> {
    if !WIDTHS.contains(&params.width) {
        let (least, most) = (WIDTHS.start(), WIDTHS.end());
        let what = format!(
            "width is {}: write a number from {least} to {most}",
            params.width
        );
        return Err(Problem::invalid(what));
    }
    if !OFFSETS_SECS.contains(&params.utc_offset_secs) {
        let what = "utc_offset_secs is more than a day";
        return Err(Problem::invalid(what));
    }
    Ok(Style {
        language: params.lang.into(),
        is_ascii: params.ascii,
        width: params.width,
        utc_offset_secs: params.utc_offset_secs,
    })
}

/// Who may not read everything may ask about clients of its own.
async fn check_caller(app: &App, caller: &Caller, question: &Question) -> Result<(), Problem> {
    if caller.scopes.allow(Scope::Read) {
        return Ok(());
    }
    let forbidden = |what: String| Err(Problem::forbidden(what));
    let Some(user) = &caller.user else {
        return forbidden(format!("{} lacks the scope `read`", caller.name));
    };
    let asked = [&question.publisher, &question.subscriber];
    let asked: Vec<&String> = asked.into_iter().flatten().collect();
    if asked.is_empty() {
        return forbidden("without the scope `read`, name a client of yours in from or to".into());
    }
    for client_id in asked {
        let presence = presence_of(app, client_id).await?;
        let owner = presence
            .session()
            .and_then(|session| session.row.user.as_ref());
        if owner != Some(user) {
            return forbidden(format!(
                "{client_id} has no session of the user {user}, and {} lacks the scope `read`",
                caller.name
            ));
        }
    }
    Ok(())
}

/// Topics of others, nearly the one that was asked about, of which it is looked up whether a client may
/// use them.
const NEAR_TOPICS_MAX: usize = 64;

/// Takes out of the evidence what is nobody's business who may ask about clients of its own alone:
/// everything of other clients, and what happens on a topic that its own may not use. Topics that are nearly
/// the right ones stay where the client may use those as well.
async fn conceal(app: &App, evidence: &mut Evidence) -> Result<(), Problem> {
    let Question {
        topic,
        publisher,
        subscriber,
        ..
    } = evidence.question.clone();
    let mut may_see = true;
    if let Some(topic) = topic.filter(|topic| TopicName::parse(topic).is_ok()) {
        let topic = topic.into();
        if let Some(client_id) = &subscriber {
            let receive = access(app, client_id, Action::Receive, &topic).await?;
            if !receive.is_allowed && evidence.is_of_clients {
                // Nobody asked about it: it was found.
                evidence.question.topic = None;
            } else if !receive.is_allowed {
                let rule = receive
                    .rule
                    .unwrap_or_else(|| "no rule allows it".to_owned());
                let what = format!("{client_id} may not receive {topic}: {rule}");
                return Err(Problem::forbidden(what));
            }
        } else if let Some(client_id) = &publisher {
            may_see = access(app, client_id, Action::Publish, &topic)
                .await?
                .is_allowed;
        }
    }
    let own = [publisher.as_deref(), subscriber.as_deref()];
    let own: Vec<&str> = own.into_iter().flatten().collect();
    let usable = usable_topics(app, evidence).await?;
    evidence.conceal(&own, may_see);
    evidence.topics = usable;
    Ok(())
}

/// Of the topics that have to do with the question, those that the client in question may receive from; or,
/// if nobody is asked about who misses something, publish to.
async fn usable_topics(app: &App, evidence: &Evidence) -> Result<Vec<String>, Problem> {
    let question = &evidence.question;
    let (client_id, action) = match (&question.subscriber, &question.publisher) {
        (Some(client_id), _) => (client_id, Action::Receive),
        (None, Some(client_id)) => (client_id, Action::Publish),
        (None, None) => return Ok(Vec::new()),
    };
    let mut usable = Vec::new();
    for topic in evidence.related_topics(NEAR_TOPICS_MAX) {
        let asked = topic.as_str().into();
        if access(app, client_id, action, &asked).await?.is_allowed {
            usable.push(topic);
        }
    }
    Ok(usable)
}

async fn access(
    app: &App,
    client_id: &str,
    action: Action,
    topic: &Arc<str>,
) -> Result<AccessAnswer, Problem> {
    let query = AccessQuery {
        client_id: client_id.into(),
        action,
        topic: Arc::clone(topic),
        identity: None,
    };
    let request = Request::Access(Box::new(query));
    match app.asker.ask_home(client_id, request).await? {
        Answer::Access(answer) => Ok(*answer),
        other => Err(unexpected(&other)),
    }
}

/// What is recorded about a question, and how things stand. A window that `is_open` begins no earlier than
/// the broker.
async fn gather(app: &App, question: Question, is_open: bool) -> Result<Evidence, Problem> {
    // First: what is looked for in the record depends on them.
    let own = match &question.subscriber {
        Some(client_id) => {
            let wanted = SubscriptionsQuery {
                client_id: Some(client_id.as_str().into()),
                ..all_subscriptions()
            };
            subscriptions(app, wanted, SUBSCRIPTIONS_MAX).await?
        }
        None => Vec::new(),
    };
    let recordings = recordings(app).await?;
    let now = app.now();
    let read = tokio::task::spawn_blocking(move || {
        Evidence::from_recordings(question, own, now, &recordings)
    });
    let failed = |_| Problem::failed("the record could not be read");
    let mut evidence = read.await.map_err(failed)?;
    if is_open {
        evidence.clip_to_start(app.past.is_kept());
    }
    let Question {
        topic,
        publisher,
        subscriber,
        ..
    } = evidence.question.clone();
    if let Some(client_id) = &publisher {
        evidence.publisher = presence_of(app, client_id).await?;
    }
    if let Some(client_id) = &subscriber {
        evidence.subscriber = presence_of(app, client_id).await?;
        let session = evidence.subscriber.session();
        if let Some(connection) = session.and_then(|session| session.row.connection) {
            evidence.kernel = app.asker.ask_kernel(client_id, connection.id).await?;
        }
    }
    let Some(topic) = topic.filter(|topic| TopicName::parse(topic).is_ok()) else {
        return Ok(evidence);
    };
    let topic: Arc<str> = topic.into();
    let of_topic = Request::Topics(TopicsQuery {
        filter: Arc::clone(&topic),
        after: None,
        rows_max: 1,
    });
    for answer in app.asker.ask_all(&of_topic).await? {
        match answer {
            Answer::Topics(page) => evidence.topic_rows.extend(page.rows),
            other => return Err(unexpected(&other)),
        }
    }
    let matching = SubscriptionsQuery {
        topic: Some(Arc::clone(&topic)),
        ..all_subscriptions()
    };
    evidence.matching = subscriptions(app, matching, SUBSCRIPTIONS_MAX).await?;
    for client_id in evidence.wanted_holders() {
        if let Presence::Session(session) = presence_of(app, &client_id).await? {
            evidence.holders.push(*session);
        }
    }
    let rows = subscriptions(app, all_subscriptions(), FILTERS_MAX).await?;
    for row in &rows {
        let owner = evidence.owners.entry(filter_of(row));
        owner.or_insert_with(|| row.key.client_id.to_string());
    }
    let mut filters: Vec<String> = rows.iter().map(filter_of).collect();
    filters.sort_unstable();
    filters.dedup();
    evidence.filters = filters;
    Ok(evidence)
}

async fn presence_of(app: &App, client_id: &str) -> Result<Presence, Problem> {
    let request = Request::Session {
        client_id: client_id.into(),
    };
    match app.asker.ask_home(client_id, request).await? {
        Answer::Session(Some(detail)) => Ok(Presence::Session(detail)),
        Answer::Session(None) => Ok(Presence::Absent),
        other => Err(unexpected(&other)),
    }
}

fn all_subscriptions() -> SubscriptionsQuery {
    SubscriptionsQuery {
        rows_max: PAGE_ROWS_MAX,
        ..SubscriptionsQuery::default()
    }
}

/// Subscriptions of all shards, page by page, up to so many.
async fn subscriptions(
    app: &App,
    query: SubscriptionsQuery,
    rows_max: usize,
) -> Result<Vec<SubscriptionRow>, Problem> {
    let mut rows = Vec::new();
    let mut query = query;
    loop {
        let request = Request::Subscriptions(query.clone());
        let answers = app.asker.ask_all(&request).await?;
        let mut next: Option<SubscriptionKey> = None;
        let mut pages = Vec::new();
        for answer in answers {
            let page: Page<SubscriptionRow, SubscriptionKey> = match answer {
                Answer::Subscriptions(page) => page,
                other => return Err(unexpected(&other)),
            };
            // Behind the end of a page that is not the last of its shard, rows may be missing.
            next = match (next, page.next) {
                (Some(known), Some(other)) => Some(known.min(other)),
                (known, other) => known.or(other),
            };
            pages.push(page.rows);
        }
        let is_within = |row: &SubscriptionRow| next.as_ref().is_none_or(|end| row.key <= *end);
        rows.extend(pages.into_iter().flatten().filter(is_within));
        if next.is_none() || rows.len() >= rows_max {
            rows.truncate(rows_max);
            return Ok(rows);
        }
        query.after = next;
    }
}

/// A verdict that there is.
#[derive(Debug, Serialize, ToSchema)]
struct CodeView {
    /// Its code.
    code: &'static str,
    /// What it means, how it comes about and what to do, as text.
    text: String,
}

#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CodesParams {
    /// The language of the texts: `en` or `zh`.
    #[serde(default)]
    #[param(inline)]
    lang: Lang,
}

/// All verdicts
///
/// Every code that an answer can have, with its page of the manual.
#[utoipa::path(
    get, path = "/why/codes", tag = "why", params(CodesParams),
    responses((status = 200, description = "All codes", body = Vec<CodeView>)),
)]
async fn codes(_: Somebody, Params(params): Params<CodesParams>) -> Json<Vec<CodeView>> {
    let view = |code: &Code| CodeView {
        code: code.name(),
        text: explain(*code, params.lang.into(), usize::MAX),
    };
    Json(Code::ALL.iter().map(view).collect())
}
