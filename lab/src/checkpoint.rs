//! Models in files: one safetensors file holds the weights, the optimiser's state and, as its metadata, the configuration
//! as JSON, so that the parts can never be from different runs. Written beside and renamed: a file is whole or not there.

use std::{collections::HashMap, io::Write, path::Path};

use dfdx::{
    nn::tensor_collection::{
        RecursiveWalker, TensorCollection, TensorOptions, TensorVisitor, ViewTensorMut, ViewTensorName,
    },
    shapes::{HasShape, Shape},
    tensor::{Cpu, CpuError, Tensor},
    tensor_ops::ReshapeTo,
};
use safetensors::{
    SafeTensors,
    tensor::{Dtype, TensorView},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result, optim::Adam};

const FORMAT: u32 = 1;
const KEY: &str = "lathe";

/// What a file says about the model in it.
#[derive(Serialize, Deserialize)]
struct Header<C> {
    format: u32,
    model: String,
    sizes: Vec<usize>,
    /// Steps made by each optimiser.
    adam_steps: Vec<u64>,
    config: C,
}

/// The part of [`Header`] that is compared before the configuration is read.
#[derive(Deserialize)]
struct Kind {
    format: u32,
    model: String,
    sizes: Vec<usize>,
    adam_steps: Vec<u64>,
}

/// A named tensor: shape and values.
type Entry = (String, Vec<usize>, Vec<f32>);

/// Collects what goes into a file.
#[derive(Default)]
pub(crate) struct Writer {
    entries: Vec<Entry>,
    adam_steps: Vec<u64>,
}

impl Writer {
    /// Adds a network and its optimiser. (Takes `&mut` since dfdx views names only beside mutable tensors of one walk.)
    pub(crate) fn add<M: TensorCollection<f32, Cpu> + Clone>(
        &mut self,
        prefix: &str,
        model: &M,
        adam: &Adam,
    ) -> Result<()> {
        let mut collect = Collect { entries: Vec::new() };
        M::iter_tensors(&mut RecursiveWalker { m: (&mut model.clone(), String::new()), f: &mut collect })?;
        for (name, shape, values) in collect.entries {
            if let Some((mean, square)) = adam.moments.get(&name) {
                self.entries.push((format!("adam.mean.{prefix}{name}"), shape.clone(), mean.clone()));
                self.entries.push((format!("adam.square.{prefix}{name}"), shape.clone(), square.clone()));
            }
            self.entries.push((format!("{prefix}{name}"), shape, values));
        }
        self.adam_steps.push(adam.steps());
        Ok(())
    }

    /// Writes the file.
    pub(crate) fn write<C: Serialize>(self, path: &Path, model: &str, sizes: &[usize], config: &C) -> Result<()> {
        let header = Header {
            format: FORMAT,
            model: model.to_owned(),
            sizes: sizes.to_vec(),
            adam_steps: self.adam_steps,
            config,
        };
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
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        // Temporary files are private to their owner; a model is an ordinary file (the umask still applies).
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder).map_err(io)?;
        file.write_all(&whole).and_then(|()| file.as_file().sync_all()).map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        Ok(())
    }
}

/// A file that was read and is of the right kind.
pub(crate) struct Reader<C> {
    pub(crate) config: C,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
    adam_steps: Vec<u64>,
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
        if kind.format != FORMAT {
            return Err(wrong(format!("it has format {}, this version reads format {FORMAT}", kind.format)));
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
        Ok(Self { config: header.config, tensors, adam_steps: kind.adam_steps, path: path.to_owned() })
    }

    /// Fills a network and its optimiser, the `index`-th of the file.
    pub(crate) fn fill<M: TensorCollection<f32, Cpu>>(
        &mut self,
        prefix: &str,
        index: usize,
        model: &mut M,
        adam: &mut Adam,
    ) -> Result<()> {
        let mut restore = Restore { tensors: &mut self.tensors, adam, prefix, problem: None };
        M::iter_tensors(&mut RecursiveWalker { m: (model, String::new()), f: &mut restore })?;
        if let Some(reason) = restore.problem {
            return Err(Error::Checkpoint { path: self.path.clone(), reason });
        }
        adam.steps = self.adam_steps.get(index).copied().unwrap_or(0);
        Ok(())
    }
}

fn list(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

struct Collect {
    entries: Vec<Entry>,
}

impl TensorVisitor<f32, Cpu> for Collect {
    type Viewer = (ViewTensorMut, ViewTensorName);
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        _: TensorOptions<S, f32, Cpu>,
        (tensor, name): (&mut Tensor<S, f32, Cpu>, String),
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        let plain = tensor.clone().try_contiguous()?;
        let mut values = vec![0.0; plain.shape().num_elements()];
        plain.copy_into(&mut values);
        self.entries.push((name, plain.shape().concrete().into(), values));
        Ok(None)
    }
}

struct Restore<'a> {
    tensors: &'a mut HashMap<String, (Vec<usize>, Vec<f32>)>,
    adam: &'a mut Adam,
    prefix: &'a str,
    problem: Option<String>,
}

impl TensorVisitor<f32, Cpu> for Restore<'_> {
    type Viewer = (ViewTensorMut, ViewTensorName);
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        _: TensorOptions<S, f32, Cpu>,
        (tensor, name): (&mut Tensor<S, f32, Cpu>, String),
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        let want: Vec<usize> = tensor.shape().concrete().into();
        let full = format!("{}{name}", self.prefix);
        match self.tensors.remove(&full) {
            Some((shape, values)) if shape == want => tensor.copy_from(&values),
            Some((shape, _)) => self.problem = Some(format!("{full} has shape {shape:?}, {want:?} was expected")),
            None => self.problem = Some(format!("{full} is missing")),
        }
        let mean = self.tensors.remove(&format!("adam.mean.{full}"));
        let square = self.tensors.remove(&format!("adam.square.{full}"));
        match (mean, square) {
            (Some((a, mean)), Some((b, square))) if a == want && b == want => {
                self.adam.moments.insert(name, (mean, square));
            }
            (None, None) => {}
            _ => self.problem = Some(format!("the optimiser's state of {full} is incomplete")),
        }
        Ok(None)
    }
}
