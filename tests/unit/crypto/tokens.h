/*
 * Keys and tokens for tests, made now by libjose and OpenSSL. Include after cmocka.h.
 */
#ifndef SG_TEST_TOKENS_H
#define SG_TEST_TOKENS_H

#include <jansson.h>
#include <jose/jose.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* A private key by its template, such as {"alg":"ES256","kid":"one"}. */
static inline json_t *key_new(const char *template)
{
    json_t *key = json_loads(template, 0, NULL);
    assert_non_null(key);
    assert_true(jose_jwk_gen(NULL, key));
    return key;
}

/* Its public half. */
static inline json_t *key_public(const json_t *key)
{
    json_t *half = json_deep_copy(key);
    assert_true(jose_jwk_pub(NULL, half));
    return half;
}

/* A set of keys as JSON; the keys are taken. The text is the caller's. */
static inline char *set_from(json_t *const *keys, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(json_array_append_new(list, keys[i]), 0);
    }
    json_t *set = json_pack("{s:o}", "keys", list);
    char *text = json_dumps(set, JSON_COMPACT);
    json_decref(set);
    assert_non_null(text);
    return text;
}

enum { TOKEN_BYTES = 16384 };

/* to has room for it. */
static inline void add_base64url(char *to, const char *text)
{
    size_t at = strlen(to);
    size_t bytes = jose_b64_enc_buf(text, strlen(text), to + at, TOKEN_BYTES - at);
    assert_true(bytes != SIZE_MAX);
    to[at + bytes] = '\0';
}

/* Three parts from header, payload and the text of a signature; the caller's. */
static inline char *token_from(const char *header, const char *payload, const char *signature)
{
    char *token = calloc(1, TOKEN_BYTES);
    assert_non_null(token);
    add_base64url(token, header);
    strcat(token, ".");
    add_base64url(token, payload);
    strcat(token, ".");
    strcat(token, signature);
    return token;
}

/* A token signed by key; header says with what. The caller's. */
static inline char *token_signed(const char *header, const char *payload, const json_t *key)
{
    json_t *fields = json_loads(header, 0, NULL);
    json_t *template = json_pack("{s:o}", "protected", fields);
    json_t *jws = json_object();
    char *encoded = calloc(1, TOKEN_BYTES);
    assert_true(fields != NULL && template != NULL && jws != NULL && encoded != NULL);
    add_base64url(encoded, payload);
    assert_int_equal(json_object_set_new(jws, "payload", json_string(encoded)), 0);
    json_t *any = json_deep_copy(key);
    (void)json_object_del(any, "alg"); /* the header alone says which */
    (void)json_object_del(any, "use");
    (void)json_object_del(any, "key_ops");
    assert_true(jose_jws_sig(NULL, jws, template, any));
    char *token = calloc(1, TOKEN_BYTES);
    assert_non_null(token);
    (void)snprintf(token, TOKEN_BYTES, "%s.%s.%s",
                   json_string_value(json_object_get(jws, "protected")), encoded,
                   json_string_value(json_object_get(jws, "signature")));
    free(encoded);
    json_decref(any);
    json_decref(jws);
    json_decref(template);
    return token;
}

#endif
