/*
 * HTTP/1.1 framing, strictly (RFC 9112): heads of requests and answers and chunked bodies, judged
 * byte by byte, incrementally, once. One set of character tables for both sides. Pure: no I/O, no
 * allocation, no clock.
 *
 * Feeding is monotonic: give the same start of the head again with more bytes behind it; only new
 * bytes are looked at. Fed whole or in pieces, the result is the same.
 */
#ifndef SG_HTTP_STRICT_H
#define SG_HTTP_STRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "model/refusal.h"

enum { SG_STRICT_HEADERS_MAX = 256 }; /* limits.headers may not be above */

struct sg_strict_limits {
    size_t header_bytes; /* request line and fields with their CRLFs */
    size_t target_bytes;
    size_t headers;
    uint64_t body_bytes; /* an announced body above is refused; 0: no limit */
};

struct sg_strict_header {
    struct sg_str name;  /* as written */
    struct sg_str value; /* trimmed */
};

enum sg_strict_result { SG_STRICT_MORE = 0, SG_STRICT_DONE, SG_STRICT_BAD };

/*
 * The head of a request. Slices point into the bytes of the last feed and are filled when the
 * result is DONE (method and target as soon as the request line is whole: a refusal's record
 * may name them).
 */
struct sg_strict_request {
    /* of the parser */
    size_t line_at;
    size_t scan_at;
    bool have_line;
    bool resumed; /* a feed before brought a part only */
    /* the result */
    size_t head_bytes;
    struct sg_str method;
    struct sg_str target;
    uint8_t minor; /* 0 or 1 */
    struct sg_str host;
    struct sg_str content_type;
    uint64_t content_length;
    bool has_content_length;
    bool chunked;
    bool close; /* the connection ends after the answer */
    bool expect_continue;
    size_t header_count;
    struct sg_strict_header *headers; /* the owner's array of SG_STRICT_HEADERS_MAX; others may
                                         use it between feeds */
    /* the refusal */
    enum sg_refusal refusal;
    const char *detail; /* a literal: what is wrong, in words */
};

/* Begin a head; headers is an array of SG_STRICT_HEADERS_MAX that outlives it. */
void sg_strict_request_init(struct sg_strict_request *head, struct sg_strict_header *headers);

/* Judge count bytes from the first of the head. BAD: refusal and detail are set. */
enum sg_strict_result sg_strict_request_feed(struct sg_strict_request *head, const char *bytes,
                                             size_t count, const struct sg_strict_limits *limits);

/* The head of an answer. */
struct sg_strict_response {
    size_t line_at;
    size_t scan_at;
    bool have_line;
    bool resumed; /* a feed before brought a part only */
    size_t head_bytes;
    uint8_t minor;
    unsigned status; /* 100..599 */
    uint64_t content_length;
    bool has_content_length;
    bool chunked;
    bool close;
    size_t header_count;
    struct sg_strict_header *headers;
    const char *detail;
};

void sg_strict_response_init(struct sg_strict_response *head, struct sg_strict_header *headers);
enum sg_strict_result sg_strict_response_feed(struct sg_strict_response *head, const char *bytes,
                                              size_t count, const struct sg_strict_limits *limits);

enum { SG_STRICT_TRAILER_BYTES = 4096 }; /* of an answer's trailer section */

/*
 * A chunked body (RFC 9112 section 7.1): 1 to 8 hex digits, CRLF, data, CRLF; no extensions. A
 * trailer section is refused, but in answers, where it is judged like other fields and dropped
 * (section 7.1.2). Each call walks bytes and returns one run of data (may be empty) and how many
 * bytes it used; call again with the rest. DONE: the body is whole. BAD: refusal and detail are
 * set.
 */
struct sg_strict_chunked {
    uint8_t state;
    uint8_t digits;
    bool drops_trailers; /* an answer's */
    uint16_t trailer_bytes;
    uint64_t left;
    uint64_t total;
    enum sg_refusal refusal;
    const char *detail;
};

/* Begin the body of a request, or of an answer. */
void sg_strict_chunked_init(struct sg_strict_chunked *body);
void sg_strict_chunked_init_answer(struct sg_strict_chunked *body);
enum sg_strict_result sg_strict_chunked_feed(struct sg_strict_chunked *body, const char *bytes,
                                             size_t count, uint64_t max_bytes, size_t *ret_used,
                                             struct sg_str *ret_data);

/* Whether s is a token (RFC 9110 section 5.6.2) of at least one byte. */
bool sg_is_token(struct sg_str s);

/* Whether a comma-separated list holds the token, case-insensitively. */
bool sg_list_has_token(struct sg_str list, struct sg_str token);

#endif
