/* SPDX-License-Identifier: MIT */
/* Certificates, made when the tests begin, as files in a folder that goes with
 * them. */
#ifndef CO_TESTS_TLS_CERTIFICATES_H
#define CO_TESTS_TLS_CERTIFICATES_H

#include <check.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char cert_folder[] = "/tmp/co-tls-XXXXXX";

/* "good" -> "/tmp/co-tls-.../good.pem"; valid for the next eight calls. */
static inline const char *cert_file(const char *name)
{
    static char paths[8][64];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s.pem", cert_folder, name);
    return path;
}

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

static inline void cert_extend(X509 *x509, X509 *issuer, int nid,
                               const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* The files hold the certificate and its key. Without an issuer it is a CA of
 * its own. `names` is as in "DNS:localhost,IP:127.0.0.1". */
static inline struct cert cert_make(const char *name, const struct cert *issuer,
                                    const char *names, long from, long to)
{
    static long serial = 1;
    struct cert made = {X509_new(), EVP_EC_gen("P-256")};
    const struct cert *signer = issuer ? issuer : &made;
    X509_NAME *subject;
    FILE *file;

    ck_assert_ptr_nonnull(made.x509);
    ck_assert_ptr_nonnull(made.key);
    X509_set_version(made.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), from);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), to);
    X509_set_pubkey(made.x509, made.key);
    subject = X509_get_subject_name(made.x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(signer->x509));
    cert_extend(made.x509, signer->x509, NID_basic_constraints,
                issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (!issuer)
        cert_extend(made.x509, signer->x509, NID_key_usage,
                    "critical,keyCertSign,cRLSign");
    if (names)
        cert_extend(made.x509, signer->x509, NID_subject_alt_name, names);
    ck_assert_int_gt(X509_sign(made.x509, signer->key, EVP_sha256()), 0);

    file = fopen(cert_file(name), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_X509(file, made.x509), 1);
    ck_assert_int_eq(
        PEM_write_PrivateKey(file, made.key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    return made;
}

static inline void cert_free(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
}

/* A list of revoked certificates with this one in it. */
static inline void cert_revoke(const char *file_name, const struct cert *cert,
                               const struct cert *issuer)
{
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
    ASN1_TIME *later = X509_gmtime_adj(NULL, 86400);
    FILE *file;

    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, later);
    X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(cert->x509));
    X509_REVOKED_set_revocationDate(revoked, now);
    ck_assert_int_eq(X509_CRL_add0_revoked(crl, revoked), 1);
    X509_CRL_sort(crl);
    ck_assert_int_gt(X509_CRL_sign(crl, issuer->key, EVP_sha256()), 0);
    file = fopen(cert_file(file_name), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_X509_CRL(file, crl), 1);
    fclose(file);
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
    X509_CRL_free(crl);
}

#define CERT_DAY 86400L

static const char *const cert_names[] = {
    "ca",      "good",   "other",  "expired", "future", "untrusted_ca",
    "revoked", "client", "strays", "crl",     "empty",
};

static inline void cert_make_all(void)
{
    const char *here = "DNS:localhost,IP:127.0.0.1";
    struct cert ca, strangers, made;
    FILE *file;

    ck_assert_ptr_nonnull(mkdtemp(cert_folder));
    ca = cert_make("ca", NULL, NULL, -CERT_DAY, CERT_DAY);
    strangers = cert_make("untrusted_ca", NULL, NULL, -CERT_DAY, CERT_DAY);
    made = cert_make("good", &ca, here, -CERT_DAY, CERT_DAY);
    cert_free(&made);
    made = cert_make("other", &ca, "DNS:other.example,DNS:*.wild.example",
                     -CERT_DAY, CERT_DAY);
    cert_free(&made);
    made = cert_make("expired", &ca, here, -2 * CERT_DAY, -CERT_DAY);
    cert_free(&made);
    made = cert_make("future", &ca, here, CERT_DAY, 2 * CERT_DAY);
    cert_free(&made);
    made = cert_make("client", &ca, NULL, -CERT_DAY, CERT_DAY);
    cert_free(&made);
    made = cert_make("strays", &strangers, here, -CERT_DAY, CERT_DAY);
    cert_free(&made);
    made = cert_make("revoked", &ca, here, -CERT_DAY, CERT_DAY);
    cert_revoke("crl", &made, &ca);
    cert_free(&made);
    cert_free(&ca);
    cert_free(&strangers);
    file = fopen(cert_file("empty"), "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

static inline void cert_remove_all(void)
{
    for (size_t i = 0; i < sizeof(cert_names) / sizeof(cert_names[0]); i++)
        unlink(cert_file(cert_names[i]));
    rmdir(cert_folder);
}

#endif
