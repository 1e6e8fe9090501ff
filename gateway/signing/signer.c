#include "signing/signer.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "crypto/digest.h"
#include "crypto/mac.h"
#include "http/strict.h"
#include "text/encode.h"

/*
 * The scheme (names are the vendor's):
 *
 *   canonical request = METHOD LF path LF query LF (name ":" value LF)* LF names LF payload hash
 *   string to sign    = algorithm LF date LF hex(hash(canonical request))
 *   signature         = hex(HMAC(secret key, string to sign))
 *
 * The path is decoded once, encoded again but for "/", and always ends in "/" here (not on the
 * wire). Header names are lower case, sorted by byte; values are trimmed at both ends only. The
 * payload hash is the body's, unless the scheme's own header for it is signed: then it is that
 * value, word for word. Whatever could make two requests read as one canonical request (line
 * breaks, repeated names) is refused here, so that no caller of this file has to think of it.
 */

enum {
    STAGE_BYTES_MAX = 256 * 1024,
    HEADERS_MAX = 64,
    SCRATCH_BYTES_MAX = 1 << 20,
};

static const struct scheme {
    const char *name;
    enum sg_digest_algorithm digest;
    const char *payload_header; /* holds the payload hash instead of the body's own */
} schemes[] = {
    [SG_SCHEME_SDK_HMAC_SHA256] = {"SDK-HMAC-SHA256", SG_DIGEST_SHA256, "x-sdk-content-sha256"},
};

const char *const sg_scheme_names[] = {"SDK-HMAC-SHA256", "SDK-HMAC-SM3", "V11-HMAC-SHA256", NULL};

struct sg_signer {
    const struct scheme *scheme;
    char *access_key;
    struct sg_digest *digest;
    struct sg_mac *mac;
};

enum sg_status sg_scheme_find(struct sg_str name, enum sg_scheme *ret)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (sg_str_equal_text(name, schemes[i].name)) {
            *ret = (enum sg_scheme)i;
            return SG_OK;
        }
    }
    return SG_NOT_FOUND;
}

bool sg_scheme_is_known(struct sg_str name)
{
    for (size_t i = 0; sg_scheme_names[i] != NULL; i++) {
        if (sg_str_equal_text(name, sg_scheme_names[i])) {
            return true;
        }
    }
    return false;
}

void sg_sign_stages_init(struct sg_sign_stages *stages)
{
    sg_buf_init(&stages->canonical_request, STAGE_BYTES_MAX);
    sg_buf_init(&stages->string_to_sign, STAGE_BYTES_MAX);
    sg_buf_init(&stages->signature, STAGE_BYTES_MAX);
    sg_buf_init(&stages->authorization, STAGE_BYTES_MAX);
}

void sg_sign_stages_done(struct sg_sign_stages *stages)
{
    sg_buf_done(&stages->canonical_request);
    sg_buf_done(&stages->string_to_sign);
    sg_buf_done(&stages->signature);
    sg_buf_done(&stages->authorization);
}

struct sg_signer *sg_signer_new(enum sg_scheme scheme, struct sg_str access_key,
                                const struct sg_secret *secret_key, struct sg_error *reterr)
{
    struct sg_signer *signer = calloc(1, sizeof *signer);
    if (signer == NULL) {
        goto no_memory;
    }
    signer->scheme = &schemes[scheme];
    signer->access_key = strndup(access_key.p != NULL ? access_key.p : "", access_key.n);
    if (signer->access_key == NULL) {
        goto no_memory;
    }
    signer->digest = sg_digest_new(signer->scheme->digest, reterr);
    if (signer->digest == NULL) {
        goto failed;
    }
    signer->mac = sg_mac_new(signer->scheme->digest, sg_secret_reveal(secret_key), reterr);
    if (signer->mac == NULL) {
        goto failed;
    }
    return signer;
no_memory:
    (void)sg_error_set(reterr, SG_NO_MEMORY, NULL, "out of memory");
failed:
    sg_signer_free(signer);
    return NULL;
}

void sg_signer_free(struct sg_signer *signer)
{
    if (signer != NULL) {
        sg_mac_free(signer->mac);
        sg_digest_free(signer->digest);
        free(signer->access_key);
        free(signer);
    }
}

/* --- the canonical request -------------------------------------------------------------------- */

