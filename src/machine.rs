//! What this machine computes with.

/// The cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name; its architecture where the system does not tell.
pub fn processor() -> String {
    cpu_info("model name").unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// The instruction sets of the processor in the system's words; a virtual machine may give two processors one name.
pub fn instruction_sets() -> String {
    cpu_info("flags").unwrap_or_default()
}

/// What Linux tells of the first core under this name.
fn cpu_info(name: &str) -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    info.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(": ")?.1.to_string()))
}
