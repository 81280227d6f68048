/* SPDX-License-Identifier: MIT */
/* A user's program that has TLS, too. */
#include <coppice/tls.h>

#include <coppice.h>
#include <stdio.h>

int main(void)
{
    co_tls_context *context = co_tls_client_new(NULL);

    if (!context)
        return 1;
    co_tls_context_free(context);
    printf("coppice %s gave 42\n", co_version());
    return 0;
}
