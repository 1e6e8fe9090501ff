#include "crypto/jwt.h"

#include <jansson.h>
#ifdef HAVE_JOSE
#include <jose/cfg.h>
#include <jose/jws.h>
#include <jose/openssl.h>
#include <openssl/err.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "text/encode.h"

/*
 * libjose checks a signature by a key, and nothing else is left to it: it takes a header with an
 * unknown "crit", the last of two "alg", and tries every key of a set. So the form, the header and
 * the choice of the key are judged here, before it sees a byte.
 */

enum { KEYS_MAX = 256, RSA_BITS_MIN = 2048, ISSUER_BYTES_MAX = 1024 };

/* 9999-12-31: what a NumericDate may be at most, so that adding to it cannot overflow. */
static const int64_t date_max_s = INT64_C(253402300799);

/* --- algorithms ------------------------------------------------------------------------------- */

/* RFC 7518 section 3.1, without those that share a secret. */
static const struct algorithm {
    const char *name;
    const char *kty; /* of the keys that can do it */
    const char *crv; /* NULL: any */
} algorithms[] = {
    {"RS256", "RSA", NULL},   {"RS384", "RSA", NULL},   {"RS512", "RSA", NULL},
    {"PS256", "RSA", NULL},   {"PS384", "RSA", NULL},   {"PS512", "RSA", NULL},
    {"ES256", "EC", "P-256"}, {"ES384", "EC", "P-384"}, {"ES512", "EC", "P-521"},
};

static const struct algorithm *find_algorithm(const char *name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (strcmp(algorithms[i].name, name) == 0) {
            return &algorithms[i];
        }
    }
    return NULL;
}

/* A string member; NULL: it is not there or no string. */
static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* A string, or nothing at all. */
static bool is_text_or_absent(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value == NULL ||
           (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value));
}

static bool is_same(const char *text, const char *other)
{
    return text != NULL && strcmp(text, other) == 0;
}

/* --- base64url -------------------------------------------------------------------------------- */

/* Decode a part and parse it as a JSON object. NULL: it is none. */
static json_t *read_object(struct sg_str part)
{
    struct sg_buf bytes;
    sg_buf_init(&bytes, SG_JWT_BYTES_MAX);
    json_t *object = NULL;
    if (sg_base64url_decode(&bytes, part)) {
        object = json_loadb(bytes.p != NULL ? bytes.p : "", bytes.n, JSON_REJECT_DUPLICATES, NULL);
    }
    sg_buf_done(&bytes);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* --- key sets --------------------------------------------------------------------------------- */

struct sg_jwks {
    size_t count;
    json_t *keys[]; /* usable ones */
};

bool sg_jwt_is_built(void)
{
#ifdef HAVE_JOSE
    return true;
#else
    return false;
#endif
}

/* Whether key_ops, where it is given, has "verify" (RFC 7517 section 4.3). */
static bool may_verify(const json_t *key)
{
    const json_t *operations = json_object_get(key, "key_ops");
    bool may = operations == NULL;
    for (size_t i = 0; i < json_array_size(operations); i++) {
        may = may || is_same(json_string_value(json_array_get(operations, i)), "verify");
    }
    return may;
}

/* Whether a key can do an algorithm. */
static bool fits(const json_t *key, const struct algorithm *algorithm)
{
    const char *own = member(key, "alg");
    return is_same(member(key, "kty"), algorithm->kty) &&
           (algorithm->crv == NULL || is_same(member(key, "crv"), algorithm->crv)) &&
           (own == NULL || strcmp(own, algorithm->name) == 0);
}

/* Why a key is skipped; NULL: it can be used. */
static const char *why_skipped(const json_t *key)
{
    const char *use = member(key, "use");
    if (!is_text_or_absent(key, "alg") || !is_text_or_absent(key, "kid") ||
        !is_text_or_absent(key, "use")) {
        return "a key whose kid, alg or use is no text is skipped";
    }
    if (is_same(member(key, "kty"), "OKP")) {
        return "an OKP key is skipped: EdDSA is not supported by this build";
    }
    if (is_same(member(key, "kty"), "oct")) {
        return "a shared secret is skipped: whoever can verify with it could sign";
    }
    if ((use != NULL && strcmp(use, "sig") != 0) || !may_verify(key)) {
        return "a key that is not for signatures is skipped";
    }
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (fits(key, &algorithms[i])) {
            return NULL;
        }
    }
    return "a key of another kind than RSA, P-256, P-384 and P-521 is skipped";
}

