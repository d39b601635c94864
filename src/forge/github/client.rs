//! Requests to one GitHub repository: sent through octocrab, bounded in size and time, sent again where that is harmless.
//!
//! Flow: [`Call`] → [`Client::send`] → status and bytes → the small types of `wire`, or a [`Failure`] that says whether
//! the request may have been done.
//!
//! **Invariant:** the token is never logged or shown, and goes to the configured API only; at most
//! [`MAX_ANSWER_BYTES`] of any answer are read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Method, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::retry::{self, MAX_TOTAL, Next, Repeat, Seen};
use crate::forge::text::plain_line;
use crate::model::ForgeConfig;
use crate::ports::{Clock, ForgeError};

/// The largest answer that is read: a page of a hundred pull requests with the longest bodies.
pub(super) const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Entries on one page of a list, the most that GitHub gives.
pub(super) const PAGE: usize = 100;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one attempt may take, body included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// One request.
pub(super) struct Call {
    pub method: Method,
    /// Below the repository (`pulls/7`), or below the API when it starts with `/`. Already encoded.
    pub path: String,
    pub body: Option<Json>,
    pub repeat: Repeat,
}

/// Why a request gave nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The forge said no; nothing was done.
    Status { status: u16, message: String },
    /// Nobody knows whether it was done.
    Unclear { why: String },
    /// It was not sent, or not to the end; nothing was done.
    NotDone { why: String },
}

/// Talks to the API of one repository.
pub(super) struct Client {
    octocrab: Octocrab,
    /// Scheme, authority and path of the API, without a slash at its end.
    api: String,
    /// `owner/name`
    repository: String,
    token_env: String,
    clock: Arc<dyn Clock>,
    /// No request is sent before then, since the forge said that its limit is used up.
    used_up_until: Mutex<Option<Timestamp>>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Json>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, None, Repeat::Harmless)
    }

    pub fn new(
        method: Method,
        path: impl Into<String>,
        body: Option<Json>,
        repeat: Repeat,
    ) -> Self {
        Self {
            method,
            path: path.into(),
            body,
            repeat,
        }
    }
}

impl Client {
    /// Prepares requests; sends none. Has to be called within a tokio runtime.
    pub fn new(
        config: &ForgeConfig,
        token: &SecretString,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let api = config.api_url.trim_end_matches('/').to_owned();
        let uri: Uri = api
            .parse()
            .map_err(|_| "forge.api_url is not a URL".to_owned())?;
        check_transport(&uri)?;
        check_token(token, &config.token_env)?;
        let octocrab = Octocrab::builder()
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT_TIMEOUT))
            .set_read_timeout(Some(ATTEMPT_TIMEOUT))
            .set_write_timeout(Some(ATTEMPT_TIMEOUT))
            .base_uri(uri)
            .map_err(|_| "forge.api_url is not a URL".to_owned())?
            .personal_token(token.clone())
            .build()
            .map_err(|error| plain_line(&error.to_string()))?;
        Ok(Self {
            octocrab,
            api,
            repository: config.repository.clone(),
            token_env: config.token_env.clone(),
            clock,
            used_up_until: Mutex::new(None),
        })
    }

    pub fn owner(&self) -> &str {
        self.repository.split('/').next().unwrap_or_default()
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Sends and decodes. Where a repeat is harmless, what cannot be decoded is a failure like any other.
    pub async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, Failure> {
        let bytes = self.send(&call).await?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::Unclear {
            why: format!(
                "its answer is not understood: {}",
                plain_line(&error.to_string())
            ),
        })
    }

    /// Like [`Client::fetch`], with none for 404.
    pub async fn find<T: DeserializeOwned>(&self, call: Call) -> Result<Option<T>, Failure> {
        match self.fetch(call).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Status { status: 404, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Reads a list page by page, at most `max_pages`; false when there may be more.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        max_pages: usize,
    ) -> Result<(Vec<T>, bool), Failure> {
        let mut all = Vec::new();
        let sign = if path.contains('?') { '&' } else { '?' };
        for page in 1..=max_pages {
            let call = Call::get(format!("{path}{sign}per_page={PAGE}&page={page}"));
            let entries: Vec<T> = self.fetch(call).await?;
            let count = entries.len();
            all.extend(entries);
            if count < PAGE {
                return Ok((all, true));
            }
        }
        Ok((all, false))
    }

    /// Sends, again where that is harmless and helps, and gives the body of a good answer.
    pub async fn send(&self, call: &Call) -> Result<Vec<u8>, Failure> {
        let started = self.clock.now();
        self.wait_for_limit(started).await?;
        for attempt in 0.. {
            let outcome = self.attempt(call).await;
            let now = self.clock.now();
            let (seen, failure) = match outcome {
                Ok(answer) => match self.read(answer, now) {
                    Ok(body) => return Ok(body),
                    Err(no) => no,
                },
                Err(failure) => (seen_of(&failure), failure),
            };
            let elapsed = Duration::try_from(now.duration_since(started)).unwrap_or_default();
            match retry::next(&seen, call.repeat, attempt, elapsed) {
                Next::Return => return Err(settled(seen, failure)),
                Next::GiveUp { asked } => return Err(given_up(&seen, failure, asked)),
                Next::After(wait) => {
                    tracing::debug!(
                        method = %call.method, path = call.path, attempt,
                        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        "forge request is sent again"
                    );
                    self.clock.sleep(wait).await;
                }
            }
        }
        unreachable!("attempts end within the loop")
    }

    async fn wait_for_limit(&self, now: Timestamp) -> Result<(), Failure> {
        let until = *self.used_up_until.lock().expect("not poisoned");
        let Some(until) = until.filter(|until| *until > now) else {
            return Ok(());
        };
        let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        if wait > MAX_TOTAL {
            return Err(Failure::NotDone {
                why: limit_words(wait),
            });
        }
        self.clock.sleep(wait).await;
        Ok(())
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Failure> {
        let uri = match call.path.strip_prefix('/') {
            Some(path) => format!("{}/{path}", self.api),
            None => format!("{}/repos/{}/{}", self.api, self.repository, call.path),
        };
        let builder = http::Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header(http::header::ACCEPT, "application/vnd.github+json");
        let request = self
            .octocrab
            .build_request(builder, call.body.as_ref())
            .map_err(|error| Failure::NotDone {
                why: plain_line(&error.to_string()),
            })?;
        let exchange = async {
            let response = self.octocrab.execute(request).await.map_err(unclear)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| match error.downcast::<LengthLimitError>() {
                    Ok(_) => Failure::NotDone {
                        why: format!("its answer is larger than {MAX_ANSWER_BYTES} bytes"),
                    },
                    Err(error) => Failure::Unclear {
                        why: format!("its answer broke off ({})", plain_line(&error.to_string())),
                    },
                })?;
            Ok(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: body.to_bytes().to_vec(),
            })
        };
        tokio::time::timeout(ATTEMPT_TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(Failure::Unclear {
                    why: format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs()),
                })
            })
    }

    /// The body of a good answer, or what it means that it is none.
    fn read(&self, answer: Answer, now: Timestamp) -> Result<Vec<u8>, (Seen, Failure)> {
        if let Some(until) = retry::used_up_until(&answer.headers) {
            *self.used_up_until.lock().expect("not poisoned") = Some(until);
        }
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let message = error_message(&answer.body);
        let seen = retry::seen(answer.status, &answer.headers, &message, now);
        let failure = Failure::Status {
            status: answer.status,
            message,
        };
        Err((seen, failure))
    }

    /// Turns a failure into the port's error.
    pub fn error(&self, action: &str, failure: Failure) -> ForgeError {
        let action = action.to_owned();
        match failure {
            Failure::Status { status, message } => ForgeError::Refused {
                hint: self.hint(status),
                why: format!("{status} {message}"),
                action,
            },
            Failure::Unclear { why } | Failure::NotDone { why } => {
                ForgeError::Unreachable { action, why }
            }
        }
    }

    fn hint(&self, status: u16) -> String {
        match status {
            401 => format!("check the token in {}", self.token_env),
            403 => format!(
                "the token in {} needs write access to contents, pull requests, issues and commit statuses of {}",
                self.token_env, self.repository
            ),
            404 => format!(
                "check forge.repository ({}) and whether the token in {} may see it",
                self.repository, self.token_env
            ),
            300..=399 => {
                "the repository was renamed or moved: name the new place in forge.repository".into()
            }
            _ => "see what the forge says".into(),
        }
    }
}

