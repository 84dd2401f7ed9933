/*
 * The shortest program for a saliency map: explain_tensor PLUGIN MODEL CHANNELS HEIGHT WIDTH < TENSOR
 *
 * TENSOR is the model's preprocessed input on standard input, raw f32 [C, H, W]. Prints the position of the strongest
 * evidence for the class with the highest score. Build and run, from the repository's folder; the first line fetches
 * ONNX Runtime, which the backend opens to load a model:
 *     cargo xtask fetch
 *     cargo build --release
 *     cc -std=c11 -Iinclude examples/c/explain_tensor.c -Ltarget/release -lscorecam -o explain_tensor
 *     export LD_LIBRARY_PATH=target/release
 *     ./explain_tensor target/release/libscorecam_onnx_cpu.so model.onnx 3 224 224 < input.f32
 * or against an installed scorecam, with examples/c/CMakeLists.txt.
 */
#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, scorecam_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_explanation *explanation = NULL;
    scorecam_image input = SCORECAM_TENSOR_INIT;
    scorecam_target target = SCORECAM_TARGET_INIT;
    const float *map;
    float *values;
    uint64_t height, width, i, best = 0;
    size_t count;

    if (argc != 6) {
        fprintf(stderr, "usage: %s PLUGIN MODEL CHANNELS HEIGHT WIDTH < TENSOR\n", argv[0]);
        return 2;
    }
    input.channels = (uint32_t)strtoul(argv[3], NULL, 10);
    input.height = strtoul(argv[4], NULL, 10);
    input.width = strtoul(argv[5], NULL, 10);
    count = (size_t)(input.channels * input.height * input.width);
    values = calloc(count, sizeof *values);
    if (values == NULL || fread(values, sizeof *values, count, stdin) != count) {
        fprintf(stderr, "standard input holds fewer than %zu values\n", count);
        return 1;
    }
    input.data = values;
    input.data_size = count * sizeof *values;

    if (scorecam_host_create(&host) != SCORECAM_OK || scorecam_host_load_plugin(host, argv[1]) != SCORECAM_OK) {
        return failed("load the plugin");
    }
    if (scorecam_model_load(&model, host, argv[2], NULL) != SCORECAM_OK) {
        return failed("load the model");
    }
    if (scorecam_explain(&explanation, model, &input, NULL) != SCORECAM_OK) {
        return failed("explain");
    }
    if (scorecam_explanation_target(&target, explanation, 0) != SCORECAM_OK
        || scorecam_explanation_map(&map, &height, &width, explanation, 0) != SCORECAM_OK) {
        return failed("read the explanation");
    }
    for (i = 1; i < height * width; i++) {
        best = map[i] > map[best] ? i : best;
    }
    printf("class %llu, score %.3f: most of it at row %llu, column %llu of %llux%llu\n",
           (unsigned long long)target.class_index, target.score, (unsigned long long)(best / width),
           (unsigned long long)(best % width), (unsigned long long)height, (unsigned long long)width);

    scorecam_explanation_free(explanation);
    scorecam_model_free(model);
    scorecam_host_free(host);
    free(values);
    return 0;
}
