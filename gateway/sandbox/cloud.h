/*
 * The simulated Live cloud without its sockets: one request in, one answer out. It knows the
 * operations on flows and their outputs; every other one is answered as the cloud's gateway answers
 * what it does not have. [one thread at a time]
 */
#ifndef SG_SANDBOX_CLOUD_H
#define SG_SANDBOX_CLOUD_H

#include "base/clock.h"
#include "base/error.h"
#include "sandbox/verify.h"

enum { SG_SANDBOX_REQUEST_ID_BYTES = 32, SG_SANDBOX_ANSWER_BYTES_MAX = 1024 * 1024 };

struct sg_sandbox_cloud;

struct sg_sandbox_answer {
    unsigned status;                              /* HTTP */
    char request_id[SG_SANDBOX_REQUEST_ID_BYTES]; /* hex, without a NUL */
    struct sg_str body;                           /* JSON, borrowed until the next request */
};

/* All texts are copied. NULL: *reterr says why. */
struct sg_sandbox_cloud *sg_sandbox_cloud_new(struct sg_str access_key, struct sg_str secret_key,
                                              const char *project_id, const struct sg_clock *clock,
                                              struct sg_error *reterr);
void sg_sandbox_cloud_free(struct sg_sandbox_cloud *cloud);

/* Judge the signature, do what is asked, answer. Cannot fail: no memory is an answer too. */
void sg_sandbox_cloud_answer(struct sg_sandbox_cloud *cloud,
                             const struct sg_sandbox_request *request,
                             struct sg_sandbox_answer *ret);

#endif
