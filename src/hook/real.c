/* SPDX-License-Identifier: MIT */
/* What each hooked function is without us, and whether it is us who is called.
 */
#include "hook/hook.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

struct co__real co__real;
int co__real_is_tsan;

#define NAME(type, name, parameters) [CO__SYMBOL_##name] = #name,
const char *const co__symbol_names[CO__SYMBOL_COUNT] = {CO__HOOK_SYMBOLS(NAME)};

#define OURS(type, name, parameters) (void (*)(void)) co__hook_##name,
static void (*const ours[CO__SYMBOL_COUNT])(void) = {CO__HOOK_SYMBOLS(OURS)};

/* There, if the program has a sanitizer. This is not asked of dlsym: to say
 * that it has found nothing it allocates, and an allocator that locks would be
 * back here before it is known what locking is. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

/* What a sanitizer has put into the program, where we are in it too: it comes
 * before what comes next. In a library ahead of us it calls us. */
static void *find_sanitizers(const char *name)
{
    char own[64];
    void *found;
    Dl_info sanitizer, us;

    if (!__asan_init && !__tsan_init)
        return NULL;
    snprintf(own, sizeof(own), "__interceptor_%s", name);
    found = dlsym(RTLD_DEFAULT, own);
    return found && dladdr(found, &sanitizer) && dladdr(&co__real, &us) &&
                   sanitizer.dli_fbase == us.dli_fbase
               ? found
               : NULL;
}

/* Conditions have two versions on some processors: dlsym may find the one of
 * thirty years ago, which has another layout. */
static void *find(const char *name)
{
    void *found = find_sanitizers(name);

    if (!found && strncmp(name, "pthread_cond_", 13) == 0)
        found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    return found ? found : dlsym(RTLD_NEXT, name);
}

/* In a static program nothing tells us what is behind us. There the linker
 * finds no _DYNAMIC, and names this function; what was linked with -static-pie
 * has it, but needs no library. */
static CO_NOINLINE void a_static_program_cannot_be_hooked(void)
{
    static const char text[] =
        "coppice-hook: a static program cannot be hooked: link it without "
        "-static\n";

    for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED)
            return;
    (void)!syscall(SYS_write, STDERR_FILENO, text, sizeof(text) - 1);
    _exit(127); /* as the dynamic linker does that cannot link */
}

/* Pointers to functions and to data are one on all systems that have dlsym. */
void co__real_resolve(void)
{
    void **slots = (void **)&co__real;

    _Static_assert(sizeof(co__real) == CO__SYMBOL_COUNT * sizeof(void *),
                   "a table of pointers");
    a_static_program_cannot_be_hooked();
    co__real_is_tsan = __tsan_init != NULL;
    for (int i = 0; i < CO__SYMBOL_COUNT; i++)
        if (!slots[i])
            __atomic_store_n(&slots[i], find(co__symbol_names[i]),
                             __ATOMIC_RELEASE);
    (void)dlerror(); /* what an older C library lacks is our business */
}

/* ---- enabling ------------------------------------------------------------ */

atomic_uint co__hook_groups;

/* As in owner.c. */
static _Thread_local
    __attribute__((tls_model("global-dynamic"))) char problem[256];

static const struct {
    unsigned group;
    enum co__symbol symbol;
} witnesses[] = {
    {CO_HOOK_IO, CO__SYMBOL_recv},
    {CO_HOOK_IO, CO__SYMBOL_poll},
    {CO_HOOK_TIME, CO__SYMBOL_nanosleep},
    {CO_HOOK_NAMES, CO__SYMBOL_getaddrinfo},
    {CO_HOOK_SYNC, CO__SYMBOL_pthread_mutex_lock},
    {CO_HOOK_PROCESS, CO__SYMBOL_waitpid},
    {CO_HOOK_STDIO, CO__SYMBOL_fgets},
    {CO_HOOK_STDIO, CO__SYMBOL_vfprintf},
};

static const char *library_of(const void *address)
{
    Dl_info info;
    const char *name;

    if (!dladdr(address, &info) || !info.dli_fname)
        return "elsewhere";
    name = strrchr(info.dli_fname, '/');
    return name ? name + 1 : info.dli_fname;
}

/* Whether a function of ours is what is at an address. */
static int is_ours(enum co__symbol symbol, const void *address)
{
    return memcmp(&ours[symbol], &address, sizeof(address)) == 0;
}

static int verify(unsigned groups)
{
    for (size_t i = 0; i < CO_ARRAY_LEN(witnesses); i++) {
        enum co__symbol symbol = witnesses[i].symbol;
        void *bound = dlsym(RTLD_DEFAULT, co__symbol_names[symbol]);

        if (!(groups & witnesses[i].group) || is_ours(symbol, bound))
            continue;
        snprintf(problem, sizeof(problem),
                 "%s() is bound to %s: link coppice-hook ahead of the C "
                 "library, not by dlopen, or start the program by coppice-run",
                 co__symbol_names[symbol], library_of(bound));
        return -ENOTSUP;
    }
    for (int i = 0; i < CO__SYMBOL_COUNT; i++)
        if (is_ours((enum co__symbol)i, ((void **)&co__real)[i])) {
            snprintf(problem, sizeof(problem),
                     "there is no %s() behind coppice-hook",
                     co__symbol_names[i]);
            return -ENOTSUP;
        }
    return 0;
}

int co_hook_enable(unsigned groups)
{
    int r;

    problem[0] = '\0';
    if (!groups || groups & ~CO_HOOK_ALL)
        return -EINVAL;
    co__real_resolve();
    r = verify(groups);
    if (r < 0)
        return r;
    co__guest_closing(0, 0);
    co__hook_keep();
    atomic_fetch_or(&co__hook_groups, groups);
    return 0;
}

unsigned co_hook_enabled(void)
{
    return atomic_load(&co__hook_groups) & CO_HOOK_ALL;
}

const char *co_hook_problem(void)
{
    return problem;
}

int co__hook_pause_begin(void)
{
    return co__guest_pause(1) == 0;
}

void co__hook_pause_end(int *in_task)
{
    if (*in_task)
        (void)co__guest_pause(-1);
}

/* coppice-run asks for it by COPPICE_HOOK=1: the program knows nothing of us.
 * Nor does it want to hear of us. */
static __attribute__((constructor)) void begin(void)
{
    const char *asked = getenv("COPPICE_HOOK");

    co__real_resolve();
    if (asked && strcmp(asked, "0") != 0)
        (void)!co_hook_enable(CO_HOOK_ALL);
}
