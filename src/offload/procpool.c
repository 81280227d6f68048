/* SPDX-License-Identifier: MIT */
/*
 * A process pool, as the program sees it: a stream to the server and one to
 * each worker. A place for a worker without a stream is as good as an idle
 * worker: whoever gets it has the server start one. So a worker that crashed,
 * or was killed, is replaced by closing its stream.
 *
 * Who calls has a place to itself until its call has ended. Places are handed
 * from call to call under the lock; only its holder uses a place's stream, but
 * the stream is opened and closed under the lock, for a fork looks at all.
 *
 * A stream that breaks before the last byte of a request was sent, or with some
 * of it unread (ECONNRESET), tells that the function has not begun: another
 * worker is tried. If it ends later, the function has run, to what end nobody
 * knows, and the call fails.
 */
#include <coppice/procpool.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/lock.h"
#include "core/remote.h"
#include "core/scope.h"
#include "offload/forked.h"
#include "offload/offload.h"
#include "offload/procserver.h"
#include "offload/stream.h"
#include "offload/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES_MAX ((size_t)64 << 20) /* unless the options say otherwise */
#define ATTEMPTS  3

struct place {
    int fd; /* -1: no worker */
    uint32_t id;
    struct place *next_idle;
};

/* A call that waits for a place, or a shutdown for the last call. */
struct waiting {
    struct co__remote remote;
    struct place *place; /* of a call; NULL: the pool was shut down */
    int over;            /* what it waits for has come, limits or not */
};

struct co_procpool {
    pthread_mutex_t lock;
    /* From here on, under the lock. */
    struct place *idle;                 /* latest first */
    unsigned busy;                      /* places that calls have */
    struct co__remotes calls, watchers; /* struct waiting */
    uint32_t last_id;
    int closed; /* takes no more calls */
    int killed; /* and its workers are, or will be, killed */
    int control;
    pid_t server; /* 0: reaped, or not ours */
    struct co__forked forked;
    /* As it was made. */
    unsigned function_count;
    unsigned place_count;
    size_t bytes_max;
    struct place places[];
};

/* ---- places; the lock is held -------------------------------------------- */

static int start(struct co_procpool *pool, struct place *place)
{
    int fds[2];
    int r = co__sys_socketpair(fds);

    if (r < 0)
        return r;
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK); /* our end alone */
    r = co__proc_send(pool->control, CO__PROC_START, ++pool->last_id, fds[1]);
    close(fds[1]);
    if (r < 0) {
        close(fds[0]);
        return -EPIPE;
    }
    place->fd = fds[0];
    place->id = pool->last_id;
    return 0;
}

static void stop(struct co_procpool *pool, struct place *place)
{
    if (place->fd < 0)
        return;
    co__proc_send(pool->control, CO__PROC_KILL, place->id, -1);
    close(place->fd);
    place->fd = -1;
}

/* Have the server end; the workers are killed. */
static void stop_server(struct co_procpool *pool)
{
    pool->killed = 1;
    if (pool->server)
        shutdown(pool->control, SHUT_WR);
}

/* ---- handing places over ------------------------------------------------- */

static struct waiting *waiting_of(struct co__remote *remote)
{
    return CO_CONTAINER_OF(remote, struct waiting, remote);
}

/* Unlink all; they are to be posted without the lock. */
static struct co__remote *take_all(struct co__remotes *list)
{
    struct co__remote *first = list->head;

    for (struct co__remote *r = first; r; r = r->next)
        r->linked = 0;
    *list = (struct co__remotes){NULL, NULL};
    return first;
}

static void post_all(struct co__remote *remote)
{
    struct co__remote *next;

    for (; remote; remote = next) {
        next = remote->next; /* it may be gone once it is posted */
        co__remote_post(remote);
    }
}

/* A call is done with its place: to the next one. */
static void release(struct co_procpool *pool, struct place *place)
{
    struct co__remote *first, *over = NULL;

    co__lock(&pool->lock);
    first = pool->calls.head;
    if (first) {
        co__remotes_remove(&pool->calls, first);
        waiting_of(first)->place = place;
        first->next = NULL;
        over = first;
    } else {
        place->next_idle = pool->idle;
        pool->idle = place;
        if (--pool->busy == 0)
            over = take_all(&pool->watchers);
    }
    pthread_mutex_unlock(&pool->lock);
    post_all(over);
}

/* Wait in line for what the list is about. Returns 0, or why not. */
static int stand_in_line(struct co_procpool *pool, struct co__remotes *list,
                         struct waiting *waiting)
{
    int r;

    co__remotes_push(list, &waiting->remote);
    pthread_mutex_unlock(&pool->lock);
    r = co__remote_wait(&waiting->remote, CO__WAIT_PROCESS);
    waiting->over = r == 0;
    if (r == 0)
        return 0;
    co__lock(&pool->lock);
    waiting->over = !co__remotes_remove(list, &waiting->remote);
    pthread_mutex_unlock(&pool->lock);
    if (waiting->over)
        co__remote_settle(&waiting->remote);
    return r;
}

