/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL's errors as negative errnos.
 *
 * They are in a queue of the thread, to which the program and other tasks add
 * their own. SSL_get_error takes any of them for one of the call before it, and
 * a handshake begins with ERR_clear_error, so that a mark in the queue does not
 * help. What is in it is put aside, then, over each call; mostly that is
 * nothing.
 */
#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASIDE_MAX 16 /* the length of OpenSSL's queue */

/* What was put aside; nothing suspends until it is back. */
static _Thread_local struct aside {
    unsigned long code;
    int line;
    char *file, *function, *data;
} aside[ASIDE_MAX];
static _Thread_local int aside_count;

static _Thread_local char last_text[256];

const char *co_tls_error_text(void)
{
    return last_text;
}

void co__tls_errors_begin(void)
{
    const char *file, *function, *data;
    int line, flags;

    while (ERR_peek_error() && aside_count < ASIDE_MAX) {
        struct aside *one = &aside[aside_count++];

        one->code = ERR_get_error_all(&file, &line, &function, &data, &flags);
        one->line = line;
        one->file = strdup(file);
        one->function = strdup(function);
        one->data = flags & ERR_TXT_STRING ? strdup(data) : NULL;
    }
}

unsigned long co__tls_errors_end(void)
{
    unsigned long code = ERR_peek_last_error();

    if (code)
        ERR_clear_error();
    for (int i = 0; i < aside_count; i++) {
        struct aside *one = &aside[i];

        ERR_new();
        ERR_set_debug(one->file, one->line, one->function);
        ERR_set_error(ERR_GET_LIB(one->code), ERR_GET_REASON(one->code),
                      one->data ? "%s" : NULL, one->data);
        free(one->file);
        free(one->function);
        free(one->data);
    }
    aside_count = 0;
    return code;
}

int co__tls_fail(int error, const char *text)
{
    snprintf(last_text, sizeof(last_text), "%s", text);
    return error;
}

int co__tls_error(unsigned long code, int otherwise)
{
    last_text[0] = '\0';
    if (code)
        ERR_error_string_n(code, last_text, sizeof(last_text));
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (ERR_SYSTEM_ERROR(code))
        return -ERR_GET_REASON(code);
    return otherwise;
}

static int certificate_error(long result)
{
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return -EREMCHG;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return -EKEYEXPIRED;
    case X509_V_ERR_CERT_REVOKED:
        return -EKEYREVOKED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        return -ENOKEY;
    default:
        return -EKEYREJECTED;
    }
}

int co__tls_error_of(const SSL *ssl, unsigned long code)
{
    long result = SSL_get_verify_result(ssl);
    int reason = ERR_GET_REASON(code);

    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return co__tls_error(code, -EPROTO);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && result != X509_V_OK)
        return co__tls_fail(certificate_error(result),
                            X509_verify_cert_error_string(result));
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return co__tls_error(code, -ENOKEY);
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return co__tls_error(code, -ECONNABORTED);
    if (reason > SSL_AD_REASON_OFFSET)
        return co__tls_error(code, -EREMOTEIO);
    return co__tls_error(code, -EPROTO);
}