#ifdef HAVE_JOSE
/* libjose prints to standard error unless it is told not to. */
static void say_nothing(void *arg, const char *file, int line, uint64_t code, const char *format,
                        va_list args)
{
    (void)arg;
    (void)file;
    (void)line;
    (void)code;
    (void)format;
    (void)args;
}

/* NULL: no memory. */
static jose_cfg_t *quiet_config(void)
{
    jose_cfg_t *config = jose_cfg();
    if (config != NULL) {
        jose_cfg_set_err_func(config, say_nothing, NULL);
    }
    return config;
}

/* Why a key that could be used is bad in itself; NULL: it is good. */
static const char *why_bad(const json_t *jwk)
{
    const char *why = "a key of the set is damaged";
    jose_cfg_t *config = quiet_config();
    EVP_PKEY *key = config != NULL ? jose_openssl_jwk_to_EVP_PKEY(config, jwk) : NULL;
    EVP_PKEY_CTX *check = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
        EVP_PKEY_get_bits(key) < RSA_BITS_MIN) {
        why = "an RSA key of the set has less than 2048 bits";
    } else if (check != NULL && EVP_PKEY_public_check(check) == 1) {
        why = NULL;
    }
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_free(key);
    if (config != NULL) {
        jose_cfg_decref(config);
    }
    ERR_clear_error(); /* TLS on this thread looks at the same queue */
    return why;
}

static bool is_signed_by(const json_t *jws, const json_t *key)
{
    jose_cfg_t *config = quiet_config();
    bool good = config != NULL && jose_jws_ver(config, jws, NULL, key, false);
    if (config != NULL) {
        jose_cfg_decref(config);
    }
    ERR_clear_error();
    return good;
}
#else
static const char *why_bad(const json_t *jwk)
{
    (void)jwk;
    return "keys cannot be used: not in this build";
}

static bool is_signed_by(const json_t *jws, const json_t *key)
{
    (void)jws;
    (void)key;
    return false;
}
#endif

static const json_t *find_kid(const struct sg_jwks *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (is_same(member(keys->keys[i], "kid"), kid)) {
            return keys->keys[i];
        }
    }
    return NULL;
}

/* Take a key of the set, or say why the set is refused. */
static enum sg_status take_key(struct sg_jwks *keys, json_t *key,
                               void (*on_note)(void *arg, const char *text), void *arg,
                               struct sg_error *reterr)
{
    if (!json_is_object(key)) {
        return sg_error_set(reterr, SG_CONFIG, NULL, "a key of the set is no object");
    }
    const char *note = why_skipped(key);
    if (note != NULL) {
        if (on_note != NULL) {
            on_note(arg, note);
        }
        return SG_OK;
    }
    if (json_object_get(key, "d") != NULL) {
        return sg_error_set(reterr, SG_CONFIG, NULL,
                            "the set holds a private key; give public keys only");
    }
    const char *bad = why_bad(key);
    if (bad != NULL) {
        return sg_error_set(reterr, SG_CONFIG, NULL, "%s", bad);
    }
    const char *kid = member(key, "kid");
    if (kid != NULL && find_kid(keys, kid) != NULL) {
        return sg_error_set(reterr, SG_CONFIG, NULL, "two keys of the set have the same kid");
    }
    keys->keys[keys->count++] = json_incref(key);
    return SG_OK;
}

