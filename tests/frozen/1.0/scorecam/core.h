/*
 * The parts that all objects of the ABI share: the entry table, statuses, strings, shapes, tensors and the host's
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/core.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_CORE_H
#define SCORECAM_CORE_H

#include <stdint.h>

/**
 * Initializer of a `scorecam_data_type`: 32-bit floating-point numbers.
 */
#define SCORECAM_F32 { SCORECAM_TYPE_FLOAT, 32, 1 }

/**
 * Initializer of a `scorecam_device`: main memory.
 */
#define SCORECAM_CPU { SCORECAM_DEVICE_CPU, 0 }

/**
 * The version of this ABI, the first field of the entry table. The host rejects plugins of another version.
 */
#define SCORECAM_ABI_VERSION 2

/**
 * The maximum length of a string in bytes, including its NUL.
 */
#define SCORECAM_MAX_STRING 4096

/**
 * The maximum number of axes of a shape.
 */
#define SCORECAM_MAX_RANK 8

/**
 * Success.
 */
#define SCORECAM_OK 0

/**
 * An argument is out of range, NULL but required, or contradicts another.
 */
#define SCORECAM_ERR_INVALID_ARGUMENT 1

/**
 * A layer, class, preset, option, backend or method of that name does not exist.
 */
#define SCORECAM_ERR_NOT_FOUND 2

/**
 * The backend or method lacks the ability, or the model's form is not supported.
 */
#define SCORECAM_ERR_UNSUPPORTED 3

/**
 * The model's file is invalid, or the runtime failed to run the model.
 */
#define SCORECAM_ERR_MODEL 4

/**
 * A library is not a plugin, has another version, or violated its contract.
 */
#define SCORECAM_ERR_PLUGIN 5

/**
 * A file could not be read or written.
 */
#define SCORECAM_ERR_IO 6

/**
 * A callback cancelled the call.
 */
#define SCORECAM_ERR_CANCELLED 7

/**
 * A bug in the library: a caught panic.
 */
#define SCORECAM_ERR_INTERNAL 8

/**
 * A handle was freed, has another type, or was never created.
 */
#define SCORECAM_ERR_INVALID_HANDLE 9

/**
 * A buffer is too small; the message gives the required size.
 */
#define SCORECAM_ERR_BUFFER_TOO_SMALL 10

/**
 * The caller's time limit expired; a method may return what it has, or this status.
 */
#define SCORECAM_ERR_DEADLINE 11

/**
 * `scorecam_descriptor.kind`: a runtime that loads models; interface `scorecam.backend/1`.
 */
#define SCORECAM_KIND_BACKEND 1

/**
 * `scorecam_descriptor.kind`: an explanation algorithm; interface `scorecam.method/1`.
 */
#define SCORECAM_KIND_METHOD 2

/**
 * Ability of a backend, or need of a method: differentiation of outputs, `scorecam.gradients/1`.
 */
#define SCORECAM_ABILITY_GRADIENTS 1

/**
 * Ability of a backend, or need of a method: running a model from an inner layer, `scorecam.run-from/1`.
 */
#define SCORECAM_ABILITY_RUN_FROM 2

/**
 * Ability of a backend: making masked images itself, `scorecam.masked/1`.
 */
#define SCORECAM_ABILITY_MASKED 4

/**
 * Need of a method: `SCORECAM_ABILITY_GRADIENTS` or `SCORECAM_ABILITY_RUN_FROM`, whichever the model has.
 */
#define SCORECAM_ABILITY_SLOPES 8

/**
 * `scorecam_data_type.code`: signed integers.
 */
#define SCORECAM_TYPE_INT 0

/**
 * `scorecam_data_type.code`: unsigned integers.
 */
#define SCORECAM_TYPE_UINT 1

/**
 * `scorecam_data_type.code`: floating-point numbers.
 */
#define SCORECAM_TYPE_FLOAT 2

/**
 * `scorecam_data_type.code`: bfloat numbers.
 */
#define SCORECAM_TYPE_BFLOAT 4

/**
 * `scorecam_data_type.code`: booleans.
 */
#define SCORECAM_TYPE_BOOL 6

/**
 * `scorecam_device.kind`: main memory.
 */
#define SCORECAM_DEVICE_CPU 1

/**
 * `scorecam_device.kind`: a CUDA GPU.
 */
