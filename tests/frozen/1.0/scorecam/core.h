/*
 * What every object of the ABI is made of: the entry table, statuses, strings, shapes, tensors, and what the host serves.
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
 * The version of this ABI, first field of the entry table. A plugin of another version is refused.
 */
#define SCORECAM_ABI_VERSION 2

/**
 * The most bytes that a string may have, its NUL included.
 */
#define SCORECAM_MAX_STRING 4096

/**
 * The most axes that a shape may have.
 */
#define SCORECAM_MAX_RANK 8

/**
 * Success.
 */
#define SCORECAM_OK 0

/**
 * An argument is out of range, NULL where it must not be, or contradicts another.
 */
#define SCORECAM_ERR_INVALID_ARGUMENT 1

/**
 * A layer, class, preset, option, backend or method of that name does not exist.
 */
#define SCORECAM_ERR_NOT_FOUND 2

/**
 * The backend or method lacks the ability, or the model has a form that is not handled.
 */
#define SCORECAM_ERR_UNSUPPORTED 3

/**
 * The model's file is wrong, or the runtime failed while it ran the model.
 */
#define SCORECAM_ERR_MODEL 4

/**
 * A library is no plugin, is of another version, or broke its contract.
 */
#define SCORECAM_ERR_PLUGIN 5

/**
 * A file could not be read or written.
 */
#define SCORECAM_ERR_IO 6

/**
 * A callback asked to stop.
 */
#define SCORECAM_ERR_CANCELLED 7

/**
 * A fault of the library itself: a panic that was caught.
 */
#define SCORECAM_ERR_INTERNAL 8

/**
 * A handle was freed, is of another type, or never was one.
 */
#define SCORECAM_ERR_INVALID_HANDLE 9

/**
 * A buffer is too small; the message says what it must hold.
 */
#define SCORECAM_ERR_BUFFER_TOO_SMALL 10

/**
 * The caller's time limit has passed; a method may end with what it has, or with this status.
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
 * What a backend offers or a method needs: outputs are differentiated, `scorecam.gradients/1`.
 */
#define SCORECAM_ABILITY_GRADIENTS 1

/**
 * What a backend offers or a method needs: a model is run from an inner layer, `scorecam.run-from/1`.
 */
#define SCORECAM_ABILITY_RUN_FROM 2

/**
 * What a backend offers: masked images are made by the backend itself, `scorecam.masked/1`.
 */
#define SCORECAM_ABILITY_MASKED 4

/**
 * What a method needs: `SCORECAM_ABILITY_GRADIENTS` or `SCORECAM_ABILITY_RUN_FROM`, whichever a model has.
 */
#define SCORECAM_ABILITY_SLOPES 8

/**
 * `scorecam_data_type.code`: signed whole numbers.
 */
#define SCORECAM_TYPE_INT 0

/**
 * `scorecam_data_type.code`: unsigned whole numbers.
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
 * `scorecam_data_type.code`: truth values.
 */
#define SCORECAM_TYPE_BOOL 6

/**
 * `scorecam_device.kind`: main memory.
 */
#define SCORECAM_DEVICE_CPU 1

/**
 * `scorecam_device.kind`: a GPU of CUDA.
 */
#define SCORECAM_DEVICE_CUDA 2

/**
 * Mask upsampling: bilinear, half-pixel centers.
 */
#define SCORECAM_UPSAMPLE_HALF_PIXEL 0

/**
 * Mask upsampling: bilinear, corners on corners.
 */
#define SCORECAM_UPSAMPLE_ALIGN_CORNERS 1

/**
 * Mask upsampling: bicubic, a = -0.75, half-pixel centers.
 */
#define SCORECAM_UPSAMPLE_BICUBIC 2

/**
 * Mask upsampling: bilinear, half-pixel, positions mirrored at the edges.
 */
#define SCORECAM_UPSAMPLE_MIRROR 3

/**
 * Mask upsampling: nearest cell.
 */
#define SCORECAM_UPSAMPLE_NEAREST 4

/**
 * What is applied to values: not known.
 */
#define SCORECAM_OUTPUT_UNKNOWN 0

/**
 * What is applied to values: nothing, they are logits.
 */
#define SCORECAM_OUTPUT_LOGITS 1

/**
 * What is applied to values: softmax.
 */
#define SCORECAM_OUTPUT_SOFTMAX 2

/**
 * What is applied to values: sigmoid.
 */
#define SCORECAM_OUTPUT_SIGMOID 3

/**
 * What is applied to values: nothing, and they are a single logit in two columns, evidence against it (its negation) and
 * for it. The probability of either is its sigmoid. Only in a study.
 */
#define SCORECAM_OUTPUT_BINARY 4

/**
 * What is applied to values: they are a single probability in two columns, 1 - p and p. Only in a study.
 */
#define SCORECAM_OUTPUT_PROBABILITY 5

/**
 * What is applied to values: they are a single number in two columns, its negation and itself. Only in a study.
 */
#define SCORECAM_OUTPUT_VALUE 6

/**
 * What is applied to values: they are scaled to length 1, an embedding that scores no class.
 */
#define SCORECAM_OUTPUT_UNIT_LENGTH 7

/**
 * `scorecam_services.log`: something failed.
 */
#define SCORECAM_LOG_ERROR 1

/**
 * `scorecam_services.log`: something that a user should know.
 */
#define SCORECAM_LOG_WARN 2

