//! Video4Linux device nodes: which there are, what they are, who has them open.

pub(crate) mod holders;

use std::io;
use std::os::raw::{c_int, c_ulong, c_void};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use v4l::v4l_sys::{self, v4l2_capability, v4l2_format, v4l2_pix_format};
use v4l::v4l2::vidioc;

/// The driver name that v4l2loopback tells.
const LOOPBACK_DRIVER: &str = "v4l2 loopback";

/// Where udev keeps names that stay the same whatever /dev/videoN a camera gets.
const BY_ID: &str = "/dev/v4l/by-id";

/// One `/dev/videoN`, as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub index: u32,
    pub path: PathBuf,
    /// The camera's name, or the label of a loopback device.
    pub card: String,
    pub driver: String,
    /// Where it is plugged in: "usb-0000:00:14.0-1", "platform:v4l2loopback-010".
    pub bus: String,
    /// Its name under `/dev/v4l/by-id`, if udev gave it one.
    pub id: Option<String>,
    /// Frames can be read from it now.
    pub captures: bool,
    /// Frames can be written to it now.
    pub outputs: bool,
}

impl Node {
    /// A v4l2loopback device: what one program writes to it, others read from it.
    pub fn is_loopback(&self) -> bool {
        self.driver == LOOPBACK_DRIVER
    }
}

/// All nodes that can be opened, by index.
pub fn nodes() -> Vec<Node> {
    let ids = ids();
    let mut nodes: Vec<_> = paths()
        .into_iter()
        .filter_map(|(index, path)| {
            let id = ids.iter().find(|(_, target)| *target == path).map(|(id, _)| id.clone());
            describe(index, path, id).ok()
        })
        .collect();
    nodes.sort_by_key(|node| node.index);
    nodes
}

/// The paths `/dev/videoN` with their numbers, whether or not they can be opened.
pub fn paths() -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().filter_map(Result::ok);
    let numbered = |entry: std::fs::DirEntry| {
        let index = entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
        Some((index, entry.path()))
    };
    entries.filter_map(numbered).filter(|(_, path)| is_device(path)).collect()
}

/// Another one whenever a node comes or goes, or may be opened by others: number, permissions and time of change of each.
/// None is opened, which would wake it.
pub fn fingerprint() -> Vec<(u32, u32, i64)> {
    let known = |(index, path): (u32, PathBuf)| {
        let found = std::fs::metadata(path).ok()?;
        Some((index, found.mode(), found.ctime()))
    };
    let mut nodes: Vec<_> = paths().into_iter().filter_map(known).collect();
    nodes.sort_unstable();
    nodes
}

/// Opens a node without waiting.
pub fn open(path: &Path) -> io::Result<v4l::Device> {
    v4l::Device::with_path(path)
}

/// True if it is there, and cannot be opened for want of permission.
pub fn is_denied(path: &Path) -> bool {
    open(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// What to do when a node cannot be opened for want of permission; names the group it belongs to.
pub fn permission_advice(path: &Path) -> String {
    let group = std::fs::metadata(path).ok().map(|metadata| metadata.gid());
    let group = group.map_or_else(|| "video".to_string(), group_name);
    format!(
        "no permission; the device belongs to the group `{group}`: run `sudo usermod -aG {group} $USER` and log in again"
    )
}

fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device())
}

fn describe(index: u32, path: PathBuf, id: Option<String>) -> io::Result<Node> {
    let capability = capability(&open(&path)?)?;
    Ok(Node {
        index,
        path,
        card: text_of(&capability.card),
        driver: text_of(&capability.driver),
        bus: text_of(&capability.bus_info),
        id,
        captures: capability.device_caps & v4l_sys::V4L2_CAP_VIDEO_CAPTURE != 0,
        outputs: capability.device_caps & v4l_sys::V4L2_CAP_VIDEO_OUTPUT != 0,
    })
}

/// The names under `/dev/v4l/by-id` and the nodes they lead to.
fn ids() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(BY_ID).into_iter().flatten().filter_map(Result::ok);
    let resolve = |entry: std::fs::DirEntry| {
        Some((entry.file_name().into_string().ok()?, std::fs::canonicalize(entry.path()).ok()?))
    };
    entries.filter_map(resolve).collect()
}