#define SCORECAM_DEVICE_CUDA 2

/**
 * Mask upsampling: bilinear, half-pixel centers.
 */
#define SCORECAM_UPSAMPLE_HALF_PIXEL 0

/**
 * Mask upsampling: bilinear, aligned corners.
 */
#define SCORECAM_UPSAMPLE_ALIGN_CORNERS 1

/**
 * Mask upsampling: bicubic, a = -0.75, half-pixel centers.
 */
#define SCORECAM_UPSAMPLE_BICUBIC 2

/**
 * Mask upsampling: bilinear, half-pixel centers, mirrored at the edges.
 */
#define SCORECAM_UPSAMPLE_MIRROR 3

/**
 * Mask upsampling: nearest cell.
 */
#define SCORECAM_UPSAMPLE_NEAREST 4

/**
 * Activation of an output: unknown.
 */
#define SCORECAM_OUTPUT_UNKNOWN 0

/**
 * Activation of an output: none, the values are logits.
 */
#define SCORECAM_OUTPUT_LOGITS 1

/**
 * Activation of an output: softmax.
 */
#define SCORECAM_OUTPUT_SOFTMAX 2

/**
 * Activation of an output: sigmoid.
 */
#define SCORECAM_OUTPUT_SIGMOID 3

/**
 * Activation of an output: none; a single logit in two columns, its negation (evidence against) and itself (evidence
 * for). The probability of each column is its sigmoid. Only in a study.
 */
#define SCORECAM_OUTPUT_BINARY 4

/**
 * Activation of an output: a single probability in two columns, 1 - p and p. Only in a study.
 */
#define SCORECAM_OUTPUT_PROBABILITY 5

/**
 * Activation of an output: none; a single number in two columns, its negation and itself. Only in a study.
 */
#define SCORECAM_OUTPUT_VALUE 6

/**
 * Activation of an output: scaling to length 1, for an embedding without class scores.
 */
#define SCORECAM_OUTPUT_UNIT_LENGTH 7

/**
 * `scorecam_services.log`: a failure.
 */
#define SCORECAM_LOG_ERROR 1

/**
 * `scorecam_services.log`: a warning for users.
 */
#define SCORECAM_LOG_WARN 2

/**
 * `scorecam_services.log`: a rare event.
 */
#define SCORECAM_LOG_INFO 3

/**
 * `scorecam_services.log`: information for debugging.
 */
#define SCORECAM_LOG_DEBUG 4

/**
 * `scorecam_services.log`: everything.
 */
#define SCORECAM_LOG_TRACE 5

/**
 * The result of a call: `SCORECAM_OK` or one of `SCORECAM_ERR_*`.
 */
typedef int32_t scorecam_status;

/**
 * The buffer for the error message of a function: one line that ends with NUL. The caller owns it.
 */
typedef struct scorecam_message {
    /**
     * The text; empty if nothing was written.
     */
    char text[1024];
} scorecam_message;

/**
 * A shape: `rank` sizes, the outermost axis first. A size of 0 in a description is variable.
 */
typedef struct scorecam_shape {
    /**
     * The number of axes, at most `SCORECAM_MAX_RANK`.
     */
    uint32_t rank;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * The length of each axis; unused ones are 0.
     */
    uint64_t sizes[8];
} scorecam_shape;

/**
 * An element type, with DLPack's numbers: f32 is {`SCORECAM_TYPE_FLOAT`, 32, 1}.
 */
typedef struct scorecam_data_type {
    /**
     * One of `SCORECAM_TYPE_*`, or another of DLPack's codes.
     */
    uint8_t code;
    /**
     * Bits per number.
     */
    uint8_t bits;
    /**
     * Numbers per element: 1 except for vectors.
     */
    uint16_t lanes;
} scorecam_data_type;

/**
 * The location of memory, with DLPack's numbers: the CPU is {`SCORECAM_DEVICE_CPU`, 0}.
 */
typedef struct scorecam_device {
    /**
     * One of `SCORECAM_DEVICE_*`, or another of DLPack's types.
     */
    int32_t kind;
    /**
     * The index of the device.
     */
    int32_t id;
} scorecam_device;

/**
 * A dense, row-major tensor that borrows its memory. At present every tensor must be f32 on the CPU. `data` may be
 * NULL only where documented.
 */
