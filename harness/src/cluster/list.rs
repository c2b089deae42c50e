//! Lists of objects: page by page, and shared by the checks of a suite.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

use super::access::encode;
use super::apart::parse_apart;
use super::matching::Matching;
use super::shared::is_shared;
use super::slim::slim;
use super::{AccessError, Cluster, Object};

/// How many objects of a shared list are asked for at once: an API server answers several small pages with less memory than one large list.
const PAGE: usize = 200;
/// The size in bytes from which a page is parsed on a thread of its own.
const LARGE: usize = 100_000;
/// The most pages of one list.
const MOST_PAGES: usize = 1000;

/// The collections that checks share as one list of all namespaces. Never secrets and config maps: their contents would be read
/// where a single one is meant.
const SHARED: [&str; 7] = ["pods", "services", "nodes", "namespaces", "deployments", "statefulsets", "daemonsets"];

/// One page of a list.
#[derive(serde::Deserialize)]
struct Page<T> {
    items: Option<Vec<T>>,
    #[serde(default)]
    metadata: PageMetadata,
}

/// What a page is read as.
trait Item: DeserializeOwned + Send + 'static {}

impl Item for Object {}

/// The namespace and the text of an object that is slimmed as soon as it is read, so that a page is never there as a whole.
struct Slim(String, Box<str>);

impl Item for Slim {}

impl<'de> Deserialize<'de> for Slim {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let slimmed = slim(&Value::deserialize(from)?);
        let namespace = slimmed["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        Ok(Self(namespace, slimmed.to_string().into_boxed_str()))
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMetadata {
    r#continue: Option<String>,
    remaining_item_count: Option<i64>,
}

/// A list as it was answered.
#[derive(Debug)]
enum Listed {
    Objects(Vec<Object>),
    /// Slim objects as text, each with its namespace: as JSON in memory they would take ten times as much.
    Texts(Vec<(String, Box<str>)>),
    /// There is no such kind, or it may not be listed: the same for everybody who asks.
    Refused(AccessError),
}

impl Cluster {
    /// All items of a list, such as `/api/v1/namespaces/x/pods`, filtered by a label selector. A check of a suite shares one list per
    /// kind with the others; see [`share_since`](super::share_since).
    pub async fn list(&self, path: &str, selector: Option<&str>) -> Result<Vec<Object>, AccessError> {
        if !is_shared() {
            return self.list_now(path, selector, None).await;
        }
        if let Some(part) = Part::of(path, selector) {
            match self.list_shared(&part.all, None, part.namespace).await {
                Ok(objects) => return Ok(part.select(objects)),
                // Who may list one namespace may not be allowed to list all of them.
                Err(AccessError::Forbidden { .. }) if part.is_narrower() => {}
                Err(error) => return Err(error),
            }
        }
        self.list_shared(path, selector, None).await
    }

    /// A list that others have read, or read now for all who want it; of a namespace or of all.
    async fn list_shared(
        &self,
        path: &str,
        selector: Option<&str>,
        namespace: Option<&str>,
    ) -> Result<Vec<Object>, AccessError> {
        let what = format!("list {path}?{}", selector.unwrap_or_default());
        // Configuration keeps who wrote it.
        let slims = path.rsplit('/').next().is_some_and(|plural| SHARED.contains(&plural));
        let read = async || {
            let listed = if slims {
                let texts = self.list_now::<Slim>(path, selector, Some(PAGE)).await;
                texts.map(|texts| {
                    Listed::Texts(texts.into_iter().map(|Slim(namespace, text)| (namespace, text)).collect())
                })
            } else {
                self.list_now(path, selector, Some(PAGE)).await.map(Listed::Objects)
            };
            match listed {
                Err(error) if error.is_forbidden() || error.is_not_found() => Ok(Listed::Refused(error)),
                listed => listed,
            }
        };
        let wanted = |own: &str| namespace.is_none_or(|namespace| namespace == own);
        match self.shared.read(&what, read).await?.as_ref() {
            // Objects are shared, not copied.
            Listed::Objects(objects) => Ok(objects.clone()),
            Listed::Texts(texts) => {
                let texts = texts.iter().filter(|(own, _)| wanted(own));
                let objects = texts.map(|(_, text)| serde_json::from_str(text)).collect::<Result<_, _>>();
                objects.map_err(|error| self.unreadable(path, &error))
            }
            Listed::Refused(error) => Err(error.clone()),
        }
    }

    /// All items of a list, as they are now.
    async fn list_now<T: Item>(
        &self,
        path: &str,
        selector: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<T>, AccessError> {
        let first = match selector {
            Some(selector) => format!("{path}?labelSelector={}", encode(selector)),
            None => path.to_owned(),
        };
        match self.pages(&first, limit).await {
            // What the other pages continue is gone: other writes were too many. One page has everything.
            Err(error) if limit.is_some() && error.is_gone() => self.pages(&first, None).await,
            listed => listed,
        }
    }

    async fn pages<T: Item>(&self, first: &str, limit: Option<usize>) -> Result<Vec<T>, AccessError> {
        let path = first.split('?').next().unwrap_or_default();
        let sign = if first.contains('?') { '&' } else { '?' };
        let first = limit.map_or_else(|| first.to_owned(), |limit| format!("{first}{sign}limit={limit}"));
        let sign = if first.contains('?') { '&' } else { '?' };
        let mut next = first.clone();
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let Page { items, metadata } = self.page(&next).await?;
            let missing = || self.other(format!("GET {path} returned no list: `items` is missing"));
            all.extend(items.ok_or_else(missing)?);
            let token = metadata.r#continue.unwrap_or_default();
            if token.is_empty() {
                return match metadata.remaining_item_count {
                    Some(missing) if missing > 0 => {
                        Err(self.other(format!("GET {path} returned a part of the list: {missing} items are missing")))
                    }
                    _ => Ok(all),
                };
            }
            next = format!("{first}{sign}continue={}", encode(&token));
        }
        Err(self.other(format!("GET {path} returned more than {MOST_PAGES} pages of a list")))
    }
}

impl Cluster {
    async fn page<T: Item>(&self, path: &str) -> Result<Page<T>, AccessError> {
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| self.other(error))?;
        let text = self.bounded(self.client.request_text(request)).await?;
        if text.len() < LARGE {
            return serde_json::from_str(&text).map_err(|error| self.unreadable(path, &error));
        }
        let parsed = parse_apart(move || serde_json::from_str(&text)).await;
        parsed.map_err(|error| self.other(error))?.map_err(|error| self.unreadable(path, &error))
    }

    fn unreadable(&self, path: &str, error: &serde_json::Error) -> AccessError {
        self.other(format!("GET {path} did not return JSON: {error}"))
    }
}

/// The part of a list of all namespaces that somebody asks for.
struct Part<'a> {
    /// The path of the list of all namespaces.
    all: String,
    namespace: Option<&'a str>,
    labels: Option<Matching>,
}

