//! Publishing.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Condition, PublishRequest, Request};
use columba_codec::topic::TopicName;
use columba_codec::{PropertiesBuf, PropertyId, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Publish};
use super::extract::{Body, Room};
use super::problem::Problem;
use super::sessions::unexpected;
use super::view::qos;

/// Bytes of a request with a message. In Base64 it is a third longer than it is.
pub(super) const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(publish))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// A message to publish.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// Its topic.
    #[schema(min_length = 1, pattern = r"^[^+#\x00]+$")]
    pub(super) topic: String,
    /// The payload as text; without it and `payload_base64` the payload is empty.
    pub(super) payload: Option<String>,
    /// The payload in Base64, in place of `payload`.
    pub(super) payload_base64: Option<String>,
    /// 0, 1 or 2.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2)]
    pub(super) qos: u8,
    /// Whether it is retained; with an empty payload, what is retained is cleared.
    #[serde(default)]
    pub(super) retain: bool,
    /// Message Expiry Interval.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    pub(super) expiry_secs: Option<u32>,
    /// What kind of payload it is, such as `application/json`.
    pub(super) content_type: Option<String>,
    /// Where an answer is expected.
    pub(super) response_topic: Option<String>,
    /// What goes back with an answer, in Base64.
    pub(super) correlation_data_base64: Option<String>,
    /// Names and values for the receivers.
    #[serde(default)]
    pub(super) user_properties: Vec<UserProperty>,
}

/// A name and a value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserProperty {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

impl Message {
    /// As the shards take it, on no condition.
    pub(super) fn request(self) -> Result<PublishRequest, Problem> {
        let properties = self.properties()?;
        let payload = match (self.payload, self.payload_base64) {
            (Some(_), Some(_)) => {
                return Err(Problem::invalid(
                    "write payload or payload_base64, not both",
                ));
            }
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => decoded("payload_base64", &text)?,
            (None, None) => Vec::new(),
        };
        let checked = TopicName::parse(&self.topic);
        checked.map_err(|fault| Problem::invalid(format!("topic: {fault}")))?;
        Ok(PublishRequest {
            topic: self.topic.into(),
            payload,
            qos: qos(self.qos).ok_or_else(|| Problem::invalid("qos is 0, 1 or 2"))?,
            retain: self.retain,
            expiry_secs: self.expiry_secs,
            properties,
            condition: Condition::None,
        })
    }

    fn properties(&self) -> Result<PropertiesBuf, Problem> {
        let mut properties = PropertiesBuf::new();
        let mut push = |id, name: &str, value: Value<'_>| {
            let has_null = match value {
                Value::String(text) => text.contains('\0'),
                Value::Pair(name, text) => name.contains('\0') || text.contains('\0'),
                _ => false,
            };
            let pushed = properties.push(id, value).is_ok();
            if pushed && !has_null {
                return Ok(());
            }
            let what = format!("{name} is longer than 65535 bytes or has a U+0000");
            Err(Problem::invalid(what))
        };
        if self.payload.is_some() {
            let is_text = Value::Flag(true);
            push(PropertyId::PayloadFormatIndicator, "payload", is_text)?;
        }
        if let Some(text) = &self.content_type {
            push(PropertyId::ContentType, "content_type", Value::String(text))?;
        }
        if let Some(topic) = &self.response_topic {
            let checked = TopicName::parse(topic);
            checked.map_err(|fault| Problem::invalid(format!("response_topic: {fault}")))?;
            push(
                PropertyId::ResponseTopic,
                "response_topic",
                Value::String(topic),
            )?;
        }
        if let Some(text) = &self.correlation_data_base64 {
            let name = "correlation_data_base64";
            let data = decoded(name, text)?;
            push(PropertyId::CorrelationData, name, Value::Binary(&data))?;
        }
        for UserProperty { name, value } in &self.user_properties {
            let pair = Value::Pair(name, value);
            push(PropertyId::UserProperty, "user_properties", pair)?;
        }
        Ok(properties)
    }
}

fn decoded(name: &str, text: &str) -> Result<Vec<u8>, Problem> {
    let decoded = STANDARD.decode(text);
    decoded.map_err(|error| Problem::invalid(format!("{name} is no Base64: {error}")))
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
struct Published {
    /// `publish.accepted`, or `publish.no_match` if nobody subscribes.
    outcome: &'static str,
    /// Whether anybody subscribes.
    is_matched: bool,
}

/// Publish a message
///
/// To every topic but those of the broker itself: a token with the scope `publish` stands above the
/// access rules. Messages with QoS 1 and 2, and retained ones, are on the disk when this answers, if
/// there is a store.
#[utoipa::path(
    post, path = "/publish", tag = "messages", request_body = Message,
    responses((status = 200, description = "It was accepted", body = Published)),
)]
async fn publish(
    _: May<Publish>,
    State(app): State<App>,
    _: Room,
    Body(message): Body<Message>,
) -> Result<Json<Published>, Problem> {
    let is_matched = send(&app, message.request()?).await?;
    let outcome = if is_matched {
        Outcome::PublishAccepted
    } else {
        Outcome::PublishNoMatch
    };
    Ok(Json(Published {
        outcome: outcome.name(),
        is_matched,
    }))
}

/// Publishes; whether anybody subscribes.
pub(super) async fn send(app: &App, request: PublishRequest) -> Result<bool, Problem> {
    let topic = request.topic.clone();
    let request = Request::Publish(Box::new(request));
    match app.asker.ask_home(&topic, request).await? {
        Answer::Published { is_matched } => Ok(is_matched),
        other => Err(unexpected(&other)),
    }
}
