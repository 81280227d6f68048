/* SPDX-License-Identifier: MIT */
/* A user's program that has TLS, too: "tls://" is known once it said so, also
 * from an archive, of which a linker takes what is called and no more. */
#include <coppice/tls_dial.h>

#include <coppice.h>
#include <errno.h>
#include <stdio.h>

int main(void)
{
    const char *url = "tls://127.0.0.1:1"; /* nobody is there */
    co_stream *stream = NULL;

    if (co_dial(url, NULL, &stream) != -EPROTONOSUPPORT)
        return 1;
    if (co_tls_register(NULL) < 0)
        return 2;
    if (co_dial(url, NULL, &stream) != -ECONNREFUSED)
        return 3;
    printf("coppice %s gave 42\n", co_version());
    return 0;
}
