//! A trace that is deleted while it begins, in the order in which that goes wrong.

use std::path::Path;
use std::sync::mpsc::channel;

use super::*;
use crate::admin::AdminParts;
use crate::auth::Authenticator;
use crate::instance::create::create;
use crate::instance::{Instance, Location, Overrides};
use crate::recorder::Past;
use crate::reload::Reloader;
use crate::runtime::Broker;

/// A broker with two shards, and what its management API works with.
fn broker_and_app(dir: &Path) -> (Broker, App) {
    let place = dir.join("i");
    create(&place).unwrap();
    let config = "[[listener]]\nbind = \"127.0.0.1:0\"\n[broker]\nshards = 2\n";
    std::fs::write(place.join("etc/columba.toml"), config).unwrap();
    let (location, overrides) = (Location::of_directory(&place), Overrides::default());
    let instance = Instance::load(&location, &overrides, []).unwrap();
    let authenticator = Arc::new(Authenticator::new(Arc::clone(&instance.users)).unwrap());
    let runtime = instance.runtime_config(authenticator.clone()).unwrap();
    let broker = Broker::start(runtime).unwrap();
    let (config, bans) = (instance.config.clone(), Arc::clone(&instance.bans));
    let reloader = Reloader::new(location, overrides, instance, Arc::clone(&authenticator));
    let parts = AdminParts {
        config,
        running: reloader.running(),
        asker: broker.asker().clone(),
        authenticator,
        bans,
        past: Past::default(),
        wishes: channel().0,
    };
    (broker, App::new(parts, None))
}

#[tokio::test]
async fn a_trace_that_is_deleted_before_the_shards_know_of_it_is_not_left_on_them() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, app) = broker_and_app(dir.path());
    let added = app.traces.add(&app, ("#".into(), 60, "ann".into()));
    let trace = added.unwrap().0;
    // Whoever deletes it overtakes what began it on its way to the shards.
    app.traces.remove(trace.id).unwrap();
    trace.forget(&app).await.unwrap();
    let begun = begin_on_shards(app.clone(), Arc::clone(&trace), None).await;
    assert!(begun.is_ok(), "{begun:?}");
    let left = trace.recordings(&app).await;
    assert!(left.is_err(), "{left:?}");
    // One that nobody deletes is there.
    let added = app.traces.add(&app, ("#".into(), 60, "ann".into()));
    let trace = added.unwrap().0;
    let begun = begin_on_shards(app.clone(), Arc::clone(&trace), None).await;
    assert!(begun.is_ok(), "{begun:?}");
    assert_eq!(trace.recordings(&app).await.unwrap().len(), 2);
    drop(app);
    broker.shutdown();
}
