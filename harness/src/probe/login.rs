//! The credentials of a monitoring API: read for each request, and masked wherever they could be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::format::{MonitoringSpec, SecretSource};

/// The shortest secret that is masked: a shorter one would mask parts of words.
const SHORTEST_MASKED: usize = 4;
/// What stands for a secret.
const MASK: &str = "***";

/// How a monitoring API is logged in to.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// Not at all, or by the URL.
    None,
    /// With a bearer token.
    Token(SecretSource),
    /// With a user and a password.
    Basic(String, SecretSource),
}

/// The credentials of one request. It has no `Debug`, so that no message can show them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    secret: String,
    /// The value of `Authorization`.
    pub header: HeaderValue,
}

impl Login {
    /// That of a place in the mesh file.
    pub fn new(spec: &MonitoringSpec) -> Self {
        match (&spec.token, &spec.user, &spec.password) {
            (Some(token), ..) => Self::Token(token.clone()),
            (None, Some(user), Some(password)) => Self::Basic(user.clone(), password.clone()),
            _ => Self::None,
        }
    }

    /// The credentials as they are now; none if there is no login.
    pub fn credentials(&self) -> Result<Option<Credentials>, String> {
        let (secret, value) = match self {
            Self::None => return Ok(None),
            Self::Token(source) => {
                let token = read("token", source)?;
                (token.clone(), format!("Bearer {token}"))
            }
            Self::Basic(user, source) => {
                let password = read("password", source)?;
                let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                (password, value)
            }
        };
        let mut header =
            HeaderValue::try_from(value).map_err(|_| format!("{self} has a character that no HTTP header can have"))?;
        header.set_sensitive(true);
        Ok(Some(Credentials { secret, header }))
    }
}

impl std::fmt::Display for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("no credentials"),
            Self::Token(source) => write!(f, "the token of {}", place(source)),
            Self::Basic(user, source) => write!(f, "user {user} with the password of {}", place(source)),
        }
    }
}

impl Credentials {
    /// A text without the secret, as written and as sent.
    pub fn mask(&self, text: &str) -> String {
        let sent = self.header.to_str().unwrap_or_default();
        let sent = sent.split_once(' ').map_or(sent, |(_, sent)| sent);
        [sent, self.secret.as_str()]
            .into_iter()
            .filter(|secret| secret.len() >= SHORTEST_MASKED)
            .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

/// Where a secret is.
fn place(source: &SecretSource) -> String {
    match (&source.env, &source.file) {
        (Some(name), _) => format!("the environment variable {name}"),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => "nowhere".to_owned(),
    }
}

fn read(what: &str, source: &SecretSource) -> Result<String, String> {
    let at = place(source);
    let text = match (&source.env, &source.file) {
        (Some(name), _) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => format!("the {what}: {at} is not set"),
            std::env::VarError::NotUnicode(_) => format!("the {what}: {at} is not text"),
        })?,
        (None, Some(path)) => {
            std::fs::read_to_string(path).map_err(|error| format!("the {what}: {at} cannot be read: {error}"))?
        }
        (None, None) => return Err(format!("the {what} is {at}; write `{{ file: FILE }}` or `{{ env: NAME }}`")),
    };
    let text = text.trim();
    if text.is_empty() { Err(format!("the {what}: {at} is empty")) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_as_written_and_as_sent() {
        let path = std::env::temp_dir().join(format!("meshdrill-login-{}", std::process::id()));
        std::fs::write(&path, " hunter2\n").unwrap();
        let source = SecretSource { env: None, file: Some(path.clone()) };
        let token = Login::Token(source.clone()).credentials().ok().flatten().unwrap();
        assert_eq!(token.header, "Bearer hunter2");
        assert_eq!(token.mask("you sent Bearer hunter2"), "you sent Bearer ***");
        let basic = Login::Basic("drill".to_owned(), source).credentials().ok().flatten().unwrap();
        assert_eq!(basic.mask("Basic ZHJpbGw6aHVudGVyMg== (hunter2)"), "Basic *** (***)");
        let _ = std::fs::remove_file(&path);
    }

    #[test]
    fn what_is_missing_is_named() {
        let why = |source| Login::Token(source).credentials().err().unwrap_or_default();
        let env = SecretSource { env: Some("MESHDRILL_NOT_SET".to_owned()), file: None };
        assert_eq!(why(env), "the token: the environment variable MESHDRILL_NOT_SET is not set");
        let file = SecretSource { env: None, file: Some("/nonexistent/token".into()) };
        assert!(why(file).starts_with("the token: /nonexistent/token cannot be read"));
    }
}