static enum sg_status add_path(struct sg_str path, struct sg_buf *out, struct sg_error *reterr)
{
    char last = '\0';
    if (path.n > 0 && path.p[0] != '/') {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "the path does not begin with \"/\"");
    }
    for (size_t i = 0; i < path.n;) {
        size_t run = i;
        while (run < path.n && (path.p[run] == '/' || sg_is_unreserved(path.p[run]))) {
            run++;
        }
        if (run > i) {
            sg_buf_add(out, path.p + i, run - i);
            last = path.p[run - 1];
            i = run;
            continue;
        }
        char c = path.p[i++];
        if (c == '%') {
            int high = i + 1 < path.n ? sg_hex_value(path.p[i]) : -1;
            int low = i + 1 < path.n ? sg_hex_value(path.p[i + 1]) : -1;
            if (high < 0 || low < 0) {
                return sg_error_set(reterr, SG_MALFORMED, NULL,
                                    "the path has a \"%%\" without two hex digits");
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        /* An encoded "/" separates too: the vendor decodes before it splits. */
        if (c == '/') {
            sg_buf_add_char(out, c);
        } else {
            sg_percent_encode(out, (struct sg_str){.p = &c, .n = 1});
        }
        last = c;
    }
    if (last != '/') {
        sg_buf_add_char(out, '/');
    }
    return SG_OK;
}

/* Order by lower-cased name, byte by byte. */
static int compare_names(struct sg_str a, struct sg_str b)
{
    size_t shorter = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < shorter; i++) {
        unsigned char x = (unsigned char)sg_ascii_lower(a.p[i]);
        unsigned char y = (unsigned char)sg_ascii_lower(b.p[i]);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

/* Control bytes would end the line, here and on the wire; a tab is white space. */
static bool has_control(struct sg_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static enum sg_status check_header(const struct sg_sign_header *header, struct sg_error *reterr)
{
    if (!sg_is_token(header->name)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "a header to sign has no valid name");
    }
    if (has_control(header->value)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL,
                            "the value of the header %.*s holds a control character",
                            SG_STR_ARG(header->name));
    }
    return SG_OK;
}

/* Write the indices of the headers in the order of their names. */
static enum sg_status sort_headers(const struct sg_sign_request *request,
                                   unsigned char order[HEADERS_MAX], struct sg_error *reterr)
{
    if (request->header_count > HEADERS_MAX) {
        return sg_error_set(reterr, SG_TOO_LARGE, NULL, "more than %d headers to sign",
                            HEADERS_MAX);
    }
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sg_sign_header *header = &request->headers[i];
        enum sg_status status = check_header(header, reterr);
        if (status != SG_OK) {
            return status;
        }
        size_t at = i;
        while (at > 0) {
            int side = compare_names(header->name, request->headers[order[at - 1]].name);
            if (side == 0) {
                return sg_error_set(reterr, SG_MALFORMED, NULL, "the header %.*s stands twice",
                                    SG_STR_ARG(header->name));
            }
            if (side > 0) {
                break;
            }
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (unsigned char)i;
    }
    return SG_OK;
}

/* Methods are case-sensitive and the vendor's are upper case: another is a mistake, not a name. */
static bool is_method(struct sg_str method)
{
    for (size_t i = 0; i < method.n; i++) {
        if (method.p[i] >= 'a' && method.p[i] <= 'z') {
            return false;
        }
    }
    return sg_is_token(method);
}

static void add_lower(struct sg_buf *out, struct sg_str name)
{
    char *to = sg_buf_reserve(out, name.n);
    for (size_t i = 0; to != NULL && i < name.n; i++) {
        to[i] = sg_ascii_lower(name.p[i]);
    }
}

static enum sg_status add_payload_hash(struct sg_signer *signer,
                                       const struct sg_sign_request *request, struct sg_buf *out)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (sg_str_equal_fold(request->headers[i].name,
                              sg_str_from(signer->scheme->payload_header))) {
            sg_buf_add_str(out, sg_str_trim(request->headers[i].value));
            return SG_OK;
        }
    }
    char hex[SG_DIGEST_HEX_BYTES];
    enum sg_status status = sg_digest_run_hex(signer->digest, request->body, hex);
    if (status == SG_OK) {
        sg_buf_add(out, hex, sizeof hex);
    }
    return status;
}

/* "a;b;c" */
static void add_signed_names(const struct sg_sign_request *request, const unsigned char *order,
                             struct sg_buf *out)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (i > 0) {
            sg_buf_add_char(out, ';');
        }
        add_lower(out, request->headers[order[i]].name);
    }
}

static enum sg_status make_canonical_request(struct sg_signer *signer,
                                             const struct sg_sign_request *request,
                                             const unsigned char *order, struct sg_buf *out,
                                             struct sg_error *reterr)
{
    if (!is_method(request->method)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL,
                            "the method is not one in upper case, such as GET");
    }
    if (has_control(request->query)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "the query holds a control character");
    }
    sg_buf_add_str(out, request->method);
    sg_buf_add_char(out, '\n');
    enum sg_status status = add_path(request->path, out, reterr);
    if (status != SG_OK) {
        return status;
    }
    sg_buf_add_char(out, '\n');
    sg_buf_add_str(out, request->query);
    sg_buf_add_char(out, '\n');
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sg_sign_header *header = &request->headers[order[i]];
        add_lower(out, header->name);
        sg_buf_add_char(out, ':');
        sg_buf_add_str(out, sg_str_trim(header->value));
        sg_buf_add_char(out, '\n');
    }
    sg_buf_add_char(out, '\n');
    add_signed_names(request, order, out);
    sg_buf_add_char(out, '\n');
    if (add_payload_hash(signer, request, out) != SG_OK) {
        return sg_error_set(reterr, SG_INTERNAL, NULL, "OpenSSL cannot hash");
    }
    return SG_OK;
}

/* --- the signature ---------------------------------------------------------------------------- */

