#include "net/answer.h"

#include "base/object.h"

/*
 * Heads and chunks are judged by http/strict; this file knows what an answer is made of. Its rules
 * are stricter than RFC 9112 where a proxy and the cloud could read the same bytes differently:
 * exactly one framing, no guess about a missing one, no upgrade, few interim answers. Whatever
 * breaks a rule costs the connection: the caller of this file never reuses it after BAD.
 *
 * Heads mostly come in one read and are parsed where they lie. One that comes in pieces is gathered
 * in a buffer of our own, which is given back with the answer's end: an idle connection has none.
 */

void sg_answer_init(struct sg_answer *answer)
{
    *answer = (struct sg_answer){.begun = false};
    /* A feed that does not end the head within the limit is bad, so that this cap is never met. */
    sg_buf_init(&answer->in, 4 * (size_t)SG_ANSWER_HEAD_BYTES);
}

void sg_answer_done(struct sg_answer *answer)
{
    sg_buf_done(&answer->in);
}

void sg_answer_begin(struct sg_answer *answer, uint64_t max_bytes)
{
    sg_buf_done(&answer->in);
    answer->begun = false;
    answer->has_head = false;
    answer->keep = false;
    answer->detail = NULL;
    answer->interim = 0;
    answer->left = 0;
    answer->max_bytes = max_bytes > 0 ? max_bytes : UINT64_MAX;
    sg_strict_response_init(&answer->head, answer->headers);
}

static enum sg_answer_step bad(struct sg_answer *answer, const char *why)
{
    answer->detail = why;
    answer->keep = false;
    return SG_ANSWER_BAD;
}

/* Find out how the body of the final answer is framed. */
static enum sg_answer_step take_final_head(struct sg_answer *answer)
{
    const struct sg_strict_response *head = &answer->head;
    answer->has_head = true;
    answer->keep = head->minor == 1 && !head->close;
    if (head->chunked && (head->has_content_length || head->minor == 0)) {
        return bad(answer, "its length is told in a way that can be read twice");
    }
    if (head->status == 204 || head->status == 304) {
        answer->framing = SG_ANSWER_NO_BODY;
        if (head->chunked || head->content_length > 0) {
            answer->keep = false; /* an announced body may follow yet, and break the next answer */
        }
    } else if (head->chunked) {
        answer->framing = SG_ANSWER_CHUNKED;
        sg_strict_chunked_init_answer(&answer->chunked);
    } else if (head->has_content_length) {
        answer->framing = SG_ANSWER_LENGTH;
        answer->left = head->content_length;
        if (answer->left > answer->max_bytes) {
            return bad(answer, "it is longer than response_bytes");
        }
    } else if (answer->keep) {
        return bad(answer, "its length is not told");
    } else {
        answer->framing = SG_ANSWER_UNTIL_CLOSE;
    }
    return SG_ANSWER_HEAD;
}

/* An interim answer is whole: MORE to go on. */
static enum sg_answer_step skip_interim(struct sg_answer *answer)
{
    if (answer->head.status == 101) {
        return bad(answer, "it switches protocols");
    }
    if (answer->head.chunked || answer->head.has_content_length) {
        return bad(answer, "an interim answer announces a body");
    }
    if (++answer->interim > SG_ANSWER_INTERIM) {
        return bad(answer, "too many interim answers");
    }
    sg_strict_response_init(&answer->head, answer->headers);
    return SG_ANSWER_MORE;
}

