/*
 * A C program on an installed library: installed MODEL
 *
 * It names no plugin, so that the library has to find the installed ones, but for PLUGINS, where that is a folder of them.
 * Printed are the number of the model's
 * layers and the file of every plugin.
 */
#include <scorecam.h>

#include <stdio.h>

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, scorecam_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_model_info info = SCORECAM_MODEL_INFO_INIT;
    uint64_t plugins = 0, i;

    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL\n", argv[0]);
        return 2;
    }
    if (scorecam_host_create(&host) != SCORECAM_OK) {
        return failed("make a host");
    }
#ifdef PLUGINS
    if (scorecam_host_load_plugin(host, PLUGINS) != SCORECAM_OK) {
        return failed("load the plugins");
    }
#endif
    if (scorecam_model_load(&model, host, argv[1], NULL) != SCORECAM_OK) {
        return failed("load the model");
    }
    if (scorecam_model_describe(&info, model) != SCORECAM_OK
        || scorecam_host_plugin_count(&plugins, host) != SCORECAM_OK) {
        return failed("count");
    }
    printf("scorecam %s, %llu layers\n", scorecam_version(), (unsigned long long)info.layer_count);
    for (i = 0; i < plugins; i++) {
        scorecam_plugin_info plugin = SCORECAM_PLUGIN_INFO_INIT;
        if (scorecam_host_plugin(&plugin, host, i) != SCORECAM_OK) {
            return failed("read a plugin");
        }
        printf("%s %s\n", plugin.id, plugin.path == NULL ? "built in" : plugin.path);
    }
    scorecam_model_free(model);
    scorecam_host_free(host);
    return 0;
}
