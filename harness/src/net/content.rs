//! The body of an answer as a client sees it: without its content encoding, and as text in its character set.

use std::borrow::Cow;
use std::io::Read as _;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};

use super::exchange::HttpAnswer;

/// The largest body that is decoded, in bytes: a small body may expand without bound.
const LARGEST: u64 = 64 << 20;

impl HttpAnswer {
    /// The body without its content encodings. An error names an encoding that is not known, or what is wrong with the data.
    pub fn content(&self) -> Result<Cow<'_, [u8]>, String> {
        let mut content = Cow::Borrowed(self.body.as_ref());
        let encodings: Vec<String> = values(&self.headers, CONTENT_ENCODING.as_str())
            .flat_map(|value| value.split(',').map(|one| one.trim().to_ascii_lowercase()).collect::<Vec<_>>())
            .filter(|encoding| !encoding.is_empty() && encoding != "identity")
            .collect();
        if content.is_empty() {
            return Ok(content);
        }
        // The last one was applied last.
        for encoding in encodings.iter().rev() {
            content = Cow::Owned(decoded(encoding, &content)?);
        }
        Ok(content)
    }

    /// The body as text, in the character set that its type names or its byte order mark shows; UTF-8 without either.
    pub fn text(&self) -> Result<Cow<'_, str>, String> {
        let content = self.content()?;
        let named = values(&self.headers, CONTENT_TYPE.as_str()).next().and_then(|kind| charset(&kind));
        let encoding = match named {
            Some(name) => encoding_rs::Encoding::for_label(name.as_bytes())
                .ok_or_else(|| format!("the character set `{name}` of the body is not known"))?,
            None => encoding_rs::UTF_8,
        };
        Ok(match content {
            // Most bodies are text already, and are not copied.
            Cow::Borrowed(content) => encoding.decode(content).0,
            Cow::Owned(content) => Cow::Owned(encoding.decode(&content).0.into_owned()),
        })
    }

    /// Where a redirect leads; none for other answers.
    pub fn redirect(&self) -> Option<String> {
        let redirects = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        redirects.then(|| values(&self.headers, LOCATION.as_str()).next())?
    }
}

/// All values of a header, as text.
fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = String> + 'a {
    headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The character set of a media type.
fn charset(kind: &str) -> Option<String> {
    kind.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn decoded(encoding: &str, data: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let read = match encoding {
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(data).take(LARGEST + 1).read_to_end(&mut out),
        // Some servers send the bare stream where the standard wants it with a zlib header.
        "deflate" => {
            let zlib = flate2::read::ZlibDecoder::new(data).take(LARGEST + 1).read_to_end(&mut out);
            zlib.or_else(|_| {
                out.clear();
                flate2::read::DeflateDecoder::new(data).take(LARGEST + 1).read_to_end(&mut out)
            })
        }
        other => return Err(format!("the body has the content encoding `{other}`, which cannot be decoded")),
    };
    match read {
        Ok(_) if out.len() as u64 > LARGEST => Err(format!("the decoded body is larger than {LARGEST} bytes")),
        Ok(_) => Ok(out),
        Err(error) => Err(format!("the body is not valid {encoding}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn answer(headers: &[(&'static str, &'static str)], body: &[u8]) -> HttpAnswer {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), http::HeaderValue::from_static(value)));
        let headers: HeaderMap = headers.collect();
        HttpAnswer { status: 200, headers, body: body.to_vec().into(), ..HttpAnswer::default() }
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn encodings_are_decoded_or_named() {
        assert_eq!(answer(&[], b"plain").text().unwrap(), "plain");
        assert_eq!(answer(&[("content-encoding", "gzip")], &gzip("packed")).text().unwrap(), "packed");
        assert_eq!(answer(&[("content-encoding", "identity")], b"plain").text().unwrap(), "plain");
        assert!(answer(&[("content-encoding", "br")], b"x").text().unwrap_err().contains("`br`"));
        assert!(answer(&[("content-encoding", "gzip")], b"x").text().unwrap_err().contains("not valid gzip"));
        assert_eq!(answer(&[("content-encoding", "br")], b"").text().unwrap(), "", "nothing is not encoded");
        let twice = [("content-encoding", "gzip, identity")];
        assert_eq!(answer(&twice, &gzip("packed")).text().unwrap(), "packed");
    }

    #[test]
    fn character_sets_are_heeded() {
        assert_eq!(answer(&[("content-type", "text/html; charset=ISO-8859-1")], b"caf\xe9").text().unwrap(), "café");
        assert_eq!(
            answer(&[("content-type", "text/plain; a=b; Charset=\"utf-8\"")], "café".as_bytes()).text().unwrap(),
            "café"
        );
        assert_eq!(answer(&[], b"\xff\xfea\x00b\x00").text().unwrap(), "ab");
        assert!(answer(&[("content-type", "text/plain; charset=x-none")], b"x").text().is_err());
    }
}
