//! From a request to its answer: paths, methods and media types.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use crate::failure::Failure;
use crate::patch::PatchType;
use crate::request::{Form, Request};
use crate::store::{State, Store};
use crate::table::{RowObject, partial, table};
use crate::verbs::create::create;
use crate::verbs::delete::{DeleteOptions, delete, delete_collection};
use crate::verbs::read::{Page, Selection, list};
use crate::verbs::update::{patch, replace};
use crate::verbs::{Part, Target, WriteOptions, Written};
use crate::watch::{Watch, WatchOptions};
use crate::{discovery, openapi, protobuf, view};

/// The version that `/version` reports.
pub(crate) const GIT_VERSION: &str = "v1.36.0+embedded";

const JSON: &str = "application/json";

/// Answers one request; `stopped` ends its watch when the listener shuts down.
pub(crate) fn answer(
    store: &Arc<Store>,
    request: &Request,
    body: &Bytes,
    stopped: Option<Receiver<bool>>,
) -> Response<Body> {
    if let Err(failure) = store.check_open() {
        return refusal(&failure);
    }
    let answered = match request.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["healthz" | "livez" | "readyz", ..] => Ok(plain("ok")),
        ["version"] => Ok(object(StatusCode::OK, &version())),
        [] => Ok(object(
            StatusCode::OK,
            &json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}),
        )),
        ["api" | "apis" | "openapi", ..] if request.method == Method::GET && is_document(request) => {
            document(store, request)
        }
        ["api", "v1", rest @ ..] => resource(store, request, body, stopped, ("", "v1"), rest),
        ["apis", group, version, rest @ ..] => resource(store, request, body, stopped, (group, version), rest),
        _ => Err(Failure::unknown_path()),
    };
    answered.unwrap_or_else(|failure| refusal(&failure))
}

/// The answer that carries a refusal.
pub(crate) fn refusal(failure: &Failure) -> Response<Body> {
    let code = StatusCode::from_u16(failure.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    object(code, &failure.status())
}

fn object(code: StatusCode, value: &Value) -> Response<Body> {
    typed(code, JSON, value.to_string())
}

fn plain(text: &str) -> Response<Body> {
    typed(StatusCode::OK, "text/plain; charset=utf-8", text.to_owned())
}

fn typed(code: StatusCode, media: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)})
}

fn is_document(request: &Request) -> bool {
    match request.path.first().map(String::as_str) {
        Some("api") => request.path.len() <= 2,
        Some("apis") => request.path.len() <= 3,
        _ => true,
    }
}

fn document(store: &Store, request: &Request) -> Result<Response<Body>, Failure> {
    let (registry, definitions, revision) = {
        let state = store.lock();
        (Arc::clone(&state.registry), state.definitions(), state.revision)
    };
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let found = match path.as_slice() {
        ["api" | "apis"] if discovery::wants_aggregated(&request.accept) => {
            let document = discovery::aggregated(&registry, path[0] == "api");
            return Ok(typed(StatusCode::OK, discovery::AGGREGATED, document.to_string()));
        }
        ["api"] => Some(discovery::core_versions()),
        ["apis"] => Some(discovery::groups(&registry)),
        ["api", version] => discovery::resources(&registry, "", version),
        ["apis", group] => discovery::group(&registry, group),
        ["apis", group, version] => discovery::resources(&registry, group, version),
        ["openapi", "v3"] => Some(openapi::index(&registry, revision, &request.base)),
        ["openapi", "v3", "api", version] => openapi::document(&registry, &definitions, "", version),
        ["openapi", "v3", "apis", group, version] => openapi::document(&registry, &definitions, group, version),
        ["openapi", "v2"] => {
            let takes = |media: &str| request.accept.split(',').any(|one| one.trim().starts_with(media));
            if !request.accept.is_empty() && !takes(JSON) && !takes("*/*") {
                return Err(Failure::not_acceptable(JSON));
            }
            Some(openapi::document_v2(&registry, &definitions))
        }
        _ => None,
    };
    found.map(|value| object(StatusCode::OK, &value)).ok_or_else(Failure::unknown_path)
}

