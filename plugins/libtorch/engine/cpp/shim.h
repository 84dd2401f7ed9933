/* The C face of the graph work: everything about TorchScript that tch does not offer.
 *
 * A model is a loaded module whose forward graph has been inlined whole; its outputs and the results of its
 * module calls are known by number. A program is a runnable graph: some outputs alone (frozen and optimized),
 * with the activations of some calls, or from the activations of one call on. It computes no other outputs.
 *
 * Every function that can fail returns 0 or another number, in which case `error` holds text. No C++
 * exception leaves a function. Models and programs may be used from several threads at once. Tensors are
 * those of libtorch's C++ API, as tch holds them.
 */
#ifndef SCORECAM_LIBTORCH_SHIM_H
#define SCORECAM_LIBTORCH_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
namespace at {
class Tensor;
}
typedef at::Tensor sct_tensor;
extern "C" {
#else
typedef struct sct_tensor sct_tensor;
#endif

typedef struct sct_model sct_model;
typedef struct sct_program sct_program;

/* Text that ends with NUL; longer texts are cut. */
typedef struct sct_error {
    char text[4096];
} sct_error;

/* What the model does to an output before it returns it. */
enum {
    SCT_OUTPUT_UNKNOWN = 0,
    SCT_OUTPUT_LOGITS = 1,
    SCT_OUTPUT_SOFTMAX = 2,
    SCT_OUTPUT_SIGMOID = 3,
    SCT_OUTPUT_UNIT_LENGTH = 4
};

/* What the axes of a call's result are, where it has four. */
enum { SCT_AXES_UNKNOWN = 0, SCT_AXES_CHANNELS_FIRST = 1, SCT_AXES_CHANNELS_LAST = 2, SCT_AXES_NO_MAP = 3 };

/* One call of a module by another, or by the model itself. Strings live as long as the model. */
typedef struct sct_call {
    const char *path;    /* dotted, as in the module tree: "layer4.1.conv2" */
    const char *type;    /* the module's class: "Conv2d" */
    const char *refusal; /* why the call's result can't be tapped; NULL when it can */
} sct_call;

/* What the graph tells of a call's result. */
typedef struct sct_traits {
    int axes;
    int makes_outputs; /* whether the outputs in question are made out of it */
    int has_weights;   /* whether the module has weights of its own */
    size_t family;     /* results of one family have the same axes, but for the length of the last */
} sct_traits;

/* An output of a model. Strings and lengths live through the visit. */
typedef struct sct_output {
    const char *name;
    const char *other;      /* what it is where it is no tensor of numbers; else NULL */
    uint8_t code;           /* the kind of its numbers, as DLPack counts them */
    uint8_t bits;           /* of one number */
    const int64_t *lengths; /* of its axes */
    size_t rank;            /* how many these are */
} sct_output;
typedef void (*sct_visit_output)(void *context, const sct_output *output);

/* Loads a TorchScript file onto a device ("cpu", "cuda:0") for inference.
 *
 * The module is put into evaluation mode, which scripts ask for at run time; a trace has the mode in which it
 * was made in its graph. */
int sct_open(const char *path, const char *device, sct_model **model, sct_error *error);
void sct_close(sct_model *model);

/* The module calls, in the order in which they end; the inner one first where two end together. */
size_t sct_call_count(const sct_model *model);
sct_call sct_call_at(const sct_model *model, size_t index);
/* Runs the model, and visits each of its outputs: a field of a named tuple, an index of another tuple or of a
 * list, a key of a dict, or what it returns alone. From then on they are known by number, in this order.
 * Nothing else may use the model meanwhile. */
int sct_find_outputs(sct_model *model, const sct_tensor *input, sct_visit_output visit, void *context,
                     sct_error *error);
int sct_output_kind(const sct_model *model, size_t output);
/* Writes the traits of each call to `traits`, for images [N, C, H, W] or, channels last, [N, H, W, C]. */
int sct_read_traits(const sct_model *model, int channels_last, const size_t *outputs, size_t output_count,
                    sct_traits *traits, sct_error *error);
/* The shape of the image that the model was traced with, in the model's order; 0 when the file does not tell.
 */
int sct_traced_shape(const sct_model *model, int64_t shape[4]);
/* Channels that a convolution takes from the input; 0 when that can't be told. */
int64_t sct_input_channels(const sct_model *model);

/* A tensor of weights: the path of the module that holds it, and its name there. Valid through the visit. */
typedef void (*sct_visit_weight)(void *context, const char *path, const char *name, sct_tensor *tensor);
/* Visits the weights of each module that is called, in the order of the calls, and its running statistics. A visitor
 * may write into the tensors; nothing else may use the model meanwhile, and no program of it may be there yet. */
int sct_visit_weights(sct_model *model, sct_visit_weight visit, void *context, sct_error *error);

/* What outputs are computed in, and how images lie in memory; `scoring.h` says more. */
enum { SCT_PRECISION_OWN = 0, SCT_PRECISION_TF32 = 1, SCT_PRECISION_HALF = 2 };
enum { SCT_FORMAT_FASTEST = 0, SCT_FORMAT_CONTIGUOUS = 1, SCT_FORMAT_CHANNELS_LAST = 2 };

/* `outputs` alone, in that order. With 0 for both, a model that can't be frozen runs as it was exported. */
int sct_compile_optimized(const sct_model *model, const size_t *outputs, size_t output_count, int precision,
                          int format, sct_program **program, sct_error *error);
/* `outputs`, then the activations of `calls`, in that order; differentiable. */
int sct_compile_taps(const sct_model *model, const size_t *outputs, size_t output_count, const size_t *calls,
                     size_t call_count, sct_program **program, sct_error *error);
/* `outputs` from the activations of `call`; refused where the input reaches them past that call. */
int sct_compile_from(const sct_model *model, const size_t *outputs, size_t output_count, size_t call,
                     sct_program **program, sct_error *error);
void sct_free_program(sct_program *program);

/* Runs without autograd; the input is converted to the type of the parameters. `outputs` has room for each
 * output and each tap; the caller owns what is put there. */
int sct_run(const sct_program *program, const sct_tensor *input, sct_tensor **outputs, sct_error *error);
/* The derivative of the sum of `cotangents` times outputs with respect to the sole tap of `program`. There is
 * a cotangent for each output, of as many elements. */
int sct_gradient(const sct_program *program, const sct_tensor *input, const sct_tensor *const *cotangents,
                 sct_tensor **gradient, sct_error *error);

/* A stream of a device's own; on a CPU, where there are none, all of these do nothing and succeed. */
typedef struct sct_stream {
    int64_t id;
    int64_t device_index;
    int64_t device_type;
} sct_stream;
typedef struct sct_visit sct_visit;
typedef struct sct_copy sct_copy;

/* Readies the process for `device`; to be called before a model is loaded there. */
int sct_settle(const char *device, sct_error *error);
int sct_new_stream(const char *device, sct_stream *stream, sct_error *error);
/* From here on the calling thread's work goes to `stream`, until the same thread leaves, which waits for it.
 */
int sct_enter(const sct_stream *stream, sct_visit **visit, sct_error *error);
void sct_leave(sct_visit *visit);

/* Starts to copy `tensor` to the host, as f32, behind what the thread's stream has been given so far. */
int sct_start_copy(const sct_tensor *tensor, sct_copy **copy, sct_error *error);
/* Waits for the copy, and for nothing that was started later. The caller owns what is put into `host`. */
int sct_wait_copy(sct_copy *copy, sct_tensor **host, sct_error *error);
void sct_free_copy(sct_copy *copy);

/* CUDA devices that this libtorch can use; -1 when it has no CUDA at all. */
int sct_cuda_devices(void);
/* Threads for operators that are called from this thread; returns how many there were before. */
int sct_set_threads(int threads);

#ifdef __cplusplus
}
#endif
#endif