/* Get a place: 0 or a negative errno. */
static int acquire(struct co_procpool *pool, struct place **place)
{
    struct waiting waiting = {.place = NULL};
    int r;

    co__remote_begin(&waiting.remote);
    co__lock(&pool->lock);
    if (pool->closed) {
        pthread_mutex_unlock(&pool->lock);
        return -ESHUTDOWN;
    }
    if (pool->idle) {
        *place = pool->idle;
        pool->idle = pool->idle->next_idle;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        return 0;
    }
    r = stand_in_line(pool, &pool->calls, &waiting);
    if (r == 0 && !waiting.place)
        return -ECANCELED;
    /* A call that would be given up at once is not begun, which would cost the
     * worker: the place goes to the next. */
    if (r == 0)
        r = co__chain_error(co__chain_current(), co__clock_read());
    if (r < 0 && waiting.place)
        release(pool, waiting.place);
    *place = waiting.place;
    return r;
}

/* ---- a call -------------------------------------------------------------- */

struct exchange {
    struct co_procpool *pool;
    struct co__proc_head head; /* of the request, then of the answer */
    const void *in;
    void *out;
};

static int send_request(struct exchange *x, struct place *place)
{
    int r = co__stream_send(place->fd, &x->head, sizeof(x->head), x->in,
                            x->head.bytes);

    return r == -EPIPE || r == -ECONNRESET ? -ENOLINK : r;
}

static int receive_answer(struct exchange *x, struct place *place)
{
    size_t have = 0;
    int r = co__stream_receive(place->fd, &x->head, sizeof(x->head), &have);

    if (r == -ECONNRESET && have == 0)
        return -ENOLINK;
    if (r < 0)
        return r == -ECONNRESET ? -EPIPE : r;
    if (x->head.magic != CO__PROC_ANSWER || x->head.bytes > x->pool->bytes_max)
        return -EPIPE;
    if (!x->head.bytes)
        return 0;
    x->out = co__alloc(x->head.bytes);
    if (!x->out)
        return -ENOMEM;
    r = co__stream_receive(place->fd, x->out, x->head.bytes, &have);
    if (r < 0) {
        co__free(x->out);
        x->out = NULL;
    }
    return r == -ECONNRESET ? -EPIPE : r;
}

/* With a place: 0 with the answer in x; -ENOLINK: nothing was begun. */
static int exchange(struct exchange *x, struct place *place)
{
    int r = 0;

    co__lock(&x->pool->lock);
    if (x->pool->killed)
        r = -ECANCELED;
    else if (place->fd < 0)
        r = start(x->pool, place);
    pthread_mutex_unlock(&x->pool->lock);
    if (r == 0)
        r = send_request(x, place);
    if (r == 0)
        r = receive_answer(x, place);
    if (r < 0) {
        co__lock(&x->pool->lock);
        stop(x->pool, place);
        if (x->pool->killed && (r == -ENOLINK || r == -EPIPE))
            r = -ECANCELED;
        pthread_mutex_unlock(&x->pool->lock);
    }
    return r;
}

static int call(struct co_procpool *pool, unsigned function, const void *in,
                size_t in_bytes, struct exchange *x)
{
    struct place *place;
    int r = acquire(pool, &place);

    if (r < 0)
        return r;
    for (int i = 0; i < ATTEMPTS; i++) {
        *x = (struct exchange){.pool = pool, .in = in};
        x->head.magic = CO__PROC_REQUEST;
        x->head.number = (int32_t)function;
        x->head.bytes = in_bytes;
        r = exchange(x, place);
        if (r != -ENOLINK)
            break;
    }
    release(pool, place);
    return r == -ENOLINK ? -EPIPE : r;
}

int co_procpool_call(co_procpool *pool, unsigned function, const void *in,
                     size_t in_bytes, void **out, size_t *out_bytes)
{
    struct exchange x;
    int r, outside;

    if (!pool || function >= pool->function_count || (in_bytes && !in))
        return -EINVAL;
    if (in_bytes > pool->bytes_max)
        return -EMSGSIZE;
    r = co__offload_enter(&outside);
    if (r < 0)
        return r;
    r = call(pool, function, in, in_bytes, &x);
    if (r < 0)
        return r;
    if (out)
        *out = x.out;
    else
        co__free(x.out);
    if (out_bytes)
        *out_bytes = x.head.bytes;
    return x.head.number;
}

/* ---- the end ------------------------------------------------------------- */

/* The server has been stopped, and its stream has ended or will soon. */
static void reap(struct co_procpool *pool)
{
    co__lock(&pool->lock);
    while (pool->server && waitpid(pool->server, NULL, 0) < 0 && errno == EINTR)
        continue; /* any other error: the program itself has waited for all */
    pool->server = 0;
    pthread_mutex_unlock(&pool->lock);
}

static int has_server(struct co_procpool *pool)
{
    int has;

    co__lock(&pool->lock);
    has = pool->server != 0;
    pthread_mutex_unlock(&pool->lock);
    return has;
}

