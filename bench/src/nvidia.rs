//! What the driver's own program, nvidia-smi, tells of a GPU. Where there is no such program, nobody is told anything.

use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// A GPU and its driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gpu {
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) memory_mb: f64,
}

/// The GPU with this number.
pub(crate) fn gpu(index: u32) -> Option<Gpu> {
    read_gpu(&ask(&["--query-gpu=name,driver_version,memory.total", "-i", &index.to_string()])?)
}

/// How much of a GPU's memory a process holds, in MB.
pub(crate) fn held_by(process: u32) -> Option<f64> {
    read_held(&ask(&["--query-compute-apps=pid,used_memory"])?, process)
}

fn ask(what: &[&str]) -> Option<String> {
    let mut program = Command::new("nvidia-smi");
    program.args(what).arg("--format=csv,noheader,nounits").stdin(Stdio::null());
    let output = program.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn read_gpu(answer: &str) -> Option<Gpu> {
    let mut facts = answer.lines().next()?.split(',').map(str::trim);
    let (name, driver) = (facts.next()?.to_owned(), facts.next()?.to_owned());
    Some(Gpu { name, driver, memory_mb: facts.next()?.parse().ok()? })
}

/// A process has a line for each GPU that it uses.
fn read_held(answer: &str, process: u32) -> Option<f64> {
    let lines = answer.lines().filter_map(|line| line.split_once(','));
    let own = lines.filter(|(pid, _)| pid.trim().parse() == Ok(process));
    let held: Vec<f64> = own.filter_map(|(_, used)| used.trim().parse().ok()).collect();
    (!held.is_empty()).then(|| held.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nvidia_smi_prints_is_understood() {
        let gpu = read_gpu("A GPU, 580.65.06, 143771\n").unwrap();
        assert_eq!(gpu, Gpu { name: "A GPU".into(), driver: "580.65.06".into(), memory_mb: 143771.0 });
        assert_eq!(read_gpu("No devices were found\n"), None);
        let held = "17, 400\n18, 512\n17, 100\n19, [N/A]\n";
        for (process, expected) in [(17, Some(500.0)), (18, Some(512.0)), (19, None), (20, None)] {
            assert_eq!(read_held(held, process), expected);
        }
    }
}
