use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tinytorrent_client::{Client, FigureDetail, Torrent};
use tinytorrent_examples::text_response;

use crate::{Status, metrics, page};

/// The response for a path, from the status of the moment.
pub(crate) fn respond(path: &str, status: &Status, client: &Client) -> Response<Full<Bytes>> {
    match path {
        "/" => response("text/html; charset=utf-8", page(status)),
        "/status.json" => response(JSON, format!("{:#}\n", status.to_json())),
        "/metrics" => {
            let text = metrics(status, client.figures(FigureDetail::Torrents));
            response("text/plain; version=0.0.4; charset=utf-8", text)
        }
        _ => match path.strip_prefix("/torrents/").and_then(|rest| rest.strip_suffix(".json")) {
            Some(hash) => respond_torrent(hash, client),
            None => not_found("there are /, /status.json, /torrents/INFO_HASH.json and /metrics\n"),
        },
    }
}

fn respond_torrent(hash: &str, client: &Client) -> Response<Full<Bytes>> {
    match hash.parse().ok().and_then(|hashes| client.get(hashes)) {
        Some(torrent) => response(JSON, format!("{:#}\n", details(&torrent))),
        None => not_found("there is no such torrent\n"),
    }
}

/// Everything that the client shows of a torrent.
fn details(torrent: &Torrent) -> Value {
    json!({
        "hashes": torrent.hashes(),
        "name": torrent.name(),
        "state": torrent.state(),
        "stats": torrent.stats(),
        "history": torrent.history(),
        "limits": torrent.limits(),
        "external_addresses": torrent.external_addresses(),
        "peers": torrent.peers(),
        "trackers": torrent.trackers(),
        "files": torrent.files(),
        "pieces": torrent.pieces(),
    })
}

fn not_found(text: &str) -> Response<Full<Bytes>> {
    text_response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text.to_owned())
}

fn response(kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = text_response(StatusCode::OK, kind, text);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Names come from strangers: whatever a browser takes them for, it fetches and runs nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tinytorrent_client::{ClientOptions, TorrentOptions};

    use super::*;
    use crate::Phase;
    use crate::testing::{row, status};

    fn client() -> Client {
        let mut options = ClientOptions::default();
        Client::start(options.accept_peers(false).dht(false)).unwrap()
    }

    #[tokio::test]
    async fn there_are_three_pages_of_all_torrents_and_no_other() {
        let (client, status) = (client(), status(vec![row(1, "a", Phase::Seeding)]));
        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/status.json", "application/json"),
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ] {
            let response = respond(path, &status, &client);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()["content-type"], kind);
            assert!(response.headers().contains_key("content-security-policy"));
        }
        assert_eq!(respond("/else", &status, &client).status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_torrent_is_found_by_its_hash() {
        let client = client();
        let hash = "ab".repeat(20);
        let folder = tempfile::tempdir().unwrap();
        let mut options = TorrentOptions::new(folder.path());
        client.add(hash.as_str(), options.paused(true).max_peers(7)).unwrap();
        let ask = |path: &str| respond(path, &Status::default(), &client);
        let response = ask(&format!("/torrents/{hash}.json"));
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let torrent: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&torrent["hashes"], &torrent["state"]), (&json!(hash), &json!("paused")));
        assert_eq!((&torrent["limits"]["max_peers"], &torrent["peers"]), (&json!(7), &json!([])));
        let other = "cd".repeat(20);
        for absent in [other.as_str(), "x"] {
            let response = ask(&format!("/torrents/{absent}.json"));
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{absent}");
        }
    }
}