/// The name of a group, or its number where it has none.
fn group_name(id: u32) -> String {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_string())
    };
    groups.lines().find_map(named).unwrap_or_else(|| id.to_string())
}

/// A structure that an ioctl reads and writes, with the request that takes it.
///
/// # Safety
/// `REQUEST` must be a request whose argument is this structure, which must be valid when all its bytes are zero.
pub unsafe trait Argument: Sized {
    const REQUEST: c_ulong;

    /// All bytes zero, as V4L2 wants what is not set.
    fn zeroed() -> Self {
        // SAFETY: implementers promise that zeroes are a valid value.
        unsafe { std::mem::zeroed() }
    }
}

/// Carries out the ioctl of `argument` on `device`.
///
/// JUSTIFICATION: the `v4l` crate has no safe call for these requests, or one that panics on values it does not know.
pub fn ioctl<T: Argument>(device: &v4l::Device, argument: &mut T) -> io::Result<()> {
    // SAFETY: the request takes a pointer to exactly this structure, which outlives the call.
    unsafe { v4l::v4l2::ioctl(device.handle().fd() as c_int, T::REQUEST, (argument as *mut T).cast::<c_void>()) }
}

// SAFETY: a structure of plain numbers and arrays; the request's argument by definition.
unsafe impl Argument for v4l2_capability {
    const REQUEST: c_ulong = vidioc::VIDIOC_QUERYCAP;
}

// SAFETY: numbers and a union of plain structures; the request's argument by definition.
unsafe impl Argument for v4l2_format {
    const REQUEST: c_ulong = vidioc::VIDIOC_S_FMT;
}

/// A picture format with nothing but size and pixel format set.
pub fn format_of(width: u32, height: u32, fourcc: &[u8; 4]) -> v4l2_pix_format {
    // SAFETY: plain numbers, for which zero means "not set".
    let nothing: v4l2_pix_format = unsafe { std::mem::zeroed() };
    v4l2_pix_format {
        width,
        height,
        pixelformat: u32::from_le_bytes(*fourcc),
        // Says that the fields on colours count too.
        priv_: v4l_sys::V4L2_PIX_FMT_PRIV_MAGIC,
        ..nothing
    }
}

/// Sets the picture format of one direction (`V4L2_BUF_TYPE_...`) and returns what the driver made of it.
pub fn set_format(device: &v4l::Device, direction: u32, format: v4l2_pix_format) -> io::Result<v4l2_pix_format> {
    let mut argument = v4l2_format { type_: direction, ..v4l2_format::zeroed() };
    argument.fmt.pix = format;
    ioctl(device, &mut argument)?;
    // SAFETY: for single-plane directions the driver answers in this member, and any bytes are valid numbers.
    Ok(unsafe { argument.fmt.pix })
}

// SAFETY: the request takes a direction as one number.
unsafe impl Argument for c_int {
    const REQUEST: c_ulong = vidioc::VIDIOC_STREAMON;
}

/// Starts streaming in one direction (`V4L2_BUF_TYPE_...`).
pub fn start_streaming(device: &v4l::Device, direction: u32) -> io::Result<()> {
    ioctl(device, &mut (direction as c_int))
}

/// True if frames can be read from the node now but not written: for a loopback device, another program writes.
pub fn is_only_a_camera(device: &v4l::Device) -> bool {
    let both = v4l_sys::V4L2_CAP_VIDEO_CAPTURE | v4l_sys::V4L2_CAP_VIDEO_OUTPUT;
    capability(device).is_ok_and(|told| told.device_caps & both == v4l_sys::V4L2_CAP_VIDEO_CAPTURE)
}

fn capability(device: &v4l::Device) -> io::Result<v4l2_capability> {
    let mut capability = v4l2_capability::zeroed();
    ioctl(device, &mut capability)?;
    Ok(capability)
}

/// The text in a fixed array, up to its first zero.
pub fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_group_of_the_file() {
        let advice = permission_advice(Path::new("/dev/null"));
        assert!(advice.contains("group `root`") && advice.contains("usermod -aG root"), "{advice}");
        assert!(permission_advice(Path::new("/dev/no-such-camera")).contains("group `video`"));
    }
}
