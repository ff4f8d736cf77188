//! Execution providers: which one runs a network, and why not the others.

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use serde::{Deserialize, Serialize};

/// What a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Device {
    /// The best that runs: cuda, coreml, directml, openvino, then cpu.
    #[default]
    Auto,
    Cpu,
    Cuda,
    /// Builds an engine for minutes at the first start, so `auto` leaves it alone.
    TensorRt,
    OpenVino,
    CoreMl,
    DirectMl,
}

impl Device {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
            Self::CoreMl => "coreml",
            Self::DirectMl => "directml",
        }
    }

    /// Every concrete device.
    pub const ALL: [Device; 6] = [Self::Cpu, Self::Cuda, Self::TensorRt, Self::OpenVino, Self::CoreMl, Self::DirectMl];

    /// Whether this build knows the device; the ONNX Runtime library must know it too.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Auto | Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::TensorRt => cfg!(feature = "tensorrt"),
            Self::OpenVino => cfg!(feature = "openvino"),
            Self::CoreMl => cfg!(feature = "coreml"),
            Self::DirectMl => cfg!(feature = "directml"),
        }
    }

    /// The concrete devices to try, best first; `auto` knows those that this build has.
    pub fn order(self) -> Vec<Device> {
        match self {
            Self::Auto => [Self::Cuda, Self::CoreMl, Self::DirectMl, Self::OpenVino, Self::Cpu]
                .into_iter()
                .filter(|device| device.is_built_in())
                .collect(),
            named => vec![named],
        }
    }

    /// The provider to register with a session, `Ok(None)` for the built-in CPU one, or why it cannot run here.
    pub(super) fn provider(self) -> Result<Option<ExecutionProviderDispatch>, String> {
        match self {
            Self::Auto | Self::Cpu => Ok(None),
            #[cfg(feature = "cuda")]
            Self::Cuda => usable(ep::CUDA::default()),
            #[cfg(feature = "tensorrt")]
            Self::TensorRt => usable(ep::TensorRT::default()),
            #[cfg(feature = "openvino")]
            Self::OpenVino => usable(ep::OpenVINO::default()),
            #[cfg(feature = "coreml")]
            Self::CoreMl => usable(ep::CoreML::default()),
            #[cfg(feature = "directml")]
            Self::DirectMl => usable(ep::DirectML::default()),
            #[allow(unreachable_patterns)]
            other => {
                Err(format!("this impasto was built without it; build with `cargo build --features {}`", other.name()))
            }
        }
    }
}

/// A provider that must register or fail: ONNX Runtime would fall back to the CPU without a word.
#[allow(dead_code, reason = "a build without provider features calls it for none")]
fn usable<P>(provider: P) -> Result<Option<ExecutionProviderDispatch>, String>
where
    P: ExecutionProvider + Into<ExecutionProviderDispatch>,
{
    match P::is_available() {
        Ok(true) => Ok(Some(provider.into().error_on_failure())),
        Ok(false) => Err("the loaded ONNX Runtime library was built without it".into()),
        Err(error) => Err(error.to_string()),
    }
}