/// A request on a collection, an object or a part of one.
fn resource(
    store: &Arc<Store>,
    request: &Request,
    body: &Bytes,
    stopped: Option<Receiver<bool>>,
    (group, version): (&str, &str),
    rest: &[&str],
) -> Result<Response<Body>, Failure> {
    let target = target(&store.lock(), (group, version), rest)?;
    let is_object = !target.name.is_empty();
    let watches = request.query.flag("watch");
    match (&request.method, is_object) {
        (&Method::GET, false) if watches => {
            let options = WatchOptions {
                form: request.form(),
                row_object: RowObject::parse(request.query.text("includeObject")),
                stopped,
            };
            let watch = Watch::open(store, &target, &request.query, options)?;
            let mut response = Response::new(Body::from_stream(watch.into_stream()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
            Ok(response)
        }
        (&Method::GET, false) => read_list(store, request, &target),
        (&Method::GET, true) => read_object(store, request, &target),
        (&Method::POST, false) => write(store, request, &target, |transaction, options| {
            if !target.namespace.is_empty() || !target.kind.is_namespaced {
                return create(transaction, &target, parse_body(request, body)?, options);
            }
            Err(Failure::method_not_allowed())
        }),
        (&Method::PUT, true) => write(store, request, &target, |transaction, options| {
            replace(transaction, &target, parse_body(request, body)?, options)
        }),
        (&Method::PATCH, true) => write(store, request, &target, |transaction, options| {
            let how = PatchType::of(&request.content_type, target.kind.is_built_in())?;
            patch(transaction, &target, &parse_json(body)?, how, options)
        }),
        (&Method::DELETE, true) if target.part == Part::Main => {
            let options = DeleteOptions::parse(&request.query, &parse_options(request, body)?)?;
            let deleted = store.write(options.dry_run, |transaction| delete(transaction, &target, &options))?;
            Ok(object(StatusCode::OK, &deleted))
        }
        (&Method::DELETE, false) if target.kind.is_namespaced != target.namespace.is_empty() => {
            let options = DeleteOptions::parse(&request.query, &parse_options(request, body)?)?;
            let selection = Selection::parse(&target, &request.query)?;
            let deleted = store
                .write(options.dry_run, |transaction| delete_collection(transaction, &target, &selection, &options))?;
            Ok(object(StatusCode::OK, &deleted))
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn target(state: &State, (group, version): (&str, &str), rest: &[&str]) -> Result<Target, Failure> {
    let (namespace, rest) = match rest {
        // `namespaces/NAME` and its own parts are the Namespace itself.
        ["namespaces", namespace, plural, tail @ ..]
            if !(group.is_empty() && matches!(*plural, "status" | "finalize")) =>
        {
            (*namespace, [&[*plural], tail].concat())
        }
        other => ("", other.to_vec()),
    };
    let (plural, name, part) = match rest.as_slice() {
        [plural] => (*plural, "", None),
        [plural, name] => (*plural, *name, None),
        [plural, name, part] => (*plural, *name, Some(*part)),
        _ => return Err(fenced(group, &rest)),
    };
    let Some(kind) = state.registry.find(group, version, plural) else {
        return Err(fenced(group, &rest));
    };
    if kind.is_namespaced == namespace.is_empty() && (!name.is_empty() || !namespace.is_empty()) {
        return Err(Failure::unknown_path());
    }
    let part = match part {
        None => Part::Main,
        Some("status") if kind.has_status => Part::Status,
        Some("scale" | "finalize" | "approval" | "exec" | "log" | "token") => {
            return Err(Failure::not_implemented(&format!("{}/{}", kind.name, part.unwrap_or_default())));
        }
        Some(_) => return Err(Failure::unknown_path()),
    };
    Ok(Target { kind: Arc::clone(kind), namespace: namespace.to_owned(), name: name.to_owned(), part })
}

/// The refusal of a path that names nothing here: 501 for what a real server would serve and
/// this one leaves out on purpose, 404 for all else.
fn fenced(group: &str, rest: &[&str]) -> Failure {
    let plural = rest.first().copied().unwrap_or_default();
    let left_out = match group {
        "" => match plural {
            "resourcequotas" | "limitranges" => Some("quota"),
            "pods" if rest.len() > 2 => Some("pod access"),
            _ => None,
        },
        "admissionregistration.k8s.io" => Some("admission"),
        "apiregistration.k8s.io" => Some("aggregation"),
        "authentication.k8s.io" => Some("token review"),
        "authorization.k8s.io" => Some("access review"),
        _ => None,
    };
    left_out.map_or_else(Failure::unknown_path, |what| Failure::not_implemented(&format!("{what} ({plural})")))
}

fn write(
    store: &Store,
    request: &Request,
    target: &Target,
    work: impl FnOnce(&mut crate::store::Transaction<'_>, WriteOptions) -> Result<Written, Failure>,
) -> Result<Response<Body>, Failure> {
    let options = WriteOptions::parse(&request.query, request.options_kind())?;
    let dry_run = request.query.dry_run(request.options_kind())?;
    let written = store.write(dry_run, |transaction| work(transaction, options))?;
    let code = if written.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = one(store, request, target, code, &written.object);
    for warning in &written.warnings {
        let text = format!("299 - {warning:?}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(response)
}

fn read_object(store: &Store, request: &Request, target: &Target) -> Result<Response<Body>, Failure> {
    let found = store.lock().object(&target.location()).cloned();
    let found = found.ok_or_else(|| target.not_found())?;
    Ok(one(store, request, target, StatusCode::OK, &found))
}

/// One stored object in the form that was asked for.
fn one(store: &Store, request: &Request, target: &Target, code: StatusCode, stored: &Value) -> Response<Body> {
    let served = view::served(&target.kind, stored);
    match request.form() {
        Form::Whole => object(code, &served),
        Form::Metadata => object(code, &partial(&served)),
        Form::Table => {
            let now = store.lock().clock.now().as_second();
            let metadata = json!({"resourceVersion": served["metadata"]["resourceVersion"]});
            let rows = RowObject::parse(request.query.text("includeObject"));
            let only = std::iter::once(served.as_ref());
            object(code, &table(&target.kind, only, &metadata, rows, now))
        }
    }
}

fn read_list(store: &Store, request: &Request, target: &Target) -> Result<Response<Body>, Failure> {
    let selection = Selection::parse(target, &request.query)?;
    let (Page { objects, metadata }, now) = {
        let state = store.lock();
        (list(&state, &selection, &request.query)?, state.clock.now().as_second())
    };
    let kind = &target.kind;
    let served: Vec<_> = objects.iter().map(|stored| view::served(kind, stored)).collect();
    if request.form() == Form::Table {
        let rows = RowObject::parse(request.query.text("includeObject"));
        let table = table(kind, served.iter().map(AsRef::as_ref), &metadata, rows, now);
        return Ok(object(StatusCode::OK, &table));
    }
    let (list_kind, api_version, items) = if request.form() == Form::Metadata {
        let items: Vec<Value> = served.iter().map(|item| partial(item)).collect();
        ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned(), json!(items))
    } else {
        (kind.list_kind(), kind.api_version(), json!(served))
    };
    let list = json!({"kind": list_kind, "apiVersion": api_version, "metadata": metadata, "items": items});
    Ok(object(StatusCode::OK, &list))
}

fn parse_json(body: &Bytes) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::bad_request(format!("the body of the request is not JSON: {error}")))
}

fn parse_body(request: &Request, body: &Bytes) -> Result<Value, Failure> {
    let media = request.content_type.split(';').next().unwrap_or_default().trim();
    match media {
        "" | JSON | "text/json" => parse_json(body),
        "application/yaml" | "text/yaml" => serde_saphyr::from_slice(body)
            .map_err(|error| Failure::bad_request(format!("the body of the request is not YAML: {error}"))),
        protobuf::MEDIA_TYPE => protobuf::decode(body),
        other => Err(Failure::unsupported_media_type(format!(
            "the body of the request was in an unknown format ({other}) - accepted media types include: application/json, application/yaml"
        ))),
    }
}

fn parse_options(request: &Request, body: &Bytes) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    parse_body(request, body)
}
