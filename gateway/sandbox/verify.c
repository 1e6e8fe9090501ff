#include "sandbox/verify.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

/*
 * The signature is judged as the cloud's gateway does it:
 *
 *   Authorization -> access key, names of the signed headers, signature
 *   X-Sdk-Date    -> within 15 minutes of now
 *   the request as received -> canonical request -> string to sign -> HMAC -> compare
 *
 * Everything is rebuilt here from the raw bytes: percent-decoding, sorting, encoding, hashing. None
 * of it calls the code that signs, and OpenSSL is used directly for the same reason: two
 * implementations that agree on every request are an argument, one that agrees with itself is not.
 *
 * It is as strict as the signing guide allows a server to be. Where signers are known to differ
 * (repeated signed headers, upper-case names) it refuses.
 */

enum { HASH_BYTES = 32, HASH_HEX_BYTES = 64, ACCESS_KEY_BYTES_MAX = 128, DATE_BYTES = 16 };

static const struct sg_str algorithm = SG_STR("SDK-HMAC-SHA256");

/* --- percent-encoding ------------------------------------------------------------------------- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

/* Decode once; false for a bad %xx or no memory. */
static bool decode(struct sg_arena *arena, struct sg_str raw, struct sg_str *ret)
{
    char *bytes = sg_arena_alloc(arena, raw.n + 1);
    size_t n = 0;
    if (bytes == NULL) {
        return false;
    }
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '%') {
            bytes[n++] = raw.p[i];
            continue;
        }
        int high = i + 1 < raw.n ? digit_value(raw.p[i + 1]) : -1;
        int low = i + 2 < raw.n ? digit_value(raw.p[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[n++] = (char)(high * 16 + low);
        i += 2;
    }
    *ret = (struct sg_str){.p = bytes, .n = n};
    return true;
}

/* Encode all but letters, digits and - . _ ~; a byte that is kept stays too (0: none). */
static void encode(struct sg_buf *out, struct sg_str text, char kept)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char marks[] = "-._~";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     memchr(marks, c, sizeof marks - 1) != NULL || (c != 0 && (char)c == kept);
        if (plain) {
            sg_buf_add_char(out, (char)c);
        } else {
            sg_buf_add_char(out, '%');
            sg_buf_add_char(out, digits[c >> 4]);
            sg_buf_add_char(out, digits[c & 15]);
        }
    }
}

/* --- the pieces of a request ------------------------------------------------------------------ */

bool sg_sandbox_find_header(const struct sg_sandbox_request *request, struct sg_str name,
                            struct sg_str *ret)
{
    const struct sg_sandbox_header *found = NULL;
    for (size_t i = 0; i < request->header_count; i++) {
        if (sg_str_equal_fold(request->headers[i].name, name)) {
            if (found != NULL) {
                return false;
            }
            found = &request->headers[i];
        }
    }
    if (found == NULL) {
        return false;
    }
    *ret = sg_str_trim(found->value);
    return true;
}

bool sg_sandbox_parse_query(struct sg_arena *arena, struct sg_str target,
                            struct sg_sandbox_pair ret[SG_SANDBOX_PAIRS_MAX], size_t *ret_count)
{
    struct sg_str rest = sg_str_slice(target, sg_str_find(target, '?') + 1, target.n);
    size_t count = 0;
    while (rest.n > 0) {
        struct sg_str pair = sg_str_slice(rest, 0, sg_str_find(rest, '&'));
        rest = sg_str_slice(rest, pair.n + 1, rest.n);
        if (pair.n == 0) {
            continue;
        }
        size_t equals = sg_str_find(pair, '=');
        if (count == SG_SANDBOX_PAIRS_MAX ||
            !decode(arena, sg_str_slice(pair, 0, equals), &ret[count].name) ||
            !decode(arena, sg_str_slice(pair, equals + 1, pair.n), &ret[count].value)) {
            return false;
        }
        count++;
    }
    *ret_count = count;
    return true;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct sg_sandbox_pair *one = a, *other = b;
    int order = sg_str_compare(one->name, other->name);
    return order != 0 ? order : sg_str_compare(one->value, other->value);
}

