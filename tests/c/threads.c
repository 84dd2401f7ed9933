/*
 * A C11 program of 20 threads: threads SECONDS BACKEND COPY MODEL... -- PLUGIN...
 *
 * The first use of all comes from 16 threads at once. Then one thread explains each MODEL with the plugin
 * BACKEND. Then, for SECONDS, 16 threads explain them, half on the first one and half on all, cancel, and
 * make mistakes; two load each PLUGIN over and over, into one host and into hosts of their own, and read the
 * host's list; two make and free hosts, models and explanations with BACKEND or its COPY. At last two threads
 * free what 15 others use, again and again. Every map must equal the one thread's bit for bit. BACKEND must
 * lie beside the C library. `threads race` races on purpose, for a proof that a sanitizer looks.
 */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define WORKERS 16
#define LOADERS 2
#define MAKERS 2
#define USERS 15
#define MAX_MODELS 8
#define MAX_ITEMS 512
#define QUESTIONS 3

/* What is asked of every model, in so few passes that a real network answers soon. */
static const struct {
    uint64_t class_index;
    const char *preset;
} questions[QUESTIONS] = {{0, NULL}, {1, "paper"}, {0, "torchcam"}};

static const scorecam_option few_passes[2] = {{"select", "std"}, {"select_count", "3"}};

typedef struct {
    float *map;
    uint64_t height, width;
    double score;
} answer;

/* Set by one thread before the others begin; only read from then on. */
static struct {
    double seconds;
    const char *backend, *copy;
    char **plugins, **paths;
    int plugin_count, model_count;
    scorecam_image photo;
    uint8_t pixels[PHOTO_BYTES];
    scorecam_host *host;
    scorecam_model *models[MAX_MODELS];
    answer answers[MAX_MODELS][QUESTIONS];
    struct timespec start;
} world;

static atomic_ulong explained, cancelled, loads, made, freed;

static double seconds_gone(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - world.start.tv_sec) + 1e-9 * (double)(now.tv_nsec - world.start.tv_nsec);
}

static int32_t ask(scorecam_explanation **out, const scorecam_model *model, int question,
                   scorecam_progress progress, void *user_data)
{
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    options.preset = questions[question].preset;
    options.options = few_passes;
    options.option_count = 2;
    options.classes = &questions[question].class_index;
    options.class_count = 1;
    options.batch_size = 1;
    options.progress = progress;
    options.user_data = user_data;
    return scorecam_explain(out, model, &world.photo, &options);
}

static void check(const scorecam_explanation *explanation, int model, int question)
{
    const answer *first = &world.answers[model][question];
    scorecam_target target = SCORECAM_TARGET_INIT;
    const float *map;
    uint64_t height, width;
    demand(scorecam_explanation_map(&map, &height, &width, explanation, 0), "read a map");
    demand(scorecam_explanation_target(&target, explanation, 0), "read a target");
    if (height != first->height || width != first->width || target.score != first->score
        || memcmp(map, first->map, (size_t)(height * width) * sizeof *map) != 0) {
        fail(world.paths[model], "an answer differs from that of one thread");
    }
}

static scorecam_model *load_model(const scorecam_host *host, const char *path)
{
    scorecam_model_options options = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_model *model = NULL;
    options.threads = 1;
    demand(scorecam_model_load(&model, host, path, &options), path);
    return model;
}

/* What 16 threads begin with at the same moment. */
typedef struct {
    pthread_barrier_t begin;
    scorecam_host *searching;
    scorecam_explanation *explanations[WORKERS];
    atomic_int number;
} beginning;

static void *begin(void *argument)
{
    beginning *all = argument;
    int number = atomic_fetch_add(&all->number, 1);
    scorecam_host *host = NULL;
    scorecam_model *model;
    pthread_barrier_wait(&all->begin);
    if (number % 2 == 0) {
        demand(scorecam_host_create(&host), "create a host");
        demand(scorecam_host_load_plugin(host, world.backend), world.backend);
    }
    model = load_model(host != NULL ? host : all->searching, world.paths[0]);
    demand(ask(&all->explanations[number], model, 0, NULL, NULL), "explain first");
    demand(scorecam_model_free(model), "free a model");
    demand(scorecam_host_free(host), "free a host");
    return NULL;
}