struct sg_jwks *sg_jwks_new(struct sg_str json, void (*on_note)(void *arg, const char *text),
                            void *arg, struct sg_error *reterr)
{
    json_error_t where;
    json_t *set = json_loadb(json.p != NULL ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &where);
    const json_t *list = json_object_get(set, "keys");
    struct sg_jwks *keys = NULL;
    enum sg_status status = SG_OK;
    if (set == NULL) {
        status = sg_error_set(reterr, SG_CONFIG, NULL, "it is no JSON: line %d, column %d",
                              where.line, where.column);
    } else if (!json_is_array(list)) {
        status = sg_error_set(reterr, SG_CONFIG, NULL,
                              "it is no key set: expected an object with a list called keys");
    } else if (json_array_size(list) > KEYS_MAX) {
        status = sg_error_set(reterr, SG_CONFIG, NULL, "it has more than %d keys", KEYS_MAX);
    } else {
        keys = calloc(1, sizeof *keys + json_array_size(list) * sizeof(json_t *));
        status = keys != NULL ? SG_OK : sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    for (size_t i = 0; status == SG_OK && i < json_array_size(list); i++) {
        status = take_key(keys, json_array_get(list, i), on_note, arg, reterr);
    }
    if (status == SG_OK && keys->count == 0) {
        status = sg_error_set(reterr, SG_CONFIG, NULL, "no key of the set can be used");
    }
    json_decref(set);
    if (status != SG_OK) {
        sg_jwks_free(keys);
        return NULL;
    }
    return keys;
}

void sg_jwks_free(struct sg_jwks *keys)
{
    if (keys == NULL) {
        return;
    }
    for (size_t i = 0; i < keys->count; i++) {
        json_decref(keys->keys[i]);
    }
    free(keys);
}

/* --- reading tokens --------------------------------------------------------------------------- */

struct sg_jwt {
    json_t *jws; /* protected, payload and signature, as they came */
    json_t *header;
    json_t *payload;
    const struct algorithm *algorithm;
};

static enum sg_status SG_PRINTF(2, 3) refuse(struct sg_error *reterr, const char *format, ...)
{
    va_list args;
    struct sg_buf text;
    char bytes[256];
    sg_buf_init_fixed(&text, bytes, sizeof bytes - 1);
    va_start(args, format);
    sg_buf_vprintf(&text, format, args);
    va_end(args);
    bytes[text.n] = '\0';
    return sg_error_set(reterr, SG_UNAUTHENTICATED, NULL, "the bearer token %s", bytes);
}

static enum sg_status judge_type(const struct sg_jwt *jwt, struct sg_error *reterr)
{
    const json_t *value = json_object_get(jwt->header, "typ");
    struct sg_str type = {.p = json_string_value(value), .n = json_string_length(value)};
    const struct sg_str tree = SG_STR("application/");
    if (value == NULL) {
        return SG_OK;
    }
    if (sg_str_equal_fold(sg_str_slice(type, 0, tree.n), tree)) {
        type = sg_str_slice(type, tree.n, type.n);
    }
    return sg_str_equal_fold(type, SG_STR("JWT")) || sg_str_equal_fold(type, SG_STR("at+jwt"))
               ? SG_OK
               : refuse(reterr, "is of another type than JWT and at+jwt");
}

static enum sg_status judge_header(struct sg_jwt *jwt, struct sg_error *reterr)
{
    /* Members that would bring a key along, or change what is signed. */
    static const char *const refused[] = {"crit", "b64", "jwk", "jku", "x5u", "x5c"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (json_object_get(jwt->header, refused[i]) != NULL) {
            return refuse(reterr, "has \"%s\" in its header", refused[i]);
        }
    }
    const char *name = member(jwt->header, "alg");
    if (is_same(name, "EdDSA")) {
        return refuse(reterr, "is signed with EdDSA: not supported by this build");
    }
    jwt->algorithm =
        name != NULL && is_text_or_absent(jwt->header, "alg") ? find_algorithm(name) : NULL;
    if (jwt->algorithm == NULL) {
        return refuse(reterr, "is signed with an algorithm that is not allowed");
    }
    if (!is_text_or_absent(jwt->header, "kid")) {
        return refuse(reterr, "has a kid that is no text");
    }
    return judge_type(jwt, reterr);
}

/* Split "a.b.c". False: there are more or fewer parts. */
static bool split(struct sg_str token, struct sg_str parts[3])
{
    for (size_t i = 0; i < 3; i++) {
        size_t dot = sg_str_find(token, '.');
        if ((dot < token.n) != (i < 2)) {
            return false;
        }
        parts[i] = sg_str_slice(token, 0, dot);
        token = sg_str_slice(token, dot + 1, token.n);
    }
    return true;
}

static bool is_base64url(struct sg_str part)
{
    struct sg_buf bytes;
    sg_buf_init(&bytes, SG_JWT_BYTES_MAX);
    bool good = part.n > 0 && sg_base64url_decode(&bytes, part);
    sg_buf_done(&bytes);
    return good;
}

static json_t *text_of(struct sg_str part)
{
    return json_stringn(part.p, part.n);
}

enum sg_status sg_jwt_read(struct sg_str token, struct sg_jwt **ret, struct sg_error *reterr)
{
    struct sg_str parts[3];
    if (token.n > SG_JWT_BYTES_MAX) {
        return refuse(reterr, "is longer than %d bytes", SG_JWT_BYTES_MAX);
    }
    if (!split(token, parts) || !is_base64url(parts[2])) {
        return refuse(reterr, "is not three parts of base64url");
    }
    struct sg_jwt *jwt = calloc(1, sizeof *jwt);
    if (jwt == NULL) {
        return sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
    }
    enum sg_status status = SG_OK;
    jwt->header = read_object(parts[0]);
    jwt->payload = read_object(parts[1]);
    jwt->jws = json_pack("{s:o, s:o, s:o}", "protected", text_of(parts[0]), "payload",
                         text_of(parts[1]), "signature", text_of(parts[2]));
    if (jwt->header == NULL || jwt->payload == NULL || jwt->jws == NULL) {
        status = refuse(reterr, "has no JSON object as its %s",
                        jwt->header == NULL ? "header" : "payload");
    }
    if (status == SG_OK) {
        status = judge_header(jwt, reterr);
    }
    if (status == SG_OK &&
        (json_string_length(json_object_get(jwt->payload, "iss")) == 0 ||
         json_string_length(json_object_get(jwt->payload, "iss")) > ISSUER_BYTES_MAX)) {
        status = refuse(reterr, "names no issuer");
    }
    if (status != SG_OK) {
        sg_jwt_free(jwt);
        return status;
    }
    *ret = jwt;
    return SG_OK;
}

void sg_jwt_free(struct sg_jwt *jwt)
{
    if (jwt != NULL) {
        json_decref(jwt->jws);
        json_decref(jwt->header);
        json_decref(jwt->payload);
        free(jwt);
    }
}

/* --- verifying -------------------------------------------------------------------------------- */

/* The one key that may have signed; NULL: *reterr says why there is none. */
static const json_t *choose_key(const struct sg_jwt *jwt, const struct sg_jwks *keys,
                                struct sg_error *reterr)
{
    const char *kid = member(jwt->header, "kid");
    const json_t *chosen = NULL;
    if (kid != NULL) {
        chosen = find_kid(keys, kid);
        if (chosen == NULL) {
            (void)refuse(reterr, "is signed by a key that its issuer does not have");
        } else if (!fits(chosen, jwt->algorithm)) {
            (void)refuse(reterr, "is signed with an algorithm that its key does not have");
            chosen = NULL;
        }
        return chosen;
    }
    size_t fitting = 0;
    for (size_t i = 0; i < keys->count; i++) {
        if (fits(keys->keys[i], jwt->algorithm)) {
            chosen = keys->keys[i];
            fitting++;
        }
    }
    if (fitting != 1) {
        (void)refuse(reterr, "does not say which key signed it, and its issuer has %s",
                     fitting == 0 ? "none for its algorithm" : "several");
        return NULL;
    }
    return chosen;
}

enum sg_status sg_jwt_verify(const struct sg_jwt *jwt, const struct sg_jwks *keys,
                             struct sg_error *reterr)
{
    const json_t *key = choose_key(jwt, keys, reterr);
    if (key == NULL) {
        return SG_UNAUTHENTICATED;
    }
    return is_signed_by(jwt->jws, key) ? SG_OK : refuse(reterr, "has a signature that is not good");
}

/* --- claims ----------------------------------------------------------------------------------- */

/*
 * A NumericDate (RFC 7519 section 2) as whole seconds: an integer, or a number with a fraction,
 * which is dropped. False: it is neither, or no second between 1970 and 9999.
 */
static bool read_date(const json_t *value, int64_t *ret)
{
    char text[64];
    uint64_t seconds;
    size_t n = json_is_number(value) ? json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY) : 0;
    struct sg_str digits = {.p = text, .n = n <= sizeof text ? n : 0};
    size_t point = sg_str_find(digits, '.');
    struct sg_str fraction = sg_str_slice(digits, point + 1, digits.n);
    uint64_t ignored;
    if ((fraction.n > 0 && !sg_str_to_u64(fraction, UINT64_MAX, &ignored)) ||
        !sg_str_to_u64(sg_str_slice(digits, 0, point), (uint64_t)date_max_s, &seconds)) {
        return false;
    }
    *ret = (int64_t)seconds;
    return true;
}