/* Up to the end of the final head. */
static enum sg_answer_step take_head(struct sg_answer *answer, struct sg_str *bytes)
{
    static const struct sg_strict_limits limits = {.header_bytes = SG_ANSWER_HEAD_BYTES,
                                                   .headers = SG_ANSWER_HEADERS};
    const bool gathering = answer->in.n > 0;
    struct sg_str rest = *bytes;
    enum sg_answer_step step = SG_ANSWER_MORE;
    if (gathering) {
        sg_buf_add_str(&answer->in, rest);
        rest = sg_buf_str(&answer->in);
    }
    while (step == SG_ANSWER_MORE && rest.n > 0 && !sg_buf_failed(&answer->in)) {
        switch (sg_strict_response_feed(&answer->head, rest.p, rest.n, &limits)) {
        case SG_STRICT_MORE:
            if (gathering) {
                sg_buf_consume(&answer->in, answer->in.n - rest.n);
            } else {
                sg_buf_add_str(&answer->in, rest);
            }
            rest.n = 0;
            break;
        case SG_STRICT_BAD:
            step = bad(answer, answer->head.detail);
            break;
        case SG_STRICT_DONE:
            rest = sg_str_slice(rest, answer->head.head_bytes, rest.n);
            step = answer->head.status < 200 ? skip_interim(answer) : take_final_head(answer);
            if (rest.n == 0 && step == SG_ANSWER_MORE) {
                sg_buf_clear(&answer->in);
            }
            break;
        }
    }
    if (sg_buf_failed(&answer->in)) {
        return bad(answer, "no memory for its head");
    }
    *bytes = rest;
    return step;
}

static enum sg_answer_step take_chunked(struct sg_answer *answer, struct sg_str *bytes,
                                        struct sg_str *ret_run)
{
    while (bytes->n > 0) {
        size_t used = 0;
        struct sg_str run = {.p = NULL};
        enum sg_strict_result result = sg_strict_chunked_feed(&answer->chunked, bytes->p, bytes->n,
                                                              answer->max_bytes, &used, &run);
        if (result == SG_STRICT_BAD) {
            return bad(answer, answer->chunked.refusal == SG_REFUSAL_BODY_TOO_LARGE
                                   ? "it grew beyond response_bytes"
                                   : answer->chunked.detail);
        }
        *bytes = sg_str_slice(*bytes, used, bytes->n);
        if (result == SG_STRICT_DONE) {
            answer->framing = SG_ANSWER_NO_BODY; /* the end is the next step */
        }
        if (run.n > 0) {
            *ret_run = run;
            return SG_ANSWER_DATA;
        }
        if (result == SG_STRICT_DONE) {
            return SG_ANSWER_END;
        }
        SG_ASSERT(used > 0);
    }
    return SG_ANSWER_MORE;
}

enum sg_answer_step sg_answer_take(struct sg_answer *answer, struct sg_str *bytes,
                                   struct sg_str *ret_run)
{
    SG_ASSERT(answer->detail == NULL);
    answer->begun = answer->begun || bytes->n > 0;
    if (!answer->has_head) {
        return take_head(answer, bytes);
    }
    const size_t count = bytes->n;
    switch (answer->framing) {
    case SG_ANSWER_NO_BODY:
        return SG_ANSWER_END;
    case SG_ANSWER_CHUNKED:
        return take_chunked(answer, bytes, ret_run);
    case SG_ANSWER_LENGTH:
        if (answer->left == 0) {
            return SG_ANSWER_END;
        }
        *ret_run = count <= answer->left ? *bytes : sg_str_slice(*bytes, 0, answer->left);
        answer->left -= ret_run->n;
        break;
    case SG_ANSWER_UNTIL_CLOSE:
        if (count > answer->max_bytes - answer->left) {
            return bad(answer, "it grew beyond response_bytes");
        }
        *ret_run = *bytes;
        answer->left += count;
        break;
    }
    *bytes = sg_str_slice(*bytes, ret_run->n, count);
    return ret_run->n > 0 ? SG_ANSWER_DATA : SG_ANSWER_MORE;
}

enum sg_answer_step sg_answer_ended(struct sg_answer *answer, bool clean)
{
    if (!answer->has_head) {
        return bad(answer, "its head broke off");
    }
    if (answer->framing == SG_ANSWER_UNTIL_CLOSE && clean) {
        return SG_ANSWER_END;
    }
    return bad(answer, "it broke off");
}
