//! Execution providers: what can run a network, in which precision, and why the others cannot.

use std::fmt;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, ExecutionProviderDispatch};
use serde::{Deserialize, Serialize};

use crate::machine::lacks_devices;

/// What a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Device {
    /// The fastest of those that run, measured at the size that is painted.
    #[default]
    Auto,
    Cpu,
    Cuda,
    /// Builds an engine for minutes at the first start, so `auto` leaves it alone.
    TensorRt,
    /// The CPU, through OpenVINO.
    OpenVino,
    #[serde(rename = "openvino:gpu")]
    #[value(name = "openvino:gpu")]
    OpenVinoGpu,
    #[serde(rename = "openvino:npu")]
    #[value(name = "openvino:npu")]
    OpenVinoNpu,
    CoreMl,
    DirectMl,
}

/// In which numbers a network is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 where processor and device have it, it is the fastest, and nobody can see the difference.
    #[default]
    Auto,
    F32,
    Bf16,
}

/// One way to run a network: a concrete device and precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    pub device: Device,
    pub precision: Precision,
}

impl Device {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
            Self::OpenVinoGpu => "openvino:gpu",
            Self::OpenVinoNpu => "openvino:npu",
            Self::CoreMl => "coreml",
            Self::DirectMl => "directml",
        }
    }

    /// Every concrete device.
    pub const ALL: [Device; 8] = [
        Self::Cpu,
        Self::Cuda,
        Self::TensorRt,
        Self::OpenVino,
        Self::OpenVinoGpu,
        Self::OpenVinoNpu,
        Self::CoreMl,
        Self::DirectMl,
    ];

    /// Whether this build knows the device; the ONNX Runtime library must know it too.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Auto | Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::TensorRt => cfg!(feature = "tensorrt"),
            Self::OpenVino | Self::OpenVinoGpu | Self::OpenVinoNpu => cfg!(feature = "openvino"),
            Self::CoreMl => cfg!(feature = "coreml"),
            Self::DirectMl => cfg!(feature = "directml"),
        }
    }

    /// It computes on the processor's cores, which several networks share well.
    pub fn is_processor(self) -> bool {
        matches!(self, Self::Cpu | Self::OpenVino)
    }

    /// The concrete devices that are worth a try, the processor's own first; `auto` leaves out what this build lacks.
    fn concrete(self) -> Vec<Device> {
        match self {
            Self::Auto => [
                Self::Cpu,
                Self::OpenVino,
                Self::OpenVinoGpu,
                Self::OpenVinoNpu,
                Self::Cuda,
                Self::CoreMl,
                Self::DirectMl,
            ]
            .into_iter()
            .filter(|device| device.is_built_in() && device.may_be_present())
            .collect(),
            named => vec![named],
        }
    }

    /// False where a device file says that there is no such hardware: loading its drivers takes seconds.
    fn may_be_present(self) -> bool {
        match self {
            Self::OpenVinoGpu => !lacks_devices("/dev/dri"),
            Self::OpenVinoNpu => !lacks_devices("/dev/accel"),
            _ => true,
        }
    }

    /// It can be told to compute in bf16.
    fn knows_bf16(self) -> bool {
        matches!(self, Self::OpenVino)
    }

    /// All ways in which `device` can run a network in `precision`; without any, why.
    ///
    /// # Errors
    /// The device cannot compute in this precision.
    pub(super) fn backends(self, precision: Precision) -> Result<Vec<Backend>, String> {
        let wanted = |precisions: &[Precision]| -> Vec<Backend> {
            let all = self.concrete().into_iter();
            all.flat_map(|device| {
                let knows = move |precision: &&Precision| **precision == Precision::F32 || device.knows_bf16();
                precisions.iter().filter(knows).map(move |&precision| Backend { device, precision }).collect::<Vec<_>>()
            })
            .collect()
        };
        match precision {
            Precision::Auto if processor_has_bf16() => Ok(wanted(&[Precision::F32, Precision::Bf16])),
            Precision::Auto | Precision::F32 => Ok(wanted(&[Precision::F32])),
            Precision::Bf16 => {
                let backends = wanted(&[Precision::Bf16]);
                if backends.is_empty() {
                    return Err(format!("{} does not compute in bf16; openvino does", self.name()));
                }
                Ok(backends)
            }
        }
    }
}

impl Backend {
    /// ONNX Runtime's own, which every library has.
    pub const CPU: Self = Self { device: Device::Cpu, precision: Precision::F32 };

    /// What ran, for people and programs: "openvino bf16".
    pub fn name(self) -> &'static str {
        match self {
            Self { device: Device::OpenVino, precision: Precision::Bf16 } => "openvino bf16",
            Self { device, .. } => device.name(),
        }
    }

    /// The provider to register with a session, `Ok(None)` for the built-in CPU one, or why it cannot run here.
    /// `threads` is what it may take of the processor.
    pub(super) fn provider(self, threads: usize) -> Result<Option<ExecutionProviderDispatch>, String> {
        match self.device {
            Device::Auto | Device::Cpu => Ok(None),
            #[cfg(feature = "cuda")]
            Device::Cuda => usable(ep::CUDA::default()),
            #[cfg(feature = "tensorrt")]
            Device::TensorRt => usable(ep::TensorRT::default()),
            #[cfg(feature = "openvino")]
            Device::OpenVino => usable(self.openvino("CPU").with_num_threads(threads)),
            #[cfg(feature = "openvino")]
            Device::OpenVinoGpu => usable(self.openvino("GPU")),
            #[cfg(feature = "openvino")]
            Device::OpenVinoNpu => usable(self.openvino("NPU")),
            #[cfg(feature = "coreml")]
            Device::CoreMl => usable(ep::CoreML::default()),
            #[cfg(feature = "directml")]
            Device::DirectMl => usable(ep::DirectML::default()),
            #[allow(unreachable_patterns)]
            other => {
                let feature = other.name().split(':').next().unwrap_or_default();
                Err(format!("this impasto was built without it; build with `cargo build --features {feature}`"))
            }
        }
    }

    /// OpenVINO's settings for `device` in its own words. Threads are not bound to cores: several networks in one
    /// process would all be bound to the first ones.
    #[cfg(feature = "openvino")]
    fn openvino(self, device: &str) -> ep::OpenVINO {
        let settings = match device {
            "CPU" => {
                let precision = if self.precision == Precision::Bf16 { "bf16" } else { "f32" };
                serde_json::json!({ "CPU": { "INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": "NO" } })
            }
            device => serde_json::json!({ device: { "PERFORMANCE_HINT": "LATENCY" } }),
        };
        ep::OpenVINO::default().with_device_type(device).with_arbitrary_config("load_config", settings)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Native bf16 arithmetic; emulated, it is slower than f32.
fn processor_has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_cannot_compute_in_bf16_says_which_can() {
        assert!(Device::Cpu.backends(Precision::Bf16).unwrap_err().contains("openvino does"));
        assert_eq!(Device::Cpu.backends(Precision::Auto).unwrap(), [Backend::CPU]);
        let auto = Device::Auto.backends(Precision::F32).unwrap();
        assert_eq!(auto[0], Backend::CPU, "what every library has is measured first");
        assert!(auto.iter().all(|backend| backend.precision == Precision::F32));
    }
}