/**
 * `scorecam_services.log`: something that happens once or now and then.
 */
#define SCORECAM_LOG_INFO 3

/**
 * `scorecam_services.log`: what helps to find a fault.
 */
#define SCORECAM_LOG_DEBUG 4

/**
 * `scorecam_services.log`: all there is.
 */
#define SCORECAM_LOG_TRACE 5

/**
 * How a call went: `SCORECAM_OK` or one of `SCORECAM_ERR_*`.
 */
typedef int32_t scorecam_status;

/**
 * Where a function writes, in one line ending with NUL, why it failed. The caller owns it.
 */
typedef struct scorecam_message {
    /**
     * The text; empty when nothing was written.
     */
    char text[1024];
} scorecam_message;

/**
 * A shape: `rank` sizes, the outermost axis first. A size of 0 in a description means that it is free.
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
 * An element type, by DLPack's numbers: f32 is {`SCORECAM_TYPE_FLOAT`, 32, 1}.
 */
typedef struct scorecam_data_type {
    /**
     * One of `SCORECAM_TYPE_*`, or another of DLPack's codes.
     */
    uint8_t code;
    /**
     * Bits of one number.
     */
    uint8_t bits;
    /**
     * Numbers of one element: 1 but for vectors.
     */
    uint16_t lanes;
} scorecam_data_type;

/**
 * Where memory is, by DLPack's numbers: the CPU is {`SCORECAM_DEVICE_CPU`, 0}.
 */
typedef struct scorecam_device {
    /**
     * One of `SCORECAM_DEVICE_*`, or another of DLPack's types.
     */
    int32_t kind;
    /**
     * Which of several.
     */
    int32_t id;
} scorecam_device;

/**
 * A dense tensor, row-major, that somebody else owns. Today every tensor is f32 on the CPU, and another one is refused.
 * `data` may be NULL only where that is said.
 */
typedef struct scorecam_tensor {
    /**
     * As many elements as the product of the shape's sizes, aligned as their type needs.
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
     * The shape. Only an axis of a result that the description leaves free may have the length 0.
     */
    struct scorecam_shape shape;
} scorecam_tensor;

/**
 * A tensor and the name of the input or output that it is for.
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
 * Tensors that a callee made. The caller calls `release(owner)` once when it has read them, if the call
 * succeeded and `release` is not NULL.
 */
typedef struct scorecam_outputs {
    /**
     * The tensors, valid until released.
     */
    const struct scorecam_tensor *tensors;
    /**
     * How many there are.
     */
    uint64_t count;
    /**
     * Passed to `release`.
     */
    void *owner;
    /**
     * Frees `tensors` and all they point to; may be NULL. [any thread]
     */
    void (*release)(void *owner);
} scorecam_outputs;

/**
 * What the host does for a plugin. Valid for the life of the process.
 */
typedef struct scorecam_services {
    /**
     * `sizeof(scorecam_services)`.
     */
    uint32_t struct_size;
    /**
     * The most that anybody listens to, one of `SCORECAM_LOG_*`; 0 when nobody does. What is beyond need not be logged.
     */
    uint32_t log_level;
    /**
     * Passed to `log`.
     */
    void *context;
    /**
     * Writes a line into the host's log, where users find it by SCORECAM_LOG. `level` is one of `SCORECAM_LOG_*`,
     * `target` says which part of the plugin speaks, `text` is one line; both are copied. [any thread]
     */
    void (*log)(void *context, uint32_t level, const char *target, const char *text);
} scorecam_services;

/**
 * What one item of a plugin is.
 */
typedef struct scorecam_descriptor {
    /**
     * `sizeof(scorecam_descriptor)`.
     */
    uint32_t struct_size;
    /**
     * `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`; hosts pass over kinds that they do not know.
     */
    uint32_t kind;
    /**
     * The id by which users choose it: a-z, 0-9 and hyphens.
     */
    const char *id;
    /**
     * The plugin's own version.
     */
    const char *version;
    /**
     * One line on what it is.
     */
    const char *summary;
    /**
     * For a backend: file extensions of its models, without dots, separated by spaces. Else NULL.
     */
    const char *extensions;
    /**
     * For a backend: what can be done with its models, a sum of `SCORECAM_ABILITY_*`. A model may lack some of
     * these; one that offers another is refused. Else 0.
     */
    uint32_t abilities;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_descriptor;

/**
 * The one data symbol of a plugin: a variable of this type called `scorecam_plugin_entry`.
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
     * How many backends and methods the plugin holds.
     */
    uint32_t count;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Hands over the host's services before any other function is called; may be NULL. Where several threads open the
     * plugin at once it may be called more than once, with the same services. [any thread]
     */
    void (*open)(const struct scorecam_services *services);
    /**
     * Describes item `index` (0 to `count` - 1). The result stays valid for the life of the process. [any thread]
     */
    const struct scorecam_descriptor *(*descriptor)(uint32_t index);
    /**
     * The table of item `index` behind an interface id, or NULL. It stays valid for the life of the process.
     * [any thread]
     */
    const void *(*get_interface)(uint32_t index, const char *id);
} scorecam_plugin_table;

/**
 * A name and a value, both text.
 */
typedef struct scorecam_option {
    /**
     * The option's name.
     */
    const char *name;
    /**
     * Its value, as a user writes it.
     */
    const char *value;
} scorecam_option;

#endif  /* SCORECAM_CORE_H */