/* 16 threads open the plugin and start its runtime; half of them share a host, which has to look for it. */
static void begin_at_once(beginning *all)
{
    pthread_t threads[WORKERS];
    int i;
    demand(scorecam_host_create(&all->searching), "create a host");
    pthread_barrier_init(&all->begin, NULL, WORKERS);
    for (i = 0; i < WORKERS; i++) {
        pthread_create(&threads[i], NULL, begin, all);
    }
    for (i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&all->begin);
    demand(scorecam_host_free(all->searching), "free a host");
}

/* One thread's answers, which all others are held to. */
static void answer_alone(void)
{
    int m, q;
    demand(scorecam_host_create(&world.host), "create the host");
    demand(scorecam_host_load_plugin(world.host, world.backend), world.backend);
    for (m = 0; m < world.model_count; m++) {
        world.models[m] = load_model(world.host, world.paths[m]);
        for (q = 0; q < QUESTIONS; q++) {
            answer *first = &world.answers[m][q];
            scorecam_target target = SCORECAM_TARGET_INIT;
            scorecam_explanation *explanation = NULL;
            const float *map;
            size_t size;
            demand(ask(&explanation, world.models[m], q, NULL, NULL), "explain alone");
            demand(scorecam_explanation_map(&map, &first->height, &first->width, explanation, 0), "map");
            demand(scorecam_explanation_target(&target, explanation, 0), "target");
            size = (size_t)(first->height * first->width) * sizeof *map;
            first->score = target.score;
            first->map = malloc(size);
            if (first->map == NULL) {
                fail("answer alone", "out of memory");
            }
            memcpy(first->map, map, size);
            demand(scorecam_explanation_free(explanation), "free");
        }
    }
}

/* Whose call it is, and after how many passes it is to be cancelled: 0 for never. */
typedef struct {
    pthread_t thread;
    uint64_t cancel_after, calls;
} caller;

static int32_t count_or_cancel(uint64_t passes, uint64_t expected, void *user_data)
{
    caller *me = user_data;
    (void)expected;
    if (!pthread_equal(me->thread, pthread_self())) {
        fail("progress", "another thread's call was reported");
    }
    me->calls++;
    return me->cancel_after != 0 && passes >= me->cancel_after;
}

/* A mistake of this thread alone, whose message must still be here when others have made theirs. */
static void make_mistake(const scorecam_model *model, int worker, int round)
{
    char name[64];
    uint64_t class_index = 77;
    snprintf(name, sizeof name, "nothing-%d-%d", worker, round);
    expect(SCORECAM_ERR_NOT_FOUND, scorecam_model_find_class(&class_index, model, name), name);
    sched_yield();
    if (strstr(scorecam_last_error(), name) == NULL || class_index != 77) {
        fail(name, scorecam_last_error());
    }
}

static void *work(void *argument)
{
    int worker = (int)(intptr_t)argument, round = 0;
    do {
        int model = worker % 2 == 0 ? 0 : (worker / 2 + round) % world.model_count;
        int question = round % QUESTIONS;
        scorecam_explanation *explanation = NULL;
        caller me = {pthread_self(), 0, 0};
        demand(ask(&explanation, world.models[model], question, count_or_cancel, &me), "explain");
        check(explanation, model, question);
        demand(scorecam_explanation_free(explanation), "free");
        explanation = NULL;
        atomic_fetch_add(&explained, 1);
        make_mistake(world.models[model], worker, round);
        if (worker % 4 == 1) {
            me.cancel_after = 1 + (uint64_t)round % 3;
            expect(SCORECAM_ERR_CANCELLED,
                   ask(&explanation, world.models[model], question, count_or_cancel, &me), "cancel");
            atomic_fetch_add(&cancelled, 1);
        }
        if (explanation != NULL || me.calls == 0) {
            fail("progress", "nobody was told, or a cancelled call wrote a result");
        }
        round++;
    } while (seconds_gone() < world.seconds);
    return NULL;
}

/* Reads the shared host's list, whose items keep their place and text. Returns how many there are. */
static uint64_t read_list(scorecam_plugin_info *seen, uint64_t count)
{
    uint64_t now, i;
    demand(scorecam_host_plugin_count(&now, world.host), "count plugins");
    if (now < count || now > MAX_ITEMS) {
        fail("list of plugins", "it shrank, or has more items than were loaded");
    }
    for (i = 0; i < now; i++) {
        scorecam_plugin_info info = SCORECAM_PLUGIN_INFO_INIT;
        demand(scorecam_host_plugin(&info, world.host, i), "describe a plugin");
        if (i >= count) {
            seen[i] = info;
        } else if (seen[i].id != info.id || seen[i].path != info.path || strlen(seen[i].id) == 0
                   || strcmp(seen[i].summary, info.summary) != 0) {
            fail("list of plugins", "an index has changed its meaning");
        }
    }
    return now;
}