bool sg_sandbox_parse_date(struct sg_str value, int64_t *ret_seconds)
{
    static const char form[] = "ddddddddTddddddZ";
    static const unsigned before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    static const unsigned month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned digits[DATE_BYTES] = {0};
    if (value.n != DATE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < DATE_BYTES; i++) {
        char c = value.p[i];
        if (form[i] != 'd' ? c != form[i] : c < '0' || c > '9') {
            return false;
        }
        digits[i] = (unsigned)(c - '0');
    }
    unsigned year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3];
    unsigned month = digits[4] * 10 + digits[5], day = digits[6] * 10 + digits[7];
    unsigned hour = digits[9] * 10 + digits[10], minute = digits[11] * 10 + digits[12];
    unsigned second = digits[13] * 10 + digits[14];
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1970 || month < 1 || month > 12 || day < 1 ||
        day > month_days[month - 1] + (leap && month == 2 ? 1U : 0U) || hour > 23 || minute > 59 ||
        second > 59) {
        return false;
    }
    unsigned past = year - 1; /* whole years before this one have these many leap days */
    int64_t days = (int64_t)(year - 1970) * 365 + (past / 4 - past / 100 + past / 400) -
                   (1969 / 4 - 1969 / 100 + 1969 / 400);
    days += before_month[month - 1] + (leap && month > 2 ? 1U : 0U) + day - 1;
    *ret_seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    return true;
}

/* --- Authorization ---------------------------------------------------------------------------- */

/* Take prefix off the front of *rest. */
static bool skip(struct sg_str *rest, struct sg_str prefix)
{
    if (!sg_str_starts_with(*rest, prefix)) {
        return false;
    }
    *rest = sg_str_slice(*rest, prefix.n, rest->n);
    return true;
}

/* Lower-case tokens, ascending, joined by ";"; x-sdk-date among them. */
static bool are_signed_headers(struct sg_str names)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    struct sg_str rest = names, last = {.p = NULL};
    bool has_date = false;
    for (size_t count = 0; count < SG_SANDBOX_SIGNED_MAX; count++) {
        struct sg_str name = sg_str_slice(rest, 0, sg_str_find(rest, ';'));
        for (size_t i = 0; i < name.n; i++) {
            char c = name.p[i];
            if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
                memchr(marks, c, sizeof marks - 1) == NULL) {
                return false;
            }
        }
        if (name.n == 0 || (last.n > 0 && sg_str_compare(last, name) >= 0)) {
            return false;
        }
        has_date = has_date || sg_str_equal(name, SG_STR("x-sdk-date"));
        if (name.n == rest.n) {
            return has_date;
        }
        last = name;
        rest = sg_str_slice(rest, name.n + 1, rest.n);
    }
    return false;
}

bool sg_sandbox_parse_authorization(struct sg_str value, struct sg_sandbox_authorization *ret)
{
    struct sg_sandbox_authorization found;
    struct sg_str rest = value;
    if (!skip(&rest, algorithm) || !skip(&rest, SG_STR(" Access="))) {
        return false;
    }
    found.access_key = sg_str_slice(rest, 0, sg_str_find(rest, ','));
    rest = sg_str_slice(rest, found.access_key.n, rest.n);
    if (!skip(&rest, SG_STR(", SignedHeaders="))) {
        return false;
    }
    found.signed_headers = sg_str_slice(rest, 0, sg_str_find(rest, ','));
    rest = sg_str_slice(rest, found.signed_headers.n, rest.n);
    if (!skip(&rest, SG_STR(", Signature=")) || rest.n != HASH_HEX_BYTES) {
        return false;
    }
    found.signature = rest;
    for (size_t i = 0; i < rest.n; i++) {
        if (digit_value(rest.p[i]) < 0 || (rest.p[i] >= 'A' && rest.p[i] <= 'F')) {
            return false;
        }
    }
    for (size_t i = 0; i < found.access_key.n; i++) {
        if (found.access_key.p[i] <= ' ' || found.access_key.p[i] > '~') {
            return false;
        }
    }
    if (found.access_key.n == 0 || found.access_key.n > ACCESS_KEY_BYTES_MAX ||
        !are_signed_headers(found.signed_headers)) {
        return false;
    }
    *ret = found;
    return true;
}

