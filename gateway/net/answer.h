/*
 * One answer of the cloud, read as it comes: interim answers are skipped, the final head is judged,
 * the body is cut out of its framing. Pure: no sockets, no clock. Fed whole or in pieces, the
 * result is the same. [any, one thread at a time]
 */
#ifndef SG_NET_ANSWER_H
#define SG_NET_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/strict.h"

enum { SG_ANSWER_HEAD_BYTES = 32 * 1024, SG_ANSWER_HEADERS = 128, SG_ANSWER_INTERIM = 4 };

enum sg_answer_framing {
    SG_ANSWER_NO_BODY = 0, /* 204 and 304 */
    SG_ANSWER_LENGTH,
    SG_ANSWER_CHUNKED,
    SG_ANSWER_UNTIL_CLOSE, /* only with Connection: close or HTTP/1.0 */
};

struct sg_answer {
    struct sg_strict_response head; /* the final one, once there */
    bool begun;                     /* a byte of it came */
    bool has_head;
    bool keep;          /* the connection may serve another request, as far as the head says */
    const char *detail; /* what is wrong, in words; after BAD */
    /* inner state */
    struct sg_buf in; /* a head that came in pieces */
    unsigned interim;
    enum sg_answer_framing framing;
    uint64_t left; /* bytes of the body that are missing (LENGTH), or were taken (UNTIL_CLOSE) */
    uint64_t max_bytes;
    struct sg_strict_chunked chunked;
    struct sg_strict_header headers[SG_STRICT_HEADERS_MAX];
};

enum sg_answer_step {
    SG_ANSWER_MORE = 0, /* all bytes are used, more are needed */
    SG_ANSWER_HEAD,     /* head is whole; its slices are valid until the next call */
    SG_ANSWER_DATA,     /* *ret_run is a run of the body */
    SG_ANSWER_END,      /* the answer is whole; what is left in *bytes is not of it */
    SG_ANSWER_BAD,      /* detail says why */
};

void sg_answer_init(struct sg_answer *answer);
void sg_answer_done(struct sg_answer *answer);

/* Begin another answer to a request that was not HEAD. max_bytes: of its body; 0: no limit. */
void sg_answer_begin(struct sg_answer *answer, uint64_t max_bytes);

/*
 * Take one step into *bytes, which is moved on; call again until MORE, END or BAD. After HEAD
 * *bytes may point into the answer's own buffer: go on with it before anything else.
 */
enum sg_answer_step sg_answer_take(struct sg_answer *answer, struct sg_str *bytes,
                                   struct sg_str *ret_run);

/*
 * The connection has ended: END when that ends the answer, else BAD. clean: by FIN, with TLS by
 * close_notify, so that nothing can be missing.
 */
enum sg_answer_step sg_answer_ended(struct sg_answer *answer, bool clean);

#endif