static void *load_plugins(void *argument)
{
    static scorecam_plugin_info lists[LOADERS][MAX_ITEMS];
    int loader = (int)(intptr_t)argument, i;
    uint64_t known = 0, items, built_in;
    do {
        scorecam_host *own = NULL;
        demand(scorecam_host_create(&own), "create a host");
        demand(scorecam_host_plugin_count(&built_in, own), "count what is built in");
        for (i = 0; i < world.plugin_count; i++) {
            /* From both ends, so that the two threads meet. */
            const char *plugin = world.plugins[loader == 0 ? i : world.plugin_count - 1 - i];
            demand(scorecam_host_load_plugin(world.host, plugin), plugin);
            demand(scorecam_host_load_plugin(own, plugin), plugin);
            known = read_list(lists[loader], known);
            atomic_fetch_add(&loads, 2);
        }
        demand(scorecam_host_plugin_count(&items, own), "count a host's own plugins");
        if (items != built_in + (uint64_t)world.plugin_count || known != items + 1) {
            fail("list of plugins", "a host lacks a plugin, or has one twice or another host's");
        }
        /* Of two files with one id, the second is refused. */
        expect(SCORECAM_ERR_PLUGIN, scorecam_host_load_plugin(world.host, world.copy), "load an id again");
        demand(scorecam_host_free(own), "free a host");
    } while (seconds_gone() < world.seconds);
    return NULL;
}

static void *make_and_free(void *argument)
{
    int maker = (int)(intptr_t)argument, round = 0;
    do {
        scorecam_host *host = NULL;
        scorecam_model *model;
        scorecam_explanation *explanation = NULL;
        int m = round % world.model_count, q = (maker + round) % QUESTIONS;
        demand(scorecam_host_create(&host), "create a host");
        demand(scorecam_host_load_plugin(host, round % 2 == 0 ? world.backend : world.copy), "load the backend");
        model = load_model(host, world.paths[m]);
        if (maker == 0) {
            demand(scorecam_host_free(host), "free a host before its model");
        }
        demand(ask(&explanation, model, q, NULL, NULL), "explain");
        demand(scorecam_model_free(model), "free a model before its explanation");
        check(explanation, m, q);
        demand(scorecam_explanation_free(explanation), "free an explanation");
        expect(maker == 0 ? SCORECAM_ERR_INVALID_HANDLE : SCORECAM_OK, scorecam_host_free(host),
               "free a host");
        atomic_fetch_add(&made, 1);
        round++;
    } while (seconds_gone() < world.seconds);
    return NULL;
}

/* What 15 threads use while it is freed. */
typedef struct {
    scorecam_host *host;
    scorecam_model *model;
    scorecam_explanation *explanation;
    pthread_barrier_t begin;
    atomic_int frees;
} shared;

/* Whether a call was refused because its handle was freed; any other failure is wrong. */
static int refused(int32_t status)
{
    if (status != SCORECAM_ERR_INVALID_HANDLE) {
        demand(status, "use what another thread frees");
    }
    return status != SCORECAM_OK;
}

static void *use(void *argument)
{
    shared *all = argument;
    int host_gone = 0, model_gone = 0, explanation_gone = 0;
    pthread_barrier_wait(&all->begin);
    while (!host_gone || !model_gone || !explanation_gone) {
        uint8_t overlay[PHOTO_BYTES];
        scorecam_explanation *own = NULL;
        scorecam_plugin_info info = SCORECAM_PLUGIN_INFO_INIT;
        scorecam_target target = SCORECAM_TARGET_INIT;
        scorecam_model_info model_info = SCORECAM_MODEL_INFO_INIT;
        uint64_t count;
        host_gone |= refused(scorecam_host_plugin_count(&count, all->host));
        host_gone |= refused(scorecam_host_plugin(&info, all->host, 1));
        host_gone |= refused(scorecam_host_load_plugin(all->host, world.plugins[0]));
        explanation_gone |= refused(scorecam_explanation_target(&target, all->explanation, 0));
        explanation_gone |=
            refused(scorecam_explanation_overlay(overlay, sizeof overlay, all->explanation, &world.photo, NULL));
        model_gone |= refused(scorecam_model_describe(&model_info, all->model));
        if (!model_gone && !refused(ask(&own, all->model, 0, NULL, NULL))) {
            check(own, 0, 0);
            demand(scorecam_explanation_free(own), "free an own explanation");
        }
    }
    return NULL;
}

