//! Models in files: one safetensors file holds the weights, the optimiser's state and, as its metadata, the configuration
//! as JSON, so that the parts can never be from different runs. Written beside and renamed: a file is whole or not there.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    path::Path,
};

use dfdx::{nn::tensor_collection::TensorCollection, tensor::Cpu};
use lathe_kernels::pool::Buf;
use safetensors::{
    SafeTensors,
    tensor::{Dtype, TensorView},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Result,
    optim::{Method, Optimizer},
    parameters,
};

/// 2: states of any optimiser. Files of format 1 hold those of Adam under the same names.
const FORMAT: u32 = 2;
const KEY: &str = "lathe";

/// What a file says about the model in it.
#[derive(Serialize, Deserialize)]
struct Header<C> {
    format: u32,
    model: String,
    sizes: Vec<usize>,
    /// Steps made by each optimiser.
    #[serde(alias = "adam_steps")]
    steps: Vec<u64>,
    config: C,
}

/// The part of [`Header`] that is compared before the configuration is read.
#[derive(Deserialize)]
struct Kind {
    format: u32,
    model: String,
    sizes: Vec<usize>,
    #[serde(alias = "adam_steps")]
    steps: Vec<u64>,
}

/// A named tensor: shape and values.
type Entry = (String, Vec<usize>, Buf<f32>);

/// Collects what goes into a file.
#[derive(Default)]
pub(crate) struct Writer {
    entries: Vec<Entry>,
    steps: Vec<u64>,
}

impl Writer {
    /// Adds a network and its optimiser.
    pub(crate) fn add<M: TensorCollection<f32, Cpu>, C: Method>(
        &mut self,
        prefix: &str,
        model: &M,
        optimiser: &Optimizer<C>,
    ) -> Result<()> {
        let mut shapes = BTreeMap::new();
        parameters::visit(model, |tensor| {
            shapes.insert(tensor.name.to_owned(), tensor.shape.to_vec());
            self.entries.push((format!("{prefix}{}", tensor.name), tensor.shape.to_vec(), tensor.read()?));
            Ok::<_, Error>(())
        })?;
        for (parameter, state, values) in optimiser.saved() {
            if let Some(shape) = shapes.get(parameter) {
                self.entries.push((format!("{}.{state}.{prefix}{parameter}", C::NAME), shape.clone(), values.clone()));
            }
        }
        self.steps.push(optimiser.steps());
        Ok(())
    }

    /// Writes the file.
    pub(crate) fn write<C: Serialize>(self, path: &Path, model: &str, sizes: &[usize], config: &C) -> Result<()> {
        let header =
            Header { format: FORMAT, model: model.to_owned(), sizes: sizes.to_vec(), steps: self.steps, config };
        let io = |source| Error::Io { path: path.to_owned(), source };
        let header = serde_json::to_string(&header).map_err(|error| io(error.into()))?;
        let bytes: Vec<_> = self
            .entries
            .into_iter()
            .map(|(name, shape, values)| {
                (name, shape, values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
            })
            .collect();
        let mut views = Vec::new();
        for (name, shape, bytes) in &bytes {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
                .map_err(|error| io(std::io::Error::other(error.to_string())))?;
            views.push((name.clone(), view));
        }
        let metadata = Some(HashMap::from([(KEY.to_owned(), header)]));
        let whole =
            safetensors::serialize(views, &metadata).map_err(|error| io(std::io::Error::other(error.to_string())))?;
        write_file(path, &whole)
    }
}

/// Writes a whole file beside and renames it.
pub(crate) fn write_file(path: &Path, whole: &[u8]) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Temporary files are private to their owner; a model is an ordinary file (the umask still applies).
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(io)?;
    file.write_all(whole).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// A file that was read and is of the right kind.
pub(crate) struct Reader<C> {
    pub(crate) config: C,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
    steps: Vec<u64>,
    path: std::path::PathBuf,
}

impl<C: DeserializeOwned> Reader<C> {
    /// Reads a file and checks that it holds this model with these sizes.
    pub(crate) fn open(path: &Path, model: &str, sizes: &[usize]) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let wrong = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let broken = |error: &dyn std::fmt::Display| wrong(format!("it is not a whole safetensors file ({error})"));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(&e))?;
        let header = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
        let header = header.ok_or_else(|| wrong(String::from("it was not written by lab (no \"lathe\" metadata)")))?;
        let kind: Kind = serde_json::from_str(header).map_err(|e| wrong(format!("its header cannot be read ({e})")))?;
        if !(1..=FORMAT).contains(&kind.format) {
            return Err(wrong(format!("it has format {}, this version reads formats 1 to {FORMAT}", kind.format)));
        }
        if kind.model != model || kind.sizes != sizes {
            return Err(wrong(format!(
                "it holds a {}<{}>, not a {model}<{}>",
                kind.model,
                list(&kind.sizes),
                list(sizes)
            )));
        }
        let header: Header<C> =
            serde_json::from_str(header).map_err(|e| wrong(format!("its configuration cannot be read ({e})")))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(&e))?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(wrong(format!("{name} is {:?}, not F32", view.dtype())));
            }
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        Ok(Self { config: header.config, tensors, steps: kind.steps, path: path.to_owned() })
    }

    /// Fills a network and its optimiser, the `index`-th of the file.
    pub(crate) fn fill<M: TensorCollection<f32, Cpu>, O: Method>(
        &mut self,
        prefix: &str,
        index: usize,
        model: &mut M,
        optimiser: &mut Optimizer<O>,
    ) -> Result<()> {
        let wrong = |reason: String| Error::Checkpoint { path: self.path.clone(), reason };
        let names = optimiser.config.states();
        let mut states = BTreeMap::new();
        parameters::visit_mut(model, |mut tensor| {
            let full = format!("{prefix}{}", tensor.name);
            match self.tensors.remove(&full) {
                Some((shape, values)) if shape == tensor.shape => tensor.write(&values),
                Some((shape, _)) => {
                    return Err(wrong(format!("{full} has shape {shape:?}, {:?} was expected", tensor.shape)));
                }
                None => return Err(wrong(format!("{full} is missing"))),
            }
            let found: Vec<_> = names
                .iter()
                .filter_map(|state| self.tensors.remove(&format!("{}.{state}.{full}", O::NAME)))
                .filter(|(shape, _)| shape == tensor.shape)
                .map(|(_, values)| Buf::from(values))
                .collect();
            if !found.is_empty() && found.len() != names.len() {
                return Err(wrong(format!("the optimiser's state of {full} is incomplete")));
            }
            if !found.is_empty() {
                states.insert(tensor.name.to_owned(), found);
            }
            Ok(())
        })?;
        optimiser.restore(self.steps.get(index).copied().unwrap_or(0), states);
        Ok(())
    }
}

fn list(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
