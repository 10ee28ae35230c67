//! What a request asks for: path, query and media types, parsed once.

use std::collections::BTreeMap;

use http::{HeaderMap, Method, Uri};

use crate::failure::Failure;

/// A parsed request, without its body.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: Vec<String>,
    /// What the client's paths start with; links in answers need it.
    pub(crate) base: String,
    pub(crate) query: Query,
    pub(crate) content_type: String,
    pub(crate) accept: String,
}

impl Request {
    /// Parses the head of a request; `base` is the part of the path that is not the API's.
    pub(crate) fn parse(method: &Method, uri: &Uri, headers: &HeaderMap, base: &str) -> Result<Self, Failure> {
        let header = |name| {
            headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let path = uri.path();
        let path = path
            .strip_prefix(base)
            .unwrap_or(path)
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| decode(part, false))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            method: method.clone(),
            path,
            base: base.to_owned(),
            query: Query::parse(uri.query().unwrap_or_default())?,
            content_type: header(http::header::CONTENT_TYPE),
            accept: header(http::header::ACCEPT),
        })
    }

    /// The kind of the verb's options object, as refusals name it.
    pub(crate) fn options_kind(&self) -> &'static str {
        match self.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            Method::DELETE => "DeleteOptions",
            _ => "ListOptions",
        }
    }

    /// The form of answer that the client prefers, of those that are served.
    pub(crate) fn form(&self) -> Form {
        for media in self.accept.split(',') {
            let mut parts = media.split(';').map(str::trim);
            let is_json = matches!(parts.next(), Some("application/json" | "*/*" | "application/*"));
            let parameters: Vec<&str> = parts.collect();
            let named = |name: &str| parameters.iter().find_map(|part| part.strip_prefix(name));
            match (is_json, named("as=")) {
                (true, Some("Table")) if named("v=") == Some("v1") => return Form::Table,
                (true, Some("PartialObjectMetadata" | "PartialObjectMetadataList")) => {
                    return Form::Metadata;
                }
                (true, None) => return Form::Whole,
                _ => {}
            }
        }
        Form::Whole
    }
}

/// How objects are written in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Table,
    Metadata,
}

/// Query parameters; of a repeated one the first counts.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    fn parse(text: &str) -> Result<Self, Failure> {
        let mut parameters = BTreeMap::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            parameters.entry(decode(name, true)?).or_insert(decode(value, true)?);
        }
        Ok(Self(parameters))
    }

    /// The parameter, unless absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the parameter says yes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name).map(String::as_str), Some("true" | "1" | "True" | "t"))
    }

    /// A number; anything else is a 400.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Failure::bad_request(format!("query parameter {name}: {text:?} is not a number")))
            })
            .transpose()
    }

    /// A resourceVersion; absent and empty are `None`.
    pub(crate) fn revision(&self) -> Result<Option<u64>, Failure> {
        self.text("resourceVersion")
            .map(|text| {
                text.parse()
                    .map_err(|_| Failure::bad_request(format!("Invalid value: {text:?}: invalid resource version")))
            })
            .transpose()
    }

    /// Whether nothing is to be stored; only `All` is known. `kind` is that of the verb's options.
    pub(crate) fn dry_run(&self, kind: &str) -> Result<bool, Failure> {
        match self.text("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Failure::unknown_option(kind, "dryRun", other, &["All"])),
        }
    }
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, Failure> {
    let malformed = || Failure::bad_request(format!("malformed escape in {text:?}"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || {
                    let byte = rest.next().ok_or_else(malformed)?;
                    char::from(byte).to_digit(16).ok_or_else(malformed)
                };
                let code = digit()? * 16 + digit()?;
                bytes.push(u8::try_from(code).map_err(|_| malformed())?);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, accept: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, accept.parse().unwrap());
        Request::parse(&Method::GET, &uri.parse().unwrap(), &headers, "").unwrap()
    }

    #[test]
    fn escapes_are_decoded() {
        let request = request("/api/v1/configmaps?labelSelector=a%3Db%2Cc+in+%28d%29&watch=1", "");
        assert_eq!(request.path, ["api", "v1", "configmaps"]);
        assert_eq!(request.query.text("labelSelector"), Some("a=b,c in (d)"));
        assert!(request.query.flag("watch"));
    }

    #[test]
    fn the_first_served_form_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(request("/", kubectl).form(), Form::Table);
        let kube = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        assert_eq!(request("/", kube).form(), Form::Metadata);
        assert_eq!(request("/", "application/vnd.kubernetes.protobuf,application/json").form(), Form::Whole);
    }
}