static void *free_shared(void *argument)
{
    shared *all = argument;
    pthread_barrier_wait(&all->begin);
    all->frees += scorecam_explanation_free(all->explanation) == SCORECAM_OK;
    all->frees += scorecam_model_free(all->model) == SCORECAM_OK;
    all->frees += scorecam_host_free(all->host) == SCORECAM_OK;
    return NULL;
}

/* Two threads free the same three handles while 15 use them: each handle is freed once. */
static void free_while_used(void)
{
    const double end = seconds_gone() + world.seconds / 4;
    do {
        shared all = {NULL, NULL, NULL, {{0}}, 0};
        pthread_t threads[USERS + 2];
        int i;
        demand(scorecam_host_create(&all.host), "create a host");
        demand(scorecam_host_load_plugin(all.host, world.backend), "load the backend");
        all.model = load_model(all.host, world.paths[0]);
        demand(ask(&all.explanation, all.model, 0, NULL, NULL), "explain");
        pthread_barrier_init(&all.begin, NULL, USERS + 2);
        for (i = 0; i < USERS + 2; i++) {
            pthread_create(&threads[i], NULL, i < USERS ? use : free_shared, &all);
        }
        for (i = 0; i < USERS + 2; i++) {
            pthread_join(threads[i], NULL);
        }
        pthread_barrier_destroy(&all.begin);
        if (all.frees != 3) {
            fail("free", "a handle was freed twice, or never");
        }
        atomic_fetch_add(&freed, 3);
    } while (seconds_gone() < end);
}

static int unguarded;

static void *race(void *argument)
{
    unguarded++;
    return argument;
}

static int race_on_purpose(void)
{
    pthread_t other;
    pthread_create(&other, NULL, race, NULL);
    race(NULL);
    pthread_join(other, NULL);
    return unguarded != 2;
}

static void read_arguments(int argc, char **argv)
{
    int i = 4;
    world.seconds = strtod(argv[1], NULL);
    world.backend = argv[2];
    world.copy = argv[3];
    world.paths = argv + 4;
    while (i < argc && strcmp(argv[i], "--") != 0) {
        i++;
    }
    world.model_count = i - 4;
    world.plugins = argv + i + 1;
    world.plugin_count = argc - i - 1;
    if (world.model_count < 1 || world.model_count > MAX_MODELS || world.plugin_count < 1) {
        fail("arguments", "give 1 to 8 models and at least one plugin");
    }
}

int main(int argc, char **argv)
{
    static beginning first;
    pthread_t threads[WORKERS + LOADERS + MAKERS];
    int i;
    if (argc == 2 && strcmp(argv[1], "race") == 0) {
        return race_on_purpose();
    }
    if (argc < 7) {
        fprintf(stderr, "usage: %s SECONDS BACKEND COPY MODEL... -- PLUGIN...\n", argv[0]);
        return 2;
    }
    read_arguments(argc, argv);
    make_photo(&world.photo, world.pixels);
    begin_at_once(&first);
    answer_alone();
    for (i = 0; i < WORKERS; i++) {
        check(first.explanations[i], 0, 0);
        demand(scorecam_explanation_free(first.explanations[i]), "free an explanation");
    }
    clock_gettime(CLOCK_MONOTONIC, &world.start);
    for (i = 0; i < WORKERS + LOADERS + MAKERS; i++) {
        void *(*run)(void *) = i < WORKERS ? work : i < WORKERS + LOADERS ? load_plugins : make_and_free;
        int number = i < WORKERS ? i : i < WORKERS + LOADERS ? i - WORKERS : i - WORKERS - LOADERS;
        pthread_create(&threads[i], NULL, run, (void *)(intptr_t)number);
    }
    for (i = 0; i < WORKERS + LOADERS + MAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    free_while_used();
    printf("explained %lu cancelled %lu loads %lu made %lu freed %lu\n", atomic_load(&explained),
           atomic_load(&cancelled), atomic_load(&loads), atomic_load(&made), atomic_load(&freed));
    for (i = 0; i < world.model_count; i++) {
        int q;
        for (q = 0; q < QUESTIONS; q++) {
            free(world.answers[i][q].map);
        }
        demand(scorecam_model_free(world.models[i]), "free a model");
    }
    demand(scorecam_host_free(world.host), "free the host");
    return 0;
}
