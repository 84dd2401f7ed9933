//! [`KserveLoader`]: from a `.kserve` file to a model whose servers have been asked what it is.

use std::sync::Arc;

use scorecam_core::{
    Abilities, BackendLoader, Error, ModelBackend, ModelConfig, Readiness, Result, bail, fits, written,
};
use tokio::runtime::{Builder, Runtime};

use crate::address::Address;
use crate::connection::{Security, Trust};
use crate::file::KserveFile;
use crate::fleet::Fleet;
use crate::masking::Masking;
use crate::message::{Metadata, ModelName};
use crate::model::{Head, KserveModel, Running, Sizes};
use crate::served::{Output, Served, axes, outputs};

/// Threads that wait for servers: one that sends is enough, and one more reads meanwhile.
const THREADS: usize = 2;

/// The backend `kserve`, which loads `.kserve` files.
#[derive(Debug, Clone, Copy, Default)]
pub struct KserveLoader;

impl BackendLoader for KserveLoader {
    fn id(&self) -> &str {
        "kserve"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn extensions(&self) -> &[&str] {
        &["kserve"]
    }

    fn abilities(&self) -> Abilities {
        Abilities { masked: true, run_from: true, ..Abilities::NONE }
    }

    fn readiness(&self, _device: Option<&str>) -> Result<Readiness> {
        Ok(Readiness { rank: Readiness::CPU, device: "servers of the Open Inference Protocol".into() })
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        check_config(config)?;
        let file = KserveFile::read(&config.path)?;
        let model = load(&file, config).map_err(|e| e.context(config.path.display()))?;
        Ok(Box::new(model))
    }
}

/// Refuses what servers cannot be told. Threads are an upper limit, of which a served model uses none.
fn check_config(config: &ModelConfig) -> Result<()> {
    if let Some(device) = &config.device {
        bail!(unsupported, "device {device:?} is not supported: a served model runs on its server's device");
    }
    match config.settings.keys().next() {
        Some(key) => {
            bail!(not_found, "setting {key:?} is unknown; the kserve backend has none, see its model file")
        }
        None => Ok(()),
    }
}

fn load(file: &KserveFile, config: &ModelConfig) -> Result<KserveModel> {
    let addresses = file.addresses()?;
    let token = file.token()?;
    let is_secure = addresses.iter().any(|address| address.base.scheme_str() == Some("https"));
    let trust = match (file.certificates(&config.path)?, is_secure) {
        (Some(pem), _) => Trust::Pem(pem),
        (None, true) => Trust::System,
        (None, false) => Trust::Nobody,
    };
    let security = Security::new(trust, token.as_deref())?;
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(THREADS).thread_name("scorecam-kserve").enable_all().build();
    let runtime = runtime.map_err(|e| Error::internal(format!("cannot start a thread: {e}")))?;
    // Ends its threads without waiting, whatever happens below.
    let running = Running(Some(runtime));
    let runtime: &Runtime = running.0.as_ref().ok_or_else(|| Error::internal("the model has ended"))?;
    let of_addresses = {
        let _entered = runtime.enter();
        Fleet::new(addresses, &security, file.limits)
    };
    let fleet = Arc::new(of_addresses);
    let name = |name: &str, version: &str| ModelName { name: name.into(), version: version.into() };
    let model = name(&file.model, &file.version);
    let (metadata, silent) = runtime.block_on(fleet.describe(&model))?;
    let served = Served::new(&metadata, file, config)?;
    let head = match &file.head {
        Some(head) => {
            let head = name(head, "");
            let (metadata, _) = runtime.block_on(fleet.describe(&head))?;
            Some(Head::new(head, &metadata, &served)?)
        }
        None => None,
    };
    let masking = match &file.masked {
        Some(masked) => {
            let masked = name(masked, "");
            let (metadata, _) = runtime.block_on(fleet.describe(&masked))?;
            Some(Masking::new(masked, &metadata)?)
        }
        None => None,
    };
    let remark = |why: &String| format!("a server was unavailable when the model was loaded: {why}");
    let sizes = Sizes { message_bytes: file.limits.message_bytes, images: file.limits.images };
    let slow = |address: &Address| {
        format!(
            "{address} does not support binary tensors, so images are sent as JSON, which is much slower; use its \
             gRPC port"
        )
    };
    let remarks = silent.iter().map(remark).chain(fleet.json_only().map(slow)).collect();
    Ok(KserveModel { fleet, runtime: running, name: model, served, head, masking, sizes, remarks })
}

impl Head {
    fn new(name: ModelName, metadata: &Metadata, served: &Served) -> Result<Self> {
        let inputs = outputs(&Metadata { inputs: Vec::new(), outputs: metadata.inputs.clone() }, None);
        let ([input], Some(layer)) = (inputs.as_slice(), served.info.layers.last()) else {
            bail!(
                model,
                "head {:?} has {} inputs, and the model {} layers; a head has one input, which is the model's last \
                 layer",
                name.name,
                metadata.inputs.len(),
                served.info.layers.len()
            );
        };
        let known: Vec<usize> = layer.shape.iter().map(|n| n.unwrap_or(1)).collect();
        let free = layer.shape.contains(&None);
        let wanted = input.shape.get(1..).unwrap_or(&[]);
        if input.shape.len() != layer.shape.len() + 1 || !(free || fits(wanted, &known)) {
            bail!(
                model,
                "head {:?} takes {}; layer {:?} is {} without the batch: scorecam bake --head {} writes its head",
                name.name,
                written(&input.shape),
                layer.name,
                written(&layer.shape),
                layer.name
            );
        }
        if !input.element.can_hold_pixels() || axes(&metadata.inputs[0].shape)[0].is_some() {
            bail!(
                model,
                "head {:?} has a fixed batch size or an input that is not floating-point; bake it again",
                name.name
            );
        }
        let outputs: Vec<Output> = outputs(metadata, None);
        if let Ok(scores) = served.info.score_output()
            && !outputs.iter().any(|output| output.name == scores.name)
        {
            bail!(model, "head {:?} has no output {:?}, which the model has", name.name, scores.name);
        }
        Ok(Self { name, layer: layer.name.clone(), input: input.clone(), outputs })
    }
}