/// Only this machine is spoken to without encryption, since the token goes along.
fn check_transport(uri: &Uri) -> Result<(), String> {
    let host = uri.host().unwrap_or_default();
    let is_here = matches!(host, "localhost" | "[::1]")
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        _ if host.is_empty() || uri.query().is_some() => {
            Err("forge.api_url is a URL such as https://api.github.com".into())
        }
        Some("https") => Ok(()),
        Some("http") if is_here => Ok(()),
        _ => Err(
            "forge.api_url has to start with https://, or the token could be read on the way"
                .into(),
        ),
    }
}

fn check_token(token: &SecretString, token_env: &str) -> Result<(), String> {
    let text = token.expose_secret();
    if text.is_empty() {
        return Err(format!("{token_env} is empty"));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "the token in {token_env} holds spaces, line ends or characters that no token has"
        ));
    }
    Ok(())
}

fn unclear(error: octocrab::Error) -> Failure {
    // The outer error only says that there was one; the innermost says which.
    let mut inner: &dyn std::error::Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    Failure::Unclear {
        why: plain_line(&inner.to_string()),
    }
}

fn seen_of(failure: &Failure) -> Seen {
    match failure {
        Failure::Unclear { .. } => Seen::Unclear { wait: None },
        Failure::Status { .. } | Failure::NotDone { .. } => Seen::Answered,
    }
}

/// What a failure is when it is not tried again.
fn settled(seen: Seen, failure: Failure) -> Failure {
    match (seen, failure) {
        (Seen::Unclear { .. }, Failure::Status { status, message }) => Failure::Unclear {
            why: format!("it answered {status} {message}"),
        },
        (Seen::Limited { .. }, Failure::Status { status, message }) => Failure::NotDone {
            why: format!("it takes no more requests now: {status} {message}"),
        },
        (_, failure) => failure,
    }
}

fn given_up(seen: &Seen, failure: Failure, asked: Duration) -> Failure {
    match seen {
        Seen::Limited { .. } => Failure::NotDone {
            why: limit_words(asked),
        },
        _ => settled(seen.clone(), failure),
    }
}

fn limit_words(wait: Duration) -> String {
    format!(
        "it takes no more requests for another {} s, longer than is waited",
        wait.as_secs()
    )
}

/// The forge's own words, made fit to show.
fn error_message(body: &[u8]) -> String {
    let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let details: Vec<_> = parsed
        .errors
        .iter()
        .filter_map(|error| error.get("message").unwrap_or(error).as_str())
        .collect();
    plain_line(
        [&[parsed.message.as_str()], &details[..]]
            .concat()
            .join(": ")
            .trim_end_matches(": "),
    )
}
