//! `apply`: creates objects of any kind and deletes them at the end. An object that already exists is never overwritten;
//! recovery waits until finalizers have let the objects go.

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::create::{self, Creation};
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, SYSTEM, UndoData, text_fields};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};
use crate::probe::{JsonExpect, SpecError};

/// The limit for a manifest, in bytes.
const LARGEST: u64 = 1 << 20;

/// Creates objects and deletes them at the end. An object that already exists is never overwritten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The objects, as in a manifest. Write this or `file`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Value>,
    /// A file with the objects, relative to the scenario. Its content becomes part of the plan. Write this or `objects`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Values that every object must have before the fault counts as in effect, such as a condition in its status. Without
    /// `where`, it is enough that the objects exist.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<JsonExpect>,
}

impl Apply {
    fn text_errors(&self) -> impl Iterator<Item = SpecError> {
        self.objects.iter().enumerate().flat_map(|(index, object)| {
            let kind = object["kind"].as_str().unwrap_or_default();
            text_fields::errors(object, kind, &format!("objects.{index}"))
        })
    }

    fn object_errors(&self) -> impl Iterator<Item = SpecError> {
        self.objects.iter().enumerate().filter_map(|(index, object)| {
            let name = create::name_of(object);
            let at = format!("objects.{index}");
            let (message, help) = if name.api_version.is_empty() || name.kind.is_empty() || name.name.is_empty() {
                let message = "an object needs apiVersion, kind and metadata.name";
                (
                    message.to_owned(),
                    "write them as in a manifest; an object with a generated name cannot be deleted again",
                )
            } else if name.namespace == Some(SYSTEM) {
                (format!("{name}: faults never change {SYSTEM}"), "name a namespace of the mesh")
            } else if name.kind == "Secret" {
                (
                    format!("{name}: the plan would contain the Secret"),
                    "create the Secret before the run and refer to it",
                )
            } else {
                return None;
            };
            Some(SpecError::new(at, message, help))
        })
    }

    fn names(&self) -> Vec<String> {
        self.objects.iter().map(|object| create::name_of(object).to_string()).collect()
    }
}

impl FaultBehavior for Apply {
    fn describe(&self) -> String {
        format!("create {} ({})", self.names().join(", "), self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let one = self.objects.is_empty() == self.file.is_some();
        let help = "write `objects:` with at least one object, or `file:`";
        let unclear = (!one).then(|| SpecError::new("objects", "exactly one of `objects` and `file` is needed", help));
        let values = self.values.iter().flat_map(|value| value.spec_errors("where"));
        unclear.into_iter().chain(self.object_errors()).chain(self.text_errors()).chain(values).collect()
    }

    fn load(&mut self, folder: &Path) -> Result<(), SpecError> {
        let Some(file) = &self.file else { return Ok(()) };
        let path = folder.join(file);
        let wrong =
            |why: String| SpecError::new("file", format!("{}: {why}", path.display()), "name a file of YAML objects");
        let size = std::fs::metadata(&path).map_err(|error| wrong(error.to_string()))?.len();
        if size > LARGEST {
            return Err(wrong(format!("the file is larger than {LARGEST} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| wrong(error.to_string()))?;
        self.objects.extend(objects.into_iter().filter(|object| !object.is_null()));
        match self.object_errors().chain(self.text_errors()).next() {
            Some(error) => Err(wrong(error.message)),
            None if self.objects.is_empty() => Err(wrong("the file contains no object".to_owned())),
            None => Ok(()),
        }
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        self.objects.iter().flat_map(|object| create::permissions(key, create::name_of(object))).collect()
    }

    fn resolve<'a>(
        &'a self,
        world: &'a World,
        options: FaultOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = world.cluster(self.cluster.key())?;
            let mut made = Vec::new();
            for object in &self.objects {
                made.push(Creation::new(cluster, object.clone(), &options.run).await?);
            }
            Ok(Box::new(Applied { made, values: self.values.clone() }) as Box<dyn Fault>)
        })
    }
}

struct Applied {
    made: Vec<Creation>,
    values: Vec<JsonExpect>,
}

impl Applied {
    async fn send(&self, query: &str) -> Result<(), FaultError> {
        for creation in &self.made {
            creation.send(query).await?;
        }
        Ok(())
    }
}

impl Fault for Applied {
    fn targets(&self) -> Vec<String> {
        self.made.iter().map(|creation| creation.name().to_string()).collect()
    }

    fn uids(&self) -> Vec<String> {
        // They do not exist yet.
        Vec::new()
    }

    fn undo(&self) -> Vec<UndoData> {
        self.made.iter().map(Creation::undo).collect()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.send("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.send(""))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            for creation in &self.made {
                let object = match creation.found().await {
                    Ok(Some(object)) => object,
                    Ok(None) => return Effect::NotYet(format!("{} does not exist", creation.name())),
                    Err(error) => return Effect::Unknown(error.to_string()),
                };
                if let Some(missed) = self.values.iter().find_map(|value| value.missed(&object)) {
                    return Effect::NotYet(format!("{}: {missed}", creation.name()));
                }
            }
            let values = match self.values.len() {
                0 => String::new(),
                count => format!(" with {count} expected values"),
            };
            Effect::Seen(format!("{} created{values}", self.targets().join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec_errors(object: &Value) -> Vec<String> {
        let apply: Apply = serde_json::from_value(json!({ "cluster": "a", "objects": [object] })).unwrap();
        apply.spec_errors().into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn an_object_must_be_named_and_may_not_be_everywhere() {
        assert!(
            spec_errors(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x" } })).is_empty()
        );
        for bad in [
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "generateName": "x" } }),
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "kube-system" } }),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "x" } }),
            json!("text"),
        ] {
            assert_eq!(spec_errors(&bad).len(), 1);
        }
    }

    #[test]
    fn a_file_may_hold_several() {
        let folder = std::env::temp_dir().join(format!("meshdrill-apply-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let one = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: x }\n";
        std::fs::write(folder.join("two.yaml"), format!("{one}---\n{one}---\n")).unwrap();
        std::fs::write(folder.join("bad.yaml"), "kind: ConfigMap\n").unwrap();
        let load = |file: &str| {
            let mut apply: Apply = serde_json::from_value(json!({ "cluster": "a", "file": file })).unwrap();
            apply.load(&folder).map(|()| apply)
        };
        assert_eq!(load("two.yaml").unwrap().names(), ["ConfigMap x/a", "ConfigMap x/a"]);
        assert!(load("bad.yaml").unwrap_err().message.contains("metadata.name"));
        assert!(load("none.yaml").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