/* --- canonical request ------------------------------------------------------------------------ */

static enum sg_sandbox_verdict add_target(struct sg_arena *arena, struct sg_str target,
                                          struct sg_buf *out)
{
    struct sg_str path;
    struct sg_str raw = sg_str_slice(target, 0, sg_str_find(target, '?'));
    size_t count = 0;
    struct sg_sandbox_pair *pairs =
        sg_arena_alloc_array(arena, SG_SANDBOX_PAIRS_MAX, sizeof *pairs);
    if (pairs == NULL) {
        return SG_SANDBOX_TOO_LARGE;
    }
    if (raw.n == 0 || raw.p[0] != '/' || !decode(arena, raw, &path) ||
        !sg_sandbox_parse_query(arena, target, pairs, &count)) {
        return SG_SANDBOX_BAD_TARGET;
    }
    encode(out, path, '/');
    if (path.p[path.n - 1] != '/') {
        sg_buf_add_char(out, '/');
    }
    sg_buf_add_char(out, '\n');
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            sg_buf_add_char(out, '&');
        }
        encode(out, pairs[i].name, 0);
        sg_buf_add_char(out, '=');
        encode(out, pairs[i].value, 0);
    }
    sg_buf_add_char(out, '\n');
    return SG_SANDBOX_ACCEPTED;
}

