//! The distribution API.

use axum::Router;
use axum::extract::{Request, State as Extracted};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::json;

use crate::shelf::{Kept, digest_of};
use crate::{Door, Fault, Shared, State, answer};

/// Most bytes of a request.
const REQUEST_BYTES_MAX: usize = 64 << 20;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) fn router(shared: Shared) -> Router {
    Router::new().fallback(serve).with_state(shared)
}

/// What of the registry is asked for.
enum Wanted {
    Token,
    Manifest(String, String),
    Blob(String),
    Upload(String),
    Referrers(String, String),
    Nothing,
}

fn wanted(path: &str) -> Wanted {
    if path == "/token" {
        return Wanted::Token;
    }
    let Some(path) = path.strip_prefix("/v2/") else { return Wanted::Nothing };
    let split = |mark| path.rsplit_once(mark).map(|(place, rest): (&str, &str)| (place.to_owned(), rest.to_owned()));
    if let Some((place, _)) = split("/blobs/uploads/") {
        return Wanted::Upload(place);
    }
    if let Some((_, digest)) = split("/blobs/") {
        return Wanted::Blob(digest);
    }
    if let Some((place, version)) = split("/manifests/") {
        return Wanted::Manifest(place, version);
    }
    split("/referrers/").map_or(Wanted::Nothing, |(place, digest)| Wanted::Referrers(place, digest))
}

async fn serve(Extracted(shared): Extracted<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else { return answer::status(413) };
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let mut state = shared.lock();
    state.requests.push(format!("{} {path}", parts.method));
    for fault in &state.faults {
        match fault {
            Fault::Status(code) => return answer::status(*code),
            Fault::StatusAt(part, code) if path.contains(part) => return answer::status(*code),
            _ => {}
        }
    }
    let wanted = wanted(&path);
    if matches!(wanted, Wanted::Token) {
        return token(&state, &parts.headers, &query);
    }
    if let Some(refused) = refused(&state, &shared, &parts.headers, &parts.method, &path) {
        return refused;
    }
    match (parts.method, wanted) {
        (Method::GET, Wanted::Manifest(place, version)) => give_manifest(&mut state, &place, &version),
        (Method::PUT, Wanted::Manifest(place, version)) => {
            take_manifest(&mut state, &parts.headers, &place, &version, &body)
        }
        (Method::GET | Method::HEAD, Wanted::Blob(digest)) => give_blob(&state, &digest),
        (Method::POST, Wanted::Upload(place)) => begin_upload(&state, &place),
        (Method::PUT, Wanted::Upload(_)) => take_blob(&mut state, &query, &body),
        (Method::GET, Wanted::Referrers(place, digest)) if state.settings.keeps_referrers => {
            let found = state.shelf.referrers(&place, &digest);
            answer::json(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}), INDEX)
        }
        _ => answer::status(404),
    }
}

fn give_manifest(state: &mut State, place: &str, version: &str) -> Response {
    let Some(mut kept) = state.shelf.manifest(place, version) else { return answer::status(404) };
    let is_tag = !version.starts_with("sha256:");
    for fault in state.faults.clone() {
        match fault {
            Fault::TagMovesTo(digest) if is_tag => state.shelf.put_tag(place, version, &digest),
            Fault::ManifestIs(bytes) => kept = Kept { bytes: bytes.into(), ..kept },
            _ => {}
        }
    }
    answer::manifest(kept)
}

fn take_manifest(state: &mut State, headers: &HeaderMap, place: &str, version: &str, body: &Bytes) -> Response {
    let media_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let pieces = document["layers"].as_array().into_iter().flatten().chain([&document["config"]]);
    // A registry takes no manifest whose pieces it has not got.
    if pieces.filter_map(|piece| piece["digest"].as_str()).any(|digest| state.shelf.blob(digest).is_none()) {
        return answer::status(400);
    }
    let tag = Some(version).filter(|version| !version.starts_with("sha256:"));
    if tag.is_none() && digest_of(body) != version {
        return answer::status(400);
    }
    state.shelf.put_manifest(place, tag, media_type, body);
    answer::status(201)
}

fn give_blob(state: &State, digest: &str) -> Response {
    let Some(bytes) = state.shelf.blob(digest) else { return answer::status(404) };
    let broken = state.faults.iter().find_map(|fault| match fault {
        Fault::BlobIs(other) => Some(answer::bytes(other.clone().into())),
        Fault::BlobGoesOn => Some(answer::endless(bytes.clone())),
        Fault::BlobBreaksOff => Some(answer::half(&bytes)),
        Fault::BlobElsewhere(place) => Some(answer::at(307, place)),
        _ => None,
    });
    broken.unwrap_or_else(|| answer::bytes(bytes.clone()))
}

fn begin_upload(state: &State, place: &str) -> Response {
    let elsewhere = state.faults.iter().find_map(|fault| match fault {
        Fault::UploadElsewhere(place) => Some(place.clone()),
        _ => None,
    });
    answer::at(202, &elsewhere.unwrap_or_else(|| format!("/v2/{place}/blobs/uploads/1?state=x")))
}

fn take_blob(state: &mut State, query: &str, body: &Bytes) -> Response {
    let digest = digest_of(body);
    let is_told = query.replace("%3A", ":").split('&').any(|part| part == format!("digest={digest}"));
    if !is_told || !query.contains("state=x") {
        return answer::status(400);
    }
    state.shelf.put_blob(body);
    answer::status(201)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn token(state: &State, headers: &HeaderMap, query: &str) -> Response {
    let said = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Door::Token(user, password) = &state.settings.door else { return answer::status(404) };
    let answered = state.faults.iter().find_map(|fault| match fault {
        Fault::TokenIs(text) => Some(*text),
        _ => None,
    });
    if let Some(text) = answered {
        return answer::bytes(text.into());
    }
    if said.is_some_and(|said| said != basic(user, password)) {
        return answer::status(401);
    }
    let rights = if said.is_none() {
        "pull"
    } else if query.contains("push") {
        "push"
    } else {
        "pull"
    };
    answer::json(&json!({"token": format!("for-{rights}")}), "application/json")
}

/// Why a request is not let in.
fn refused(state: &State, shared: &Shared, headers: &HeaderMap, method: &Method, path: &str) -> Option<Response> {
    let said = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let writes = !matches!(*method, Method::GET | Method::HEAD);
    match &state.settings.door {
        Door::Open => None,
        Door::Shut => Some(answer::status(403)),
        Door::Basic(user, password) => {
            (said != basic(user, password)).then(|| answer::challenge("Basic realm=\"fake\""))
        }
        Door::Token(..) => {
            let is_let_in = said == "Bearer for-push" || (said == "Bearer for-pull" && !writes);
            let place = path.trim_start_matches("/v2/").split("/blobs/").next().unwrap_or_default();
            let rights = if writes { "pull,push" } else { "pull" };
            let elsewhere = state.faults.iter().find_map(|fault| match fault {
                Fault::TokensAt(place) => Some(place.clone()),
                _ => None,
            });
            let realm = elsewhere.unwrap_or_else(|| format!("http://{}/token", shared.address));
            let text = format!("Bearer realm=\"{realm}\",service=\"fake\",scope=\"repository:{place}:{rights}\"");
            (!is_let_in).then(|| answer::challenge(&text))
        }
    }
}
