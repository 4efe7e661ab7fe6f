//! Everything that a cell can name: our crates and the libraries they speak, as modules, and [`prelude`] with the names that
//! a learner writes without a path. The kernel runs `use lathe::prelude::*;` before the first cell.
//!
//! ```
//! use lathe_prelude::prelude::*;
//! let frame = df!["epoch" => [1, 2], "loss" => [0.5, 0.25]]?;
//! lines(&frame, "epoch", "loss")?.title("Training").show();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use {
    case, data, dfdx, display, image, lab, lathe_events as events, plotters, polars, rand, rand_chacha, rand_distr,
    serde, serde_json,
};

/// The names in scope in every cell.
///
/// Where polars and dfdx use the same name it stands for what is said here; `use polars::prelude::*;` in a cell still works
/// for the rest of polars. Modules (`lab`, `data`, `case`, `display`, `polars`, `dfdx`, `rand`, ...) are in scope too.
pub mod prelude {
    pub use crate::{
        case, data, dfdx, display, events, image, lab, plotters, polars, rand, rand_chacha, rand_distr, serde,
        serde_json,
    };

    // Showing. `display` is two things: the module above and this function, `display(x)`.
    pub use display::{
        Bundle, CellValue, Figure, FigureError, Handle, LiveCurves, Picture, PlanValue, Progress, Rich, Table, audio,
        bars, bars_xy, check, clear_output, confusion_matrix, display, display_as, display_live, figures, heatmap,
        histogram, histogram_xy, html, image_grid, jpeg, json, latex, lines, lines_runs, lines_xy, live, markdown,
        moment, number, pictures, plot, plotly, png, progress, quick, scatter, scatter_groups, scatter_xy, show, svg,
        text, update, vega_lite, video,
    };
    // Asking and controlling.
    pub use display::{
        Button, Checkbox, Select, Slider, TextField, button, checkbox, input, interact, password, select, slider,
        text_field,
    };
    pub use events::{Event, Silent, Watcher};

    // Frames: `Column` is polars' column, `len()` its row count.
    pub use polars::prelude::{
        AnyValue, ChunkApply, ChunkCompareEq, ChunkCompareIneq, Column, CsvReadOptions, CsvWriter, DataFrame, DataType,
        DynamicGroupOptions, Expr, IntoColumn, IntoLazy, IntoSeries, JoinArgs, JoinType, LazyCsvReader,
        LazyFileListReader, LazyFrame, NamedFrom, ParquetReader, ParquetWriter, PolarsError, PolarsResult,
        RollingOptionsFixedWindow, SerReader, SerWriter, Series, SortMultipleOptions, TimeUnit, UnionArgs, by_name,
        col, cols, concat, df, len, lit, when,
    };

    // Tensors: types, the traits behind their methods, layers, losses, optimisers.
    pub use dfdx::losses::{
        binary_cross_entropy_with_logits_loss, cross_entropy_with_logits_loss, huber_loss, mae_loss, mse_loss,
    };
    pub use dfdx::nn::builders::{
        BatchNorm1D, Dropout, GeneralizedResidual, LayerNorm1D, LeakyReLU, Linear, ReLU, Repeated, Residual, Sigmoid,
        Softmax, SplitInto, Tanh,
    };
    pub use dfdx::nn::{
        BuildModule, BuildOnDevice, DeviceBuildExt, LoadFromSafetensors, Module, ModuleMut, NumParams,
        SaveToSafetensors, ZeroGrads,
    };
    pub use dfdx::optim::{Adam, AdamConfig, Momentum, Optimizer, Sgd, SgdConfig, WeightDecay};
    pub use dfdx::shapes::{
        Axes2, Axis, Const, ConstDim, Dim, Dtype, HasShape, Rank0, Rank1, Rank2, Rank3, Rank4, Shape,
    };
    pub use dfdx::tensor::{
        AsArray, Cpu, Gradients, HasErr, Merge, NoneTape, OnesTensor, OwnedTape, PutTape, SampleTensor, SplitTape,
        Storage, Tape, Tensor, TensorFrom, TensorFromVec, TensorToArray, Trace, WithEmptyTape, ZerosTensor,
    };
    pub use dfdx::tensor_ops::{
        Backward, BroadcastTo, ChooseFrom, Device, GatherTo, LogSumExpTo, MaxTo, MeanTo, MinTo, PermuteTo, RealizeTo,
        ReshapeTo, SelectTo, StddevTo, SumTo, TryAdd, TryConcatAlong, TryDiv, TryMatMul, TryMul, TryStack, TrySub,
        VarTo,
    };

    // The lab: models, metrics, keyed randomness.
    pub use lab::metrics::{auroc, average_precision, bootstrap_ci, mae, rmse};
    pub use lab::models::{
        gan::{DenseGan, GanConfig},
        lstm::{LstmConfig, LstmRegressor},
        vae::{DenseVae, VaeConfig},
    };
    pub use lab::{History, Rows, Windows, column, rows, windows};

    // The plant and the decisions about it.
    pub use case::*;
    pub use data::images::*;
    pub use data::plant::*;

    // Randomness and the rest.
    pub use image::{DynamicImage, GrayImage, RgbImage};
    pub use rand::{Rng, SeedableRng};
    pub use rand_chacha::ChaCha8Rng;
    pub use rand_distr::{Distribution, Normal, StandardNormal, Uniform};
}
