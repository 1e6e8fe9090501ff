/*
 * net/answer: what a cloud, or whoever took its place, may send.
 *
 * The same bytes come whole and in pieces, each in fresh memory: head, body, end and what is left
 * over are the same. Of a bad answer the part before the fault may differ in length only. No body
 * is longer than allowed.
 *
 * Input: "c" when the connection ends cleanly or another byte, the cuts, the bytes.
 */
#include "base/buf.h"
#include "fuzz.h"
#include "net/answer.h"

enum { BODY_BYTES_MAX = 1000 };

struct reading {
    enum sg_answer_step end; /* MORE: only the end of the connection came */
    enum sg_answer_step after;
    unsigned heads;
    struct sg_buf head; /* what was understood of it, as text */
    struct sg_buf body;
    size_t left; /* bytes behind the answer's end */
    bool keep;
};

static void write_head(const struct sg_strict_response *head, struct sg_buf *out)
{
    sg_buf_printf(out, "%u %u %d %llu %d %d\n", head->minor, head->status, head->has_content_length,
                  (unsigned long long)head->content_length, head->chunked, head->close);
    CHECK(head->status >= 200 && head->status <= 599);
    CHECK(!(head->chunked && head->has_content_length));
    for (size_t i = 0; i < head->header_count; i++) {
        CHECK(sg_is_token(head->headers[i].name));
        sg_buf_add_str(out, head->headers[i].name);
        sg_buf_add_char(out, ':');
        sg_buf_add_str(out, head->headers[i].value);
        sg_buf_add_char(out, '\n');
    }
}

/* Take all steps that the bytes allow. */
static enum sg_answer_step take(struct sg_answer *answer, struct sg_str *bytes,
                                struct reading *reading)
{
    for (;;) {
        struct sg_str run = {.p = NULL};
        enum sg_answer_step step = sg_answer_take(answer, bytes, &run);
        switch (step) {
        case SG_ANSWER_HEAD:
            reading->heads++;
            write_head(&answer->head, &reading->head);
            break;
        case SG_ANSWER_DATA:
            CHECK(run.n > 0 && reading->heads == 1);
            sg_buf_add_str(&reading->body, run);
            break;
        case SG_ANSWER_MORE:
            CHECK(bytes->n == 0);
            return step;
        case SG_ANSWER_END:
        case SG_ANSWER_BAD:
            return step;
        }
    }
}

static void read_answer(struct reading *reading, struct sg_str text, struct fuzz_cuts *cuts,
                        bool clean)
{
    struct sg_answer answer;
    *reading = (struct reading){.end = SG_ANSWER_MORE};
    sg_buf_init(&reading->head, 1 << 20);
    sg_buf_init(&reading->body, BODY_BYTES_MAX);
    sg_answer_init(&answer);
    sg_answer_begin(&answer, BODY_BYTES_MAX);
    for (size_t at = 0; at < text.n && reading->end == SG_ANSWER_MORE;) {
        size_t count = cuts != NULL ? fuzz_next_cut(cuts, text.n - at) : text.n - at;
        char *copy = fuzz_copy(sg_str_slice(text, at, at + count));
        struct sg_str bytes = {.p = copy, .n = count};
        at += count;
        reading->end = take(&answer, &bytes, reading);
        reading->left = bytes.n + text.n - at;
        free(copy);
    }
    if (reading->end == SG_ANSWER_MORE) {
        reading->after = sg_answer_ended(&answer, clean);
        CHECK(reading->after == SG_ANSWER_BAD ||
              (reading->after == SG_ANSWER_END && clean && reading->heads == 1));
    }
    if (reading->end == SG_ANSWER_BAD || reading->after == SG_ANSWER_BAD) {
        CHECK(answer.detail != NULL && !answer.keep);
    }
    reading->keep = answer.keep;
    CHECK(!sg_buf_failed(&reading->head) && !sg_buf_failed(&reading->body));
    sg_answer_done(&answer);
}

static void check_same(const struct reading *whole, const struct reading *pieces)
{
    struct sg_str a = sg_buf_str(&whole->body), b = sg_buf_str(&pieces->body);
    CHECK(whole->end == pieces->end);
    CHECK(whole->after == pieces->after);
    CHECK(whole->heads == pieces->heads);
    CHECK(whole->keep == pieces->keep);
    CHECK(sg_str_equal(sg_buf_str(&whole->head), sg_buf_str(&pieces->head)));
    if (whole->end == SG_ANSWER_BAD) {
        CHECK(sg_str_starts_with(a, b) || sg_str_starts_with(b, a));
        return;
    }
    CHECK(sg_str_equal(a, b));
    CHECK(whole->left == pieces->left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_str input = {.p = (const char *)data, .n = size};
    bool clean = fuzz_take_byte(&input) == 'c';
    struct fuzz_cuts cuts = fuzz_take_cuts(&input);
    struct reading whole, pieces;
    read_answer(&whole, input, NULL, clean);
    read_answer(&pieces, input, &cuts, clean);
    check_same(&whole, &pieces);
    sg_buf_done(&whole.head);
    sg_buf_done(&whole.body);
    sg_buf_done(&pieces.head);
    sg_buf_done(&pieces.body);
    return 0;
}
