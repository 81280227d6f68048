/* SPDX-License-Identifier: MIT */
/*
 * "tls://" as a scheme of co_dial's. It is registered by a call and not when
 * the library is loaded: a static library that nobody calls is not linked at
 * all, and which certificates are trusted is for the program to say.
 */
#include <coppice/tls_dial.h>

#include "tls/tls.h"

#include <stdlib.h>
#include <string.h>

static co_stream *wrap(co_stream *plain, const char *host,
                       const co_stream_options *options, void *context)
{
    size_t len = strcspn(host, "%");
    char name[256]; /* as long as a host of a URL may be */

    if (len && host[len - 1] == '.')
        len--;
    if (len >= sizeof(name)) {
        errno = EINVAL;
        return NULL;
    }
    memcpy(name, host, len);
    name[len] = '\0';
    return co_tls_connect(plain, context, name, options);
}

static co_dial_scheme scheme_of(co_tls_context *context)
{
    return (co_dial_scheme){
        .size = sizeof(co_dial_scheme),
        .name = "tls",
        .wrap = wrap,
        .arg = context,
    };
}

static int add(co_tls_context *context)
{
    co_dial_scheme *scheme = malloc(sizeof(*scheme));
    int r;

    if (!scheme)
        return -ENOMEM;
    *scheme = scheme_of(context);
    r = co_dial_register(scheme);
    if (r < 0)
        free(scheme);
    return r;
}

int co_tls_register(co_tls_context *context)
{
    int r;

    if (context && context->is_server)
        return -EINVAL;
    if (context)
        co__tls_context_ref(context);
    else
        context = co_tls_client_new(NULL);
    if (!context)
        return -errno;
    r = add(context);
    if (r < 0)
        co_tls_context_free(context);
    return r;
}

int co_tls_dial(const char *url, co_tls_context *context,
                const co_dial_options *options, co_stream **out)
{
    co_dial_options with = {.size = sizeof(with)};
    co_dial_scheme scheme;

    if (!context || context->is_server ||
        (options && (options->size != sizeof(*options) || options->scheme)))
        return -EINVAL;
    scheme = scheme_of(context);
    if (options)
        with = *options;
    with.scheme = &scheme;
    return co_dial(url, &with, out);
}
