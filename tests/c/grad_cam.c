/*
 * A C11 program that asks for Grad-CAM: grad_cam PLUGIN WITHOUT WITH
 *
 * WITHOUT is a model that has no gradients: the call must be refused, and its line is printed. WITH is one of
 * 3 x 24 x 40 that has: a ramp is explained, and classes and passes are printed.
 */
#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>

#define CHANNELS 3
#define HEIGHT 24
#define WIDTH 40

static void demand(int32_t expected, int32_t status, const char *what)
{
    if (status != expected) {
        fprintf(stderr, "%s: %s, not %s: %s\n", what, scorecam_status_name(status),
                scorecam_status_name(expected), scorecam_last_error());
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static float ramp[CHANNELS * HEIGHT * WIDTH];
    const uint64_t classes[2] = {0, 3};
    scorecam_host *host = NULL;
    scorecam_model *without = NULL, *with = NULL;
    scorecam_explanation *explanation = NULL;
    scorecam_image input = SCORECAM_TENSOR_INIT;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    size_t i;

    if (argc != 4) {
        fprintf(stderr, "usage: %s PLUGIN WITHOUT WITH\n", argv[0]);
        return 2;
    }
    for (i = 0; i < CHANNELS * HEIGHT * WIDTH; i++) {
        ramp[i] = (float)(i % WIDTH) / WIDTH;
    }
    input.data = ramp;
    input.data_size = sizeof ramp;
    input.height = HEIGHT;
    input.width = WIDTH;
    options.method = "grad-cam";
    options.classes = classes;
    options.class_count = 2;

    demand(SCORECAM_OK, scorecam_host_create(&host), "create a host");
    demand(SCORECAM_OK, scorecam_host_load_plugin(host, argv[1]), "load the plugin");
    demand(SCORECAM_OK, scorecam_model_load(&without, host, argv[2], NULL), "load the first model");
    demand(SCORECAM_OK, scorecam_model_load(&with, host, argv[3], NULL), "load the second model");

    demand(SCORECAM_ERR_UNSUPPORTED, scorecam_explain(&explanation, without, &input, &options), "explain without");
    printf("refused: %s\n", scorecam_last_error());
    demand(SCORECAM_OK, scorecam_explain(&explanation, with, &input, &options), "explain");
    demand(SCORECAM_OK, scorecam_explanation_describe(&info, explanation), "describe the explanation");
    printf("targets %llu passes %llu\n", (unsigned long long)info.target_count, (unsigned long long)info.passes);

    demand(SCORECAM_OK, scorecam_explanation_free(explanation), "free the explanation");
    demand(SCORECAM_OK, scorecam_model_free(with), "free the second model");
    demand(SCORECAM_OK, scorecam_model_free(without), "free the first model");
    demand(SCORECAM_OK, scorecam_host_free(host), "free the host");
    return 0;
}
