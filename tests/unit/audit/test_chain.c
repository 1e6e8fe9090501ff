/* Lines of the chain: what is put around a text comes off again, and no changed byte passes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "audit/chain.h"
#include "audit/members.h"
#include "audit/record.h"
#include "base/buf.h"
#include "text/json_out.h"

static struct sg_digest *digest;

static int setup(void **state)
{
    struct sg_error error;
    (void)state;
    digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    return digest != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    sg_digest_free(digest);
    return 0;
}

static void begin(struct sg_chain *chain)
{
    *chain = (struct sg_chain){.stream = "0123456789abcdef0123456789abcdef", .epoch = 3};
    memset(chain->prev, '0', sizeof chain->prev);
}

static void test_crc32c_is_castagnoli(void **state)
{
    (void)state;
    assert_int_equal(sg_crc32c(SG_STR("")), 0);
    assert_int_equal(sg_crc32c(SG_STR("123456789")), 0xe3069283); /* the check value of CRC-32C */
}

static void test_a_line_comes_apart_as_it_was_put_together(void **state)
{
    struct sg_chain chain;
    struct sg_buf out;
    struct sg_chain_line line;
    char hash[SG_DIGEST_HEX_BYTES];
    (void)state;
    begin(&chain);
    sg_buf_init(&out, 4096);
    assert_int_equal(
        sg_chain_append(&chain, digest, SG_STR("\"event\":\"denied\",\"path\":\"/a\""), &out),
        SG_OK);
    size_t first = out.n;
    assert_int_equal(out.p[first - 1], '\n');
    struct sg_str whole = {.p = out.p, .n = first - 1};
    assert_true(sg_chain_parse(whole, &line));
    assert_true(line.crc_good);
    assert_int_equal(line.epoch, 3);
    assert_int_equal(line.seq, 1);
    assert_true(sg_str_equal(line.text, SG_STR("\"event\":\"denied\",\"path\":\"/a\"")));
    assert_true(sg_str_equal(sg_members_find(line.text, "event"), SG_STR("denied")));
    assert_true(sg_str_equal(sg_members_find(line.text, "path"), SG_STR("/a")));
    assert_int_equal(sg_members_find(line.text, "denied").n, 0); /* a value is no name */
    assert_int_equal(sg_digest_run_hex(digest, whole, hash), SG_OK);
    assert_int_equal(sg_chain_append(&chain, digest, SG_STR("\"event\":\"stop\""), &out), SG_OK);
    assert_true(sg_chain_parse((struct sg_str){.p = out.p + first, .n = out.n - first - 1}, &line));
    assert_int_equal(line.seq, 2);
    assert_memory_equal(line.prev.p, hash, sizeof hash);
    assert_true(first <= SG_CHAIN_FRAME_BYTES + strlen("\"event\":\"denied\",\"path\":\"/a\""));
    sg_buf_done(&out);
}

static void test_no_changed_byte_passes(void **state)
{
    struct sg_chain chain;
    struct sg_buf out;
    struct sg_chain_line line;
    (void)state;
    begin(&chain);
    sg_buf_init(&out, 4096);
    assert_int_equal(sg_chain_append(&chain, digest, SG_STR("\"event\":\"intent\""), &out), SG_OK);
    for (size_t i = 0; i + 1 < out.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            out.p[i] = (char)(out.p[i] ^ 1 << bit);
            assert_false(sg_chain_parse((struct sg_str){.p = out.p, .n = out.n - 1}, &line) &&
                         line.crc_good);
            out.p[i] = (char)(out.p[i] ^ 1 << bit);
        }
    }
    for (size_t length = 0; length + 1 < out.n; length++) {
        assert_false(sg_chain_parse((struct sg_str){.p = out.p, .n = length}, &line));
    }
    sg_buf_done(&out);
}

