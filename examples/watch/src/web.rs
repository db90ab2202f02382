use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::{Response, StatusCode};
use tinytorrent_examples::text_response;

use crate::{Status, metrics, page};

/// The response for a path, from the status of the moment.
pub(crate) fn respond(path: &str, status: &Status) -> Response<Full<Bytes>> {
    let (kind, text) = match path {
        "/" => ("text/html; charset=utf-8", page(status)),
        "/status.json" => ("application/json", format!("{:#}\n", status.to_json())),
        "/metrics" => ("text/plain; version=0.0.4; charset=utf-8", metrics(status)),
        _ => {
            let text = "there are /, /status.json and /metrics\n".to_owned();
            return text_response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text);
        }
    };
    let mut response = text_response(StatusCode::OK, kind, text);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Names come from strangers: whatever a browser takes them for, it fetches and runs nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phase;
    use crate::testing::{row, status};

    #[test]
    fn there_are_three_pages_and_no_other() {
        let status = status(vec![row(1, "a", Phase::Seeding)]);
        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/status.json", "application/json"),
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ] {
            let response = respond(path, &status);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()["content-type"], kind);
            assert!(response.headers().contains_key("content-security-policy"));
        }
        assert_eq!(respond("/else", &status).status(), StatusCode::NOT_FOUND);
    }
}