impl<'a> Part<'a> {
    /// None for what is not shared as one list: other kinds, and what only the API server can select.
    fn of(path: &'a str, selector: Option<&str>) -> Option<Self> {
        let (base, plural) = path.rsplit_once('/')?;
        let (all, namespace) = match base.split_once("/namespaces/") {
            Some((group, namespace)) if !namespace.contains('/') => (format!("{group}/{plural}"), Some(namespace)),
            Some(_) => return None,
            None => (path.to_owned(), None),
        };
        let labels = match selector {
            Some(selector) => Some(Matching::of(selector)?),
            None => None,
        };
        SHARED.contains(&plural).then_some(Self { all, namespace, labels })
    }

    const fn is_narrower(&self) -> bool {
        self.namespace.is_some() || self.labels.is_some()
    }

    fn select(&self, mut objects: Vec<Object>) -> Vec<Object> {
        objects.retain(|object| {
            self.namespace.is_none_or(|namespace| object.namespace() == namespace)
                && self.labels.as_ref().is_none_or(|labels| labels.has(object.labels()))
        });
        objects
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(namespace: &str, name: &str, app: &str) -> Object {
        Object::from(json!({ "metadata": { "namespace": namespace, "name": name, "labels": { "app": app } } }))
    }

    #[test]
    fn a_part_of_a_list_is_what_the_api_server_would_return() {
        let all = vec![object("a", "one", "x"), object("a", "two", "y"), object("b", "three", "x")];
        let names = |path: &str, selector: Option<&str>| {
            let part = Part::of(path, selector).unwrap();
            assert_eq!(part.all, "/api/v1/pods");
            part.select(all.clone()).iter().map(|one| one.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("/api/v1/pods", None), ["one", "two", "three"]);
        assert_eq!(names("/api/v1/namespaces/a/pods", None), ["one", "two"]);
        assert_eq!(names("/api/v1/pods", Some("app=x")), ["one", "three"]);
        assert_eq!(names("/api/v1/namespaces/b/pods", Some("app in (x,y)")), ["three"]);
        assert_eq!(Part::of("/apis/apps/v1/namespaces/a/deployments", None).unwrap().all, "/apis/apps/v1/deployments");
    }

    #[test]
    fn secrets_and_what_only_the_server_selects_are_never_a_part_of_all() {
        for path in ["/api/v1/namespaces/a/secrets", "/api/v1/namespaces/a/configmaps", "/api/v1/namespaces/a/events"] {
            assert!(Part::of(path, None).is_none(), "{path}");
        }
        assert!(Part::of("/api/v1/namespaces/a/pods", Some("a>1")).is_none());
    }
}