int64_t sg_jwt_end_s(const struct sg_jwt *jwt)
{
    int64_t end_s;
    return read_date(json_object_get(jwt->payload, "exp"), &end_s) ? end_s + SG_JWT_LEEWAY_S
                                                                   : INT64_MIN;
}

/* Judge nbf or iat: the token is of no use before. */
static enum sg_status judge_begin(const struct sg_jwt *jwt, const char *name, int64_t now_s,
                                  struct sg_error *reterr)
{
    const json_t *value = json_object_get(jwt->payload, name);
    int64_t begin_s;
    if (value == NULL) {
        return SG_OK;
    }
    if (!read_date(value, &begin_s)) {
        return refuse(reterr, "has an %s that is no time", name);
    }
    return begin_s - SG_JWT_LEEWAY_S <= now_s ? SG_OK
                                              : refuse(reterr, "is not valid yet (%s)", name);
}

/* Whether value is the text, or a list that holds it. */
static bool is_or_holds(const json_t *value, struct sg_str text)
{
    const struct sg_str own = {.p = json_string_value(value), .n = json_string_length(value)};
    bool found = json_is_string(value) && sg_str_equal(own, text);
    for (size_t i = 0; !found && i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        const struct sg_str one = {.p = json_string_value(item), .n = json_string_length(item)};
        found = json_is_string(item) && sg_str_equal(one, text);
    }
    return found;
}

