//! A server on the loopback interface, and requests to it.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use evercore::service::{Lifecycle, Service, ServiceError};
use evercore_web::{Http, http};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::PATIENCE;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<Result<(), ServiceError>>,
    client: Client<HttpConnector, Body>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Server {
    /// Serves a router until the end of the test.
    pub(crate) async fn start(router: Router) -> Self {
        Self::with(router, |server| server).await
    }

    pub(crate) async fn with(router: Router, set: impl FnOnce(Http) -> Http) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stop = CancellationToken::new();
        let (mut server, lifecycle) = (set(http(listener, router)), Lifecycle::new(stop.clone()));
        let of_the_task = lifecycle.clone();
        let running = tokio::spawn(async move { server.run(&of_the_task).await });
        let ready = tokio::time::timeout(PATIENCE, lifecycle.until_ready()).await;
        ready.expect("it accepts connections");
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { address, stop, running, client }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let uri = format!("http://{}{path}", self.address).parse().expect("a URI");
        let asked = tokio::time::timeout(PATIENCE, self.client.get(uri)).await;
        let response = asked.expect("it answers in time").expect("it answers");
        let status = response.status().as_u16();
        let content_type = response.headers()["content-type"].to_str().expect("a text").to_owned();
        let body = to_bytes(Body::new(response.into_body()), usize::MAX).await;
        let text = String::from_utf8(body.expect("a body").to_vec()).expect("a text");
        Answer { status, content_type, text }
    }

    /// Stops the server, and waits until it has ended.
    pub(crate) async fn shutdown(self) -> Result<(), ServiceError> {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("it ends in time").expect("it does not panic")
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
