//! `scorecam bake`: models that return a map as one of their outputs, in any runtime.

use scorecam::{Host, Result};
use scorecam_core::{Bake, bail, ensure};

use crate::args::BakeArgs;
use crate::output::{Existing, write_bytes};
use crate::same_file::key;
use crate::{list, terminal};

/// Writes a model that is derived from another one.
pub(crate) fn run(args: &BakeArgs) -> Result<()> {
    let (host, output) = (Host::new()?, &args.output);
    list::load_plugins(&host, &args.model.plugins)?;
    let named = args.layer.as_ref().or(args.tap.as_ref()).or(args.head.as_ref());
    let model = list::load_model(&host, &args.model, named.cloned())?;
    let own = [model.file(), args.model.model.as_path()];
    ensure!(
        own.iter().all(|file| key(file) != key(output)),
        invalid,
        "{} is the model itself; choose another name",
        output.display()
    );
    if output.exists() && !args.overwrite {
        bail!(invalid, "{} already exists; choose another name, or give --overwrite", output.display());
    }
    let layer = model.info().layer(model.layer())?.name.clone();
    let made = match (&args.tap, &args.head) {
        (Some(_), _) => model.engine().bake(&layer, Bake::Tap, output)?,
        (_, Some(_)) => model.engine().bake(&layer, Bake::Head, output)?,
        _ if args.masked => model.engine().bake(&layer, Bake::Masked, output)?,
        _ => model.bake_map(&layer, output)?,
    };
    write_bytes(output, &made, if args.overwrite { Existing::Replaced } else { Existing::Kept })?;
    terminal::print(&format!(
        "wrote {}, {} bytes, from {} at layer {layer}\n",
        output.display(),
        made.len(),
        model.name()
    ))
}