static bool add_hash(struct sg_buf *out, struct sg_str text)
{
    unsigned char hash[HASH_BYTES];
    if (EVP_Digest(text.n > 0 ? text.p : "", text.n, hash, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    sg_buf_add_hex(out, hash, sizeof hash);
    return true;
}

enum sg_sandbox_verdict sg_sandbox_canonical_request(const struct sg_sandbox_request *request,
                                                     struct sg_str signed_headers,
                                                     struct sg_buf *out)
{
    struct sg_arena arena;
    struct sg_str rest = signed_headers, declared;
    sg_buf_add_str(out, request->method);
    sg_buf_add_char(out, '\n');
    sg_arena_init(&arena, SG_SANDBOX_CANONICAL_BYTES_MAX);
    enum sg_sandbox_verdict verdict = add_target(&arena, request->target, out);
    sg_arena_done(&arena);
    if (verdict != SG_SANDBOX_ACCEPTED) {
        return verdict;
    }
    while (rest.n > 0) {
        struct sg_str name = sg_str_slice(rest, 0, sg_str_find(rest, ';')), value;
        rest = sg_str_slice(rest, name.n + 1, rest.n);
        if (!sg_sandbox_find_header(request, name, &value)) {
            return SG_SANDBOX_HEADER_MISSING;
        }
        sg_buf_add_str(out, name);
        sg_buf_add_char(out, ':');
        sg_buf_add_str(out, value);
        sg_buf_add_char(out, '\n');
    }
    sg_buf_add_char(out, '\n');
    sg_buf_add_str(out, signed_headers);
    sg_buf_add_char(out, '\n');
    /* A caller may leave its body out of the signature, and say so; any other declared hash is
     * answered with the true one, so that a false one cannot match. */
    if (sg_sandbox_find_header(request, SG_STR("X-Sdk-Content-Sha256"), &declared) &&
        sg_str_equal(declared, SG_STR("UNSIGNED-PAYLOAD"))) {
        sg_buf_add_str(out, declared);
    } else if (!add_hash(out, request->body)) {
        return SG_SANDBOX_TOO_LARGE;
    }
    return sg_buf_failed(out) ? SG_SANDBOX_TOO_LARGE : SG_SANDBOX_ACCEPTED;
}

/* --- the judgement ---------------------------------------------------------------------------- */

/* The signature of a canonical request as hex; false if OpenSSL fails or memory is short. */
static bool sign(struct sg_str canonical, struct sg_str date, struct sg_str secret_key,
                 char ret[HASH_HEX_BYTES])
{
    char text[256];
    unsigned char mac[HASH_BYTES];
    unsigned mac_bytes = sizeof mac;
    struct sg_buf string_to_sign, out;
    sg_buf_init_fixed(&string_to_sign, text, sizeof text);
    sg_buf_add_str(&string_to_sign, algorithm);
    sg_buf_add_char(&string_to_sign, '\n');
    sg_buf_add_str(&string_to_sign, date);
    sg_buf_add_char(&string_to_sign, '\n');
    if (!add_hash(&string_to_sign, canonical) || sg_buf_failed(&string_to_sign) ||
        HMAC(EVP_sha256(), secret_key.p, (int)secret_key.n, (const unsigned char *)string_to_sign.p,
             string_to_sign.n, mac, &mac_bytes) == NULL) {
        return false;
    }
    sg_buf_init_fixed(&out, ret, HASH_HEX_BYTES);
    sg_buf_add_hex(&out, mac, sizeof mac);
    return !sg_buf_failed(&out);
}

enum sg_sandbox_verdict sg_sandbox_verify(const struct sg_sandbox_request *request,
                                          struct sg_str access_key, struct sg_str secret_key,
                                          int64_t now_seconds, struct sg_buf *canonical)
{
    struct sg_sandbox_authorization authorization;
    struct sg_str value, date;
    int64_t signed_seconds = 0;
    char expected[HASH_HEX_BYTES];
    bool any = false;
    for (size_t i = 0; i < request->header_count; i++) {
        any = any || sg_str_equal_fold(request->headers[i].name, SG_STR("Authorization"));
    }
    if (!any) {
        return SG_SANDBOX_NO_AUTHORIZATION;
    }
    if (!sg_sandbox_find_header(request, SG_STR("Authorization"), &value) ||
        !sg_sandbox_parse_authorization(value, &authorization)) {
        return SG_SANDBOX_BAD_AUTHORIZATION;
    }
    if (!sg_sandbox_find_header(request, SG_STR("X-Sdk-Date"), &date) ||
        !sg_sandbox_parse_date(date, &signed_seconds)) {
        return SG_SANDBOX_NO_DATE;
    }
    if (signed_seconds > now_seconds + SG_SANDBOX_SKEW_SECONDS ||
        signed_seconds < now_seconds - SG_SANDBOX_SKEW_SECONDS) {
        return SG_SANDBOX_EXPIRED;
    }
    if (!sg_equal_constant_time(authorization.access_key, access_key)) {
        return SG_SANDBOX_UNKNOWN_KEY;
    }
    sg_buf_clear(canonical);
    enum sg_sandbox_verdict verdict =
        sg_sandbox_canonical_request(request, authorization.signed_headers, canonical);
    if (verdict != SG_SANDBOX_ACCEPTED) {
        sg_buf_clear(canonical);
        return verdict;
    }
    if (!sign(sg_buf_str(canonical), date, secret_key, expected)) {
        return SG_SANDBOX_TOO_LARGE;
    }
    struct sg_str ours = {.p = expected, .n = sizeof expected};
    bool same = sg_equal_constant_time(authorization.signature, ours);
    sg_wipe(expected, sizeof expected);
    return same ? SG_SANDBOX_ACCEPTED : SG_SANDBOX_SIGNATURE_MISMATCH;
}