typedef struct scorecam_tensor {
    /**
     * The elements, as many as the product of the shape's sizes, aligned for their type.
     */
    const void *data;
    /**
     * The device that `data` is on.
     */
    struct scorecam_device device;
    /**
     * The type of the elements.
     */
    struct scorecam_data_type dtype;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * The shape. A length of 0 is allowed only in results, for an axis that is variable in the description.
     */
    struct scorecam_shape shape;
} scorecam_tensor;

/**
 * A tensor and the name of its input or output.
 */
typedef struct scorecam_named_tensor {
    /**
     * The name in the model.
     */
    const char *name;
    /**
     * The tensor.
     */
    struct scorecam_tensor tensor;
} scorecam_named_tensor;

/**
 * Tensors that a callee returns. After reading them, the caller calls `release(owner)` once if the call succeeded and
 * `release` is not NULL.
 */
typedef struct scorecam_outputs {
    /**
     * The tensors, valid until released.
     */
    const struct scorecam_tensor *tensors;
    /**
     * The number of tensors.
     */
    uint64_t count;
    /**
     * Passed to `release`.
     */
    void *owner;
    /**
     * Frees `tensors` and everything they point to; may be NULL. [any thread]
     */
    void (*release)(void *owner);
} scorecam_outputs;

/**
 * The host's services for a plugin. Valid for the life of the process.
 */
typedef struct scorecam_services {
    /**
     * `sizeof(scorecam_services)`.
     */
    uint32_t struct_size;
    /**
     * The maximum level that is logged, one of `SCORECAM_LOG_*`; 0 for none. Messages of higher levels may be omitted.
     */
    uint32_t log_level;
    /**
     * Passed to `log`.
     */
    void *context;
    /**
     * Writes a line to the host's log, which users enable with SCORECAM_LOG. `level` is one of `SCORECAM_LOG_*`,
     * `target` is the part of the plugin, `text` is one line; both are copied. [any thread]
     */
    void (*log)(void *context, uint32_t level, const char *target, const char *text);
} scorecam_services;

/**
 * The description of one item of a plugin.
 */
typedef struct scorecam_descriptor {
    /**
     * `sizeof(scorecam_descriptor)`.
     */
    uint32_t struct_size;
    /**
     * `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`; hosts ignore unknown kinds.
     */
    uint32_t kind;
    /**
     * The id: a-z, 0-9 and hyphens.
     */
    const char *id;
    /**
     * The plugin's own version.
     */
    const char *version;
    /**
     * A description in one line.
     */
    const char *summary;
    /**
     * The file extensions of a backend's models, without dots, separated by spaces; NULL for a method.
     */
    const char *extensions;
    /**
     * The abilities of a backend's models, a sum of `SCORECAM_ABILITY_*`; 0 for a method. A model may lack some of
     * them; the host rejects a model that offers others.
     */
    uint32_t abilities;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_descriptor;

/**
 * The only data symbol of a plugin: a variable of this type with the name `scorecam_plugin_entry`.
 */
typedef struct scorecam_plugin_table {
    /**
     * `SCORECAM_ABI_VERSION`; read before anything else.
     */
    uint32_t abi_version;
    /**
     * `sizeof(scorecam_plugin_table)`.
     */
    uint32_t struct_size;
    /**
     * The number of backends and methods in the plugin.
     */
    uint32_t count;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Receives the host's services before any other function is called; may be NULL. If several threads open the
     * plugin concurrently, it may be called more than once, with the same services. [any thread]
     */
    void (*open)(const struct scorecam_services *services);
    /**
     * Describes item `index` (0 to `count` - 1). The result must stay valid for the life of the process. [any thread]
     */
    const struct scorecam_descriptor *(*descriptor)(uint32_t index);
    /**
     * The table of item `index` for an interface id; NULL if the id is unknown. It must stay valid for the life of the
     * process. [any thread]
     */
    const void *(*get_interface)(uint32_t index, const char *id);
} scorecam_plugin_table;

/**
 * An option: a name and a value, both text.
 */
typedef struct scorecam_option {
    /**
     * The option's name.
     */
    const char *name;
    /**
     * The value, as the user typed it.
     */
    const char *value;
} scorecam_option;

#endif  /* SCORECAM_CORE_H */
