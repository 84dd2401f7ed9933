// A backend in C++ that lets an exception out of the function that the variable SPOIL names. No function of a
// plugin may do that: nobody beyond its C interface can catch one.
#include "scorecam_plugin.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace {

void throw_in(const char *place)
{
    const char *wanted = std::getenv("SPOIL");
    if (wanted != nullptr && std::strcmp(wanted, place) == 0) {
        throw std::runtime_error(place);
    }
}

const scorecam_input_info inputs[] = {{"input", {4, 0, {0, 1, 6, 6}}, SCORECAM_F32, 1}};
const scorecam_output_info outputs[] = {{"scores", {2, 0, {0, 4}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0}};
const scorecam_layer layers[] = {{"maps", "Conv", {3, 0, {2, 3, 3}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0}};
const scorecam_model_description description = {
    sizeof(scorecam_model_description), 0, inputs, 1, outputs, 1, 0, nullptr, layers, 1, 0, 1, 1};

const float zeros[18] = {};
const scorecam_tensor tensors[] = {{zeros, SCORECAM_CPU, SCORECAM_F32, 0, {2, 0, {1, 4}}},
                                   {zeros, SCORECAM_CPU, SCORECAM_F32, 0, {4, 0, {1, 2, 3, 3}}}};

int32_t load(const scorecam_model_config *config, void **, scorecam_message *)
{
    char line[8] = "";
    std::FILE *file = std::fopen(config->path, "r");
    const bool sound = file != nullptr && std::fgets(line, sizeof line, file) != nullptr;
    if (file != nullptr) {
        std::fclose(file);
    }
    if (!sound || std::strcmp(line, "sound\n") != 0) {
        return SCORECAM_ERR_MODEL;
    }
    throw_in("exception in load");
    return SCORECAM_OK;
}

int32_t describe(void *, const scorecam_model_description **out, scorecam_message *)
{
    *out = &description;
    return SCORECAM_OK;
}

int32_t forward(void *, const scorecam_inputs *, const char *const *, uint64_t wanted, scorecam_outputs *out,
                scorecam_message *)
{
    throw_in("exception in forward");
    out->tensors = tensors;
    out->count = wanted;
    return SCORECAM_OK;
}

const scorecam_backend backend = {sizeof(scorecam_backend), 0, load, nullptr, describe, forward, nullptr};
const scorecam_descriptor about = {
    sizeof(scorecam_descriptor), SCORECAM_KIND_BACKEND, "throws", "1.0", "throws on purpose", "spoiled", 0, 0};

const scorecam_descriptor *descriptor(uint32_t)
{
    return &about;
}

const void *get_interface(uint32_t, const char *)
{
    return &backend;
}

}  // namespace

extern "C" const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 1, 0, nullptr, descriptor, get_interface};