static void close_pool(struct co_procpool *pool, int kill)
{
    struct co__remote *dropped = NULL;

    co__lock(&pool->lock);
    pool->closed = 1;
    if (kill && !pool->killed) {
        dropped = take_all(&pool->calls);
        stop_server(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    post_all(dropped);
}

static int wait_for_calls(struct co_procpool *pool)
{
    struct waiting waiting = {.place = NULL};
    int r;

    co__remote_begin(&waiting.remote);
    co__lock(&pool->lock);
    if (!pool->busy) {
        pthread_mutex_unlock(&pool->lock);
        return 0;
    }
    r = stand_in_line(pool, &pool->watchers, &waiting);
    return waiting.over ? 0 : r;
}

int co_procpool_shutdown(co_procpool *pool, int wait)
{
    int r = 0, outside;

    if (!pool)
        return -EINVAL;
    if (wait)
        r = co__offload_enter(&outside);
    if (r < 0)
        return r;
    close_pool(pool, !wait);
    if (!wait)
        return 0;
    r = wait_for_calls(pool);
    if (r < 0)
        return r;
    close_pool(pool, 1);
    if (has_server(pool))
        r = co__stream_wait_end(pool->control);
    if (r == 0)
        reap(pool);
    return r;
}

static void free_memory(struct co_procpool *pool)
{
    co__forked_remove(&pool->forked);
    for (unsigned i = 0; i < pool->place_count; i++)
        if (pool->places[i].fd >= 0)
            close(pool->places[i].fd);
    if (pool->control >= 0)
        close(pool->control);
    pthread_mutex_destroy(&pool->lock);
    co__free(pool);
}

void co_procpool_free(co_procpool *pool)
{
    if (!pool)
        return;
    close_pool(pool, 1);
    if (pool->busy || pool->watchers.head)
        co__die("co_procpool_free while a call is under way");
    reap(pool);
    free_memory(pool);
}

/* ---- fork ---------------------------------------------------------------- */

static void hold(struct co__forked *forked)
{
    co__lock(&CO_CONTAINER_OF(forked, struct co_procpool, forked)->lock);
}

static void let_go(struct co__forked *forked)
{
    pthread_mutex_unlock(
        &CO_CONTAINER_OF(forked, struct co_procpool, forked)->lock);
}

/* The pool stays the parent's, who would not see its streams end. */
static void reset(struct co__forked *forked)
{
    struct co_procpool *pool =
        CO_CONTAINER_OF(forked, struct co_procpool, forked);

    for (unsigned i = 0; i < pool->place_count; i++) {
        if (pool->places[i].fd >= 0)
            close(pool->places[i].fd);
        pool->places[i].fd = -1;
    }
    close(pool->control);
    pool->control = -1;
    pool->server = 0;
    pool->closed = pool->killed = 1;
    pool->busy = 0;
    pool->calls = pool->watchers = (struct co__remotes){NULL, NULL};
    pthread_mutex_unlock(&pool->lock);
}

/* ---- making one ---------------------------------------------------------- */

static int check(const co_procpool_options *options)
{
    if (!options || options->size != sizeof(*options) || !options->functions ||
        !options->function_count || options->function_count > INT32_MAX ||
        options->workers_max > CO__PROC_WORKERS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < options->function_count; i++)
        if (!options->functions[i])
            return -EINVAL;
    return 0;
}

static int open_pool(const co_procpool_options *given, struct co_procpool **out)
{
    co_procpool_options options = *given;
    struct co_procpool *pool;
    int r;

    if (!options.workers_max)
        options.workers_max = co__sys_processors();
    if (options.workers_max > CO__PROC_WORKERS_MAX)
        options.workers_max = CO__PROC_WORKERS_MAX;
    if (!options.bytes_max)
        options.bytes_max = BYTES_MAX;
    pool = co__alloc_zero(sizeof(*pool) +
                          options.workers_max * sizeof(pool->places[0]));
    if (!pool)
        return -ENOMEM;
    r = co__proc_serve(&options, &pool->control);
    if (r < 0) {
        co__free(pool);
        return r;
    }
    pool->server = r;
    pthread_mutex_init(&pool->lock, NULL);
    pool->function_count = options.function_count;
    pool->bytes_max = options.bytes_max;
    pool->place_count = options.workers_max;
    for (unsigned i = pool->place_count; i--;) {
        pool->places[i].fd = -1;
        pool->places[i].next_idle = pool->idle;
        pool->idle = &pool->places[i];
    }
    pool->forked =
        (struct co__forked){.hold = hold, .release = let_go, .reset = reset};
    r = co__forked_add(&pool->forked);
    if (r < 0) {
        stop_server(pool);
        reap(pool);
        close(pool->control);
        co__free(pool);
        return r;
    }
    *out = pool;
    return 0;
}

co_procpool *co_procpool_new(const co_procpool_options *options)
{
    struct co_procpool *pool = NULL;
    int r = check(options);

    if (r == 0)
        r = open_pool(options, &pool);
    if (r < 0) {
        errno = -r;
        return NULL;
    }
    return pool;
}
