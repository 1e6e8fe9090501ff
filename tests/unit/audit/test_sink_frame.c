/* A line as a syslog message: the whole of it, and what is no line of ours. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "audit/chain.h"
#include "audit/sink_frame.h"

static const struct sg_sink_sender sender = {.host = "gw1", .process = 4711};

/* A line with this text, as the journal writes it. */
static void make_line(const char *text, struct sg_buf *out)
{
    struct sg_chain chain = {.stream = "0123456789abcdef0123456789abcdef", .epoch = 3, .seq = 41};
    struct sg_error error;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    memset(chain.prev, '0', sizeof chain.prev);
    assert_non_null(digest);
    assert_int_equal(sg_chain_append(&chain, digest, sg_str_from(text), out), SG_OK);
    sg_digest_free(digest);
    out->n--; /* without its LF */
}

static void assert_framed(const struct sg_sink_sender *from, struct sg_str line, const char *header)
{
    struct sg_buf frame, expected;
    sg_buf_init(&frame, 1 << 20);
    sg_buf_init(&expected, 1 << 20);
    sg_sink_frame(from, line, &frame);
    sg_buf_printf(&expected, "%zu %s", strlen(header) + line.n, header);
    sg_buf_add_str(&expected, line);
    assert_int_equal(frame.n, expected.n);
    assert_memory_equal(frame.p, expected.p, frame.n);
    assert_true(frame.n - line.n <= SG_SINK_FRAME_BYTES);
    sg_buf_done(&frame);
    sg_buf_done(&expected);
}

static void test_lines(void **state)
{
    static const struct {
        const char *text;
        const char *header;
    } rows[] = {
        {"\"time\":\"2019-11-15T03:36:55.123456Z\",\"event\":\"intent\",\"path\":\"/a b\"",
         "<109>1 2019-11-15T03:36:55.123456Z gw1 signgate 4711 intent "
         "[signgate@32473 stream=\"0123456789abcdef0123456789abcdef\" epoch=\"3\" seq=\"42\"] "},
        {"\"time\":\"2019-11-15T03:36:55.123456Z\",\"event\":\"denied\"",
         "<108>1 2019-11-15T03:36:55.123456Z gw1 signgate 4711 denied "
         "[signgate@32473 stream=\"0123456789abcdef0123456789abcdef\" epoch=\"3\" seq=\"42\"] "},
        {"\"time\":\"2019-11-15T03:36:55.123456Z\",\"event\":\"rejected\"",
         "<108>1 2019-11-15T03:36:55.123456Z gw1 signgate 4711 rejected "
         "[signgate@32473 stream=\"0123456789abcdef0123456789abcdef\" epoch=\"3\" seq=\"42\"] "},
        /* What a header cannot hold is "-"; the line goes as it is. */
        {"\"time\":\"yesterday\",\"event\":\"in tent\"",
         "<109>1 - gw1 signgate 4711 - "
         "[signgate@32473 stream=\"0123456789abcdef0123456789abcdef\" epoch=\"3\" seq=\"42\"] "},
        {"\"time\":\"2019-11-15 03:36:55.123456Z\","
         "\"event\":\"abcdefghijklmnopqrstuvwxyzabcdefg\"",
         "<109>1 - gw1 signgate 4711 - "
         "[signgate@32473 stream=\"0123456789abcdef0123456789abcdef\" epoch=\"3\" seq=\"42\"] "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_buf line;
        sg_buf_init(&line, 1 << 16);
        make_line(rows[i].text, &line);
        assert_framed(&sender, sg_buf_str(&line), rows[i].header);
        sg_buf_done(&line);
    }
}

static void test_what_is_no_line_of_ours(void **state)
{
    (void)state;
    assert_framed(&sender, SG_STR("{\"schema\":2}"), "<109>1 - gw1 signgate 4711 - - ");
    assert_framed(&sender, SG_STR(""), "<109>1 - gw1 signgate 4711 - - ");
}

static void test_hosts(void **state)
{
    static const char *const bad[] = {NULL, "", "two words", "caf\xc3\xa9", "a\nb"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct sg_sink_sender from = {.host = bad[i], .process = 1};
        assert_framed(&from, SG_STR("x"), "<109>1 - - signgate 1 - - ");
    }
    char longest[256 + 1];
    memset(longest, 'h', 256);
    longest[256] = '\0';
    const struct sg_sink_sender too_long = {.host = longest, .process = 1};
    assert_framed(&too_long, SG_STR("x"), "<109>1 - - signgate 1 - - ");
    longest[255] = '\0';
    struct sg_buf frame;
    sg_buf_init(&frame, 1 << 16);
    sg_sink_frame(&too_long, SG_STR("x"), &frame);
    assert_true(frame.n > 255);
    assert_non_null(memmem(frame.p, frame.n, longest, 255));
    sg_buf_done(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_what_is_no_line_of_ours),
        cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