static void test_a_record_has_its_members_in_order_and_within_its_bound(void **state)
{
    struct sg_buf out;
    const struct sg_audit_record record = {
        .event = SG_AUDIT_OUTCOME,
        .time_us = 1573788995123456,
        .request_id = SG_STR("id"),
        .caller = SG_STR("a\"b\n\x01"),
        .path = SG_STR("/v1"),
        .status = 200,
        .outcome = SG_OUTCOME_SUCCESS,
        .has_sent = true,
        .sent = true,
        .has_bytes = true,
        .request_bytes = UINT64_MAX / 2,
        .response_bytes = 7,
        .has_times = true,
        .duration_us = 5,
        .upstream_us = 4,
    };
    (void)state;
    sg_buf_init(&out, 4096);
    sg_audit_record_format(&record, &out);
    sg_buf_add_char(&out, '\0');
    assert_string_equal(out.p,
                        "\"time\":\"2019-11-15T03:36:35.123456Z\",\"event\":\"outcome\","
                        "\"request_id\":\"id\",\"caller\":\"a\\\"b\\n\\u0001\",\"path\":\"/v1\","
                        "\"status\":200,\"outcome\":\"success\",\"sent\":true,"
                        "\"request_bytes\":9223372036854775807,\"response_bytes\":7,"
                        "\"duration_us\":5,\"upstream_us\":4");
    assert_true(out.n - 1 <= sg_audit_record_bound(&record));
    sg_buf_done(&out);
}

static void test_the_bound_holds_for_the_worst_texts(void **state)
{
    char worst[512];
    struct sg_buf out;
    (void)state;
    memset(worst, 1, sizeof worst); /* six characters for each byte */
    const struct sg_str text = {.p = worst, .n = sizeof worst};
    const struct sg_audit_record record = {
        .event = SG_AUDIT_INTENT,
        .request_id = text,
        .caller = text,
        .team = text,
        .identity = text,
        .source_ip = text,
        .method = text,
        .path = text,
        .query = text,
        .action = text,
        .access_level = text,
        .resource = text,
        .project_id = text,
        .decision = text,
        .reason = text,
        .detail = text,
        .policy = text,
        .statement = text,
        .policy_revision = text,
        .would = text,
        .credential = text,
        .credential_fingerprint = text,
        .upstream = text,
        .status = UINT32_MAX,
        .upstream_request_id = text,
        .upstream_error_code = text,
        .outcome = SG_OUTCOME_SUCCESS,
        .has_sent = true,
        .has_bytes = true,
        .request_bytes = INT64_MAX,
        .response_bytes = INT64_MAX,
        .has_times = true,
        .duration_us = INT64_MIN,
        .upstream_us = INT64_MIN,
        .trace_id = text,
        .client_request_id = text,
        .version = text,
        .configuration_revision = text,
    };
    sg_buf_init(&out, 1 << 20);
    sg_audit_record_format(&record, &out);
    assert_false(sg_buf_failed(&out));
    assert_true(out.n <= sg_audit_record_bound(&record));
    sg_buf_done(&out);
}

static void test_the_bound_of_a_string(void **state)
{
    struct sg_buf out;
    (void)state;
    sg_buf_init(&out, 4096);
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            const char pair[2] = {(char)first, (char)second};
            const struct sg_str text = {.p = pair, .n = sizeof pair};
            sg_buf_clear(&out);
            sg_json_add_string(&out, text);
            assert_true(out.n <= sg_json_string_bound(text));
        }
    }
    sg_buf_clear(&out);
    sg_json_add_string(&out, SG_STR("/v1/flows?flow_id=%7E"));
    assert_int_equal(out.n, sg_json_string_bound(SG_STR("/v1/flows?flow_id=%7E")));
    sg_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_is_castagnoli),
        cmocka_unit_test(test_a_line_comes_apart_as_it_was_put_together),
        cmocka_unit_test(test_no_changed_byte_passes),
        cmocka_unit_test(test_a_record_has_its_members_in_order_and_within_its_bound),
        cmocka_unit_test(test_the_bound_holds_for_the_worst_texts),
        cmocka_unit_test(test_the_bound_of_a_string),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