enum sg_status sg_signer_sign(struct sg_signer *signer, const struct sg_sign_request *request,
                              struct sg_str date, struct sg_sign_stages *ret_stages,
                              struct sg_error *reterr)
{
    unsigned char order[HEADERS_MAX];
    unsigned char signature[SG_DIGEST_BYTES];
    char hash[SG_DIGEST_HEX_BYTES];
    struct sg_sign_stages *stages = ret_stages;
    sg_buf_clear(&stages->canonical_request);
    sg_buf_clear(&stages->string_to_sign);
    sg_buf_clear(&stages->signature);
    sg_buf_clear(&stages->authorization);

    if (has_control(date)) {
        return sg_error_set(reterr, SG_MALFORMED, NULL, "the date holds a control character");
    }
    enum sg_status status = sort_headers(request, order, reterr);
    if (status == SG_OK) {
        status = make_canonical_request(signer, request, order, &stages->canonical_request, reterr);
    }
    if (status != SG_OK) {
        return status;
    }
    if (sg_digest_run_hex(signer->digest, sg_buf_str(&stages->canonical_request), hash) != SG_OK) {
        return sg_error_set(reterr, SG_INTERNAL, NULL, "OpenSSL cannot hash");
    }
    sg_buf_add_text(&stages->string_to_sign, signer->scheme->name);
    sg_buf_add_char(&stages->string_to_sign, '\n');
    sg_buf_add_str(&stages->string_to_sign, date);
    sg_buf_add_char(&stages->string_to_sign, '\n');
    sg_buf_add(&stages->string_to_sign, hash, sizeof hash);

    if (sg_mac_run(signer->mac, sg_buf_str(&stages->string_to_sign), signature) != SG_OK) {
        return sg_error_set(reterr, SG_INTERNAL, NULL, "OpenSSL cannot compute the HMAC");
    }
    sg_buf_add_hex(&stages->signature, signature, sizeof signature);

    sg_buf_add_text(&stages->authorization, signer->scheme->name);
    sg_buf_add_text(&stages->authorization, " Access=");
    sg_buf_add_text(&stages->authorization, signer->access_key);
    sg_buf_add_text(&stages->authorization, ", SignedHeaders=");
    add_signed_names(request, order, &stages->authorization);
    sg_buf_add_text(&stages->authorization, ", Signature=");
    sg_buf_add_str(&stages->authorization, sg_buf_str(&stages->signature));
    if (sg_buf_failed(&stages->canonical_request) || sg_buf_failed(&stages->string_to_sign) ||
        sg_buf_failed(&stages->signature) || sg_buf_failed(&stages->authorization)) {
        return sg_error_set(reterr, SG_TOO_LARGE, NULL, "the request is too large to sign");
    }
    return SG_OK;
}

/* --- the canonical query ---------------------------------------------------------------------- */

struct pair {
    struct sg_str name, value; /* decoded */
};

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = sg_str_compare(x->name, y->name);
    return order != 0 ? order : sg_str_compare(x->value, y->value);
}

/* Decode the pairs of raw into as many structs as it can have at most; *ret_count have text. */
static enum sg_status split_query(struct sg_arena *scratch, struct sg_str raw,
                                  struct pair **ret_pairs, size_t *ret_count)
{
    size_t most = 1, count = 0;
    for (size_t i = 0; i < raw.n; i++) {
        most += raw.p[i] == '&';
    }
    struct pair *pairs = sg_arena_alloc_array(scratch, most, sizeof *pairs);
    if (pairs == NULL) {
        return SG_TOO_LARGE;
    }
    while (raw.n > 0) {
        size_t end = sg_str_find(raw, '&');
        struct sg_str text = sg_str_slice(raw, 0, end);
        raw = sg_str_slice(raw, end + 1, raw.n);
        if (text.n == 0) {
            continue;
        }
        size_t equals = sg_str_find(text, '=');
        struct pair pair = {.name = SG_STR("")};
        if (!sg_percent_decode(scratch, sg_str_slice(text, 0, equals), &pair.name)) {
            return pair.name.p == NULL ? SG_TOO_LARGE : SG_MALFORMED;
        }
        if (!sg_percent_decode(scratch, sg_str_slice(text, equals + 1, text.n), &pair.value)) {
            return pair.value.p == NULL ? SG_TOO_LARGE : SG_MALFORMED;
        }
        pairs[count++] = pair;
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return SG_OK;
}

enum sg_status sg_sign_canonical_query(struct sg_str raw, struct sg_buf *out)
{
    struct sg_arena scratch;
    struct pair *pairs = NULL;
    size_t count = 0;
    sg_arena_init(&scratch, SCRATCH_BYTES_MAX);
    enum sg_status status = split_query(&scratch, raw, &pairs, &count);
    if (count > 0) {
        qsort(pairs, count, sizeof *pairs, by_name_and_value);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            sg_buf_add_char(out, '&');
        }
        sg_percent_encode(out, pairs[i].name);
        sg_buf_add_char(out, '=');
        sg_percent_encode(out, pairs[i].value);
    }
    sg_arena_done(&scratch);
    return status == SG_OK && sg_buf_failed(out) ? SG_TOO_LARGE : status;
}
