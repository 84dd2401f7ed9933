//! The presets: what each implementation of Score-CAM computes, as differences from the authors' code.

/// Every preset, the default first; see [`crate::methods::choices::presets`] for the form.
pub(super) const PRESETS: &[(&str, &str, &str)] = &[
    ("official", "the authors' code (the default)", ""),
    ("paper", "the paper, section 3.2: probability minus that of the zero image", "baseline=zero flat=keep"),
    (
        "paper-alg1",
        "the paper, algorithm 1: logits minus the zero image's, softmax over channels",
        "score=logit baseline=zero weight_norm=softmax flat=keep",
    ),
    (
        "torchcam",
        "torch-cam 0.5",
        "norm_stage=before eps=1e-8 flat=keep score=logit baseline=input weight_norm=softmax combine=raw \
         final_eps=1e-8 output=layer",
    ),
    (
        "pytorch-grad-cam",
        "grad-cam 1.5",
        "upsample=align-corners eps=1e-8 flat=keep score=logit weight_norm=softmax combine=raw \
         final_eps=1e-7 order=norm-resize-norm",
    ),
    (
        "tf-keras-vis",
        "tf-keras-vis",
        "upsample=align-corners eps=1e-7 flat=keep combine=raw resize=align-corners final_eps=1e-7",
    ),
    (
        "tabayashi",
        "tabayashi0117/Score-CAM (Keras)",
        "norm=range flat=keep combine=raw final=max output=layer",
    ),
    ("yiskw713", "yiskw713/ScoreCAM", "pre_relu=true norm=range flat=keep combine=normalized"),
    ("utkuozbulak", "utkuozbulak/pytorch-cnn-visualizations", "combine=raw bias=1 output=layer"),
    (
        "tiskw",
        "tiskw/gradcam",
        "upsample=bicubic eps=1e-10 flat=keep score=logit baseline=input weight_norm=softmax final=none",
    ),
    (
        "xdeep",
        "datamllab/xdeep, its fault included: scores are not used, so the map is the same for every class",
        "pre_relu=true weight_norm=one",
    ),
    (
        "scam-net",
        "andreysorokin/scam-net: the maximum over channels",
        "upsample=mirror score=logit flat=keep combine=normalized reduce=max final=none",
    ),
    (
        "faster-score-cam",
        "Faster Score-CAM: only the channels with the greatest deviation (10, or select_count)",
        "select=std",
    ),
    ("cskip", "CSKIP: only the channels with the greatest maximum (10, or select_count)", "select=max"),
    (
        "ss-cam",
        "torch-cam 0.5's SS-CAM: scores averaged over 35 draws of noise on each mask",
        "norm_stage=before eps=1e-8 flat=keep score=logit baseline=input weight_norm=softmax combine=raw \
         final_eps=1e-8 output=layer noise=2",
    ),
    (
        "is-cam",
        "torch-cam 0.5's IS-CAM: scores averaged over ten strengths of each mask, which exceed 1",
        "norm_stage=before eps=1e-8 flat=keep score=logit baseline=input weight_norm=softmax combine=raw \
         final_eps=1e-8 output=layer steps=10 strengths=summed",
    ),
    ("interpretdl", "InterpretDL", "flat=keep post_relu=false final=none"),
    (
        "matheushent",
        "matheushent/score-cam (Keras): the maximum over channels, of masks resized as scikit-image does",
        "upsample=mirror flat=zero combine=normalized reduce=max",
    ),
    (
        "bunbunjp",
        "bunbunjp/Score-CAM-VGG16 (Keras): not rectified, so the map may be negative",
        "norm=range flat=keep combine=raw post_relu=false final=max output=layer",
    ),
];