enum sg_status sg_jwt_check_claims(const struct sg_jwt *jwt, struct sg_str audience, int64_t now_s,
                                   struct sg_error *reterr)
{
    int64_t end_s = sg_jwt_end_s(jwt);
    if (end_s == INT64_MIN) {
        return refuse(reterr, "does not say when it ends (exp)");
    }
    if (now_s >= end_s) {
        return refuse(reterr, "has expired");
    }
    enum sg_status status = judge_begin(jwt, "nbf", now_s, reterr);
    if (status == SG_OK) {
        status = judge_begin(jwt, "iat", now_s, reterr);
    }
    if (status != SG_OK) {
        return status;
    }
    return is_or_holds(json_object_get(jwt->payload, "aud"), audience)
               ? SG_OK
               : refuse(reterr, "is for another audience");
}

struct sg_str sg_jwt_issuer(const struct sg_jwt *jwt)
{
    const json_t *value = json_object_get(jwt->payload, "iss");
    return (struct sg_str){.p = json_string_value(value), .n = json_string_length(value)};
}

struct sg_str sg_jwt_subject(const struct sg_jwt *jwt)
{
    const json_t *value = json_object_get(jwt->payload, "sub");
    if (!json_is_string(value)) {
        return SG_STR("");
    }
    return (struct sg_str){.p = json_string_value(value), .n = json_string_length(value)};
}

bool sg_jwt_claim_is(const struct sg_jwt *jwt, struct sg_str name, struct sg_str value)
{
    const json_t *claim = json_object_getn(jwt->payload, name.p, name.n);
    if (json_is_number(claim) || json_is_boolean(claim)) {
        char text[64];
        size_t n = json_dumpb(claim, text, sizeof text, JSON_ENCODE_ANY);
        return n <= sizeof text && sg_str_equal((struct sg_str){.p = text, .n = n}, value);
    }
    return is_or_holds(claim, value);
}
