/* A program that is linked to two libraries made with Rust: beside_rust PLUGIN MODEL. */
#include "scorecam.h"

#include <stdbool.h>
#include <stdio.h>

size_t other_count(uint32_t words);
bool other_catches(void);

int main(int count, char **arguments)
{
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_model_info info = SCORECAM_MODEL_INFO_INIT;
    if (count != 3 || scorecam_host_create(&host) || scorecam_host_load_plugin(host, arguments[1]) ||
        scorecam_model_load(&model, host, arguments[2], NULL) || scorecam_model_describe(&info, model)) {
        fprintf(stderr, "%s\n", scorecam_last_error());
        return 1;
    }
    printf("%zu words, %s, %u classes\n", other_count(5), other_catches() ? "caught" : "not caught",
           (unsigned)info.class_count);
    return 0;
}
