//! The listeners.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Read};
use crate::listener::BoundAddress;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A listener.
#[derive(Debug, Serialize, ToSchema)]
struct ListenerView {
    /// Its name.
    name: String,
    /// `tcp`, `tls`, `ws`, `wss` or `unix`.
    kind: &'static str,
    /// Where it listens.
    address: String,
    /// Whether only programs on this machine can reach it.
    is_local: bool,
    /// Connections now.
    connections: usize,
    /// Connections at most; null for no limit of its own.
    connections_max: Option<usize>,
}

/// All listeners.
#[derive(Debug, Serialize, ToSchema)]
struct Listeners {
    /// In the order of the configuration.
    data: Vec<ListenerView>,
}

/// Listeners
#[utoipa::path(
    get, path = "/listeners", tag = "broker",
    responses((status = 200, description = "All listeners", body = Listeners)),
)]
async fn list(_: May<Read>, State(app): State<App>) -> Json<Listeners> {
    let listeners = app.asker.shared.listeners().iter();
    let both = listeners.zip(&app.asker.facts.addresses);
    let data = both.map(|(listener, address)| {
        let connections_max = listener.connections_max();
        ListenerView {
            name: listener.name().to_owned(),
            kind: listener.kind_name(),
            address: address.to_string(),
            is_local: match address {
                BoundAddress::Ip(addr) => addr.ip().to_canonical().is_loopback(),
                BoundAddress::Unix(_) => true,
            },
            connections: listener.connections(),
            connections_max: (connections_max != 0).then_some(connections_max),
        }
    });
    Json(Listeners {
        data: data.collect(),
    })
}
