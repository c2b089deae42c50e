//! Names of container images.

use serde::{Deserialize, Serialize};

/// An image reference taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Everything before tag and digest.
    pub repository: String,
    /// The tag, if it has one.
    pub tag: Option<String>,
    /// The digest, if it has one, such as `sha256:…`.
    pub digest: Option<String>,
}

/// Endings of a tag that name a variant of the same version.
const VARIANTS: [&str; 3] = ["-distroless", "-debug", "-slim"];

impl Image {
    /// Takes a reference apart. A colon before the last slash is the port of a registry.
    pub fn parse(reference: &str) -> Self {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (reference, None),
        };
        match name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((repository, tag)) => Self { repository: repository.to_owned(), tag: Some(tag.to_owned()), digest },
            None => Self { repository: name.to_owned(), tag: None, digest },
        }
    }

    /// The last part of the repository: `proxyv2`.
    pub fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// The version in the tag: without a leading `v` before a digit and without the variant. `None` where the image is
    /// pinned by digest alone or floats.
    pub fn version(&self) -> Option<&str> {
        let tag = self.tag.as_deref()?;
        let plain = VARIANTS.iter().find_map(|variant| tag.strip_suffix(variant)).unwrap_or(tag);
        let version = plain.strip_prefix('v').unwrap_or(plain);
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_tags() {
        for (reference, name, version) in [
            ("registry.example/istio/proxyv2:1.28.3", "proxyv2", Some("1.28.3")),
            ("registry.example:5000/istio/pilot:1.28.3-distroless", "pilot", Some("1.28.3")),
            ("registry.example:5000/istio/pilot", "pilot", None),
            ("prom/prometheus:v3.5.0", "prometheus", Some("3.5.0")),
            ("istio/pilot:1.31-dev@sha256:00ff", "pilot", Some("1.31-dev")),
            ("istio/pilot@sha256:00ff", "pilot", None),
            ("busybox:latest", "busybox", None),
            ("", "", None),
        ] {
            let image = Image::parse(reference);
            assert_eq!((image.name(), image.version()), (name, version), "{reference}");
        }
        assert_eq!(Image::parse("a:1@sha256:00ff").digest.as_deref(), Some("sha256:00ff"));
    }
}
