/*
 * Answers of the cloud (net/answer): read whole or in pieces the result is the same, and a body is
 * never longer than allowed. The first byte says how it is cut, the second whether the connection
 * ends cleanly.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "base/buf.h"
#include "net/answer.h"

enum { MOST_BYTES = 2000 };

struct reading {
    enum sg_answer_step end; /* MORE: neither whole nor bad */
    unsigned status;
    size_t fields;
    bool keep;
    size_t left_over;
    struct sg_buf body;
};

static void read_answer(struct sg_str bytes, size_t step, bool clean, struct reading *ret)
{
    struct sg_answer *answer = malloc(sizeof *answer);
    HOLDS(answer != NULL);
    *ret = (struct reading){.end = SG_ANSWER_MORE};
    sg_buf_init(&ret->body, 1 << 20);
    sg_answer_init(answer);
    sg_answer_begin(answer, MOST_BYTES);
    size_t at = 0;
    while (ret->end == SG_ANSWER_MORE && at < bytes.n) {
        struct sg_str piece = sg_str_slice(bytes, at, at + step);
        at += piece.n;
        enum sg_answer_step now;
        do {
            struct sg_str run = {.p = NULL};
            now = sg_answer_take(answer, &piece, &run);
            if (now == SG_ANSWER_HEAD) {
                ret->status = answer->head.status;
                ret->fields = answer->head.header_count;
                HOLDS(ret->status >= 200 && ret->status <= 599);
            } else if (now == SG_ANSWER_DATA) {
                HOLDS(run.n > 0 && ret->status != 0);
                sg_buf_add_str(&ret->body, run);
            }
        } while (now == SG_ANSWER_HEAD || now == SG_ANSWER_DATA);
        ret->end = now;
        ret->left_over = now == SG_ANSWER_END ? piece.n + bytes.n - at : 0;
    }
    if (ret->end == SG_ANSWER_MORE) {
        ret->end = sg_answer_ended(answer, clean);
        HOLDS(ret->end == SG_ANSWER_END || ret->end == SG_ANSWER_BAD);
    }
    HOLDS(ret->end != SG_ANSWER_BAD || (answer->detail != NULL && !answer->keep));
    HOLDS(ret->end != SG_ANSWER_END || ret->status != 0);
    HOLDS(ret->body.n <= MOST_BYTES);
    ret->keep = answer->keep;
    sg_answer_done(answer);
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 3) {
        return 0;
    }
    const struct sg_str text = {.p = (const char *)bytes + 2, .n = count - 2};
    const bool clean = bytes[1] % 2 == 0;
    struct reading whole, pieces;
    read_answer(text, text.n, clean, &whole);
    read_answer(text, 1 + bytes[0] % 32, clean, &pieces);
    HOLDS(whole.end == pieces.end && whole.status == pieces.status);
    HOLDS(whole.fields == pieces.fields && whole.keep == pieces.keep);
    if (whole.end == SG_ANSWER_END) {
        HOLDS(whole.left_over == pieces.left_over);
        HOLDS(sg_str_equal(sg_buf_str(&whole.body), sg_buf_str(&pieces.body)));
    }
    sg_buf_done(&whole.body);
    sg_buf_done(&pieces.body);
    return 0;
}
