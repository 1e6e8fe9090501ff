/* Entries of a folder: in the order in which they ended, the open ones apart, and on as they come.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/entries.h"
#include "audit/segment.h"

struct writer {
    char folder[64];
    char path[128];
    struct sg_digest *digest;
    struct sg_chain chain;
};

static void add(struct writer *w, const char *event, const char *id)
{
    struct sg_buf line;
    char text[256];
    (void)snprintf(text, sizeof text, "\"time\":\"T-%s-%s\",\"event\":\"%s\",\"request_id\":\"%s\"",
                   event, id, event, id);
    sg_buf_init(&line, 4096);
    assert_int_equal(sg_chain_append(&w->chain, w->digest, sg_str_from(text), &line), SG_OK);
    FILE *file = fopen(w->path, "a");
    assert_non_null(file);
    assert_int_equal(fwrite(line.p, line.n, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    sg_buf_done(&line);
}

static int setup(void **state)
{
    struct sg_segment_name name;
    struct sg_error error;
    struct writer *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/signgate-test-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    sg_segment_name_make(1, 1, &name);
    (void)snprintf(w->path, sizeof w->path, "%s/%s", w->folder, name.text);
    w->digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    assert_non_null(w->digest);
    w->chain.epoch = 1;
    memcpy(w->chain.stream, "0123456789abcdef0123456789abcdef", sizeof w->chain.stream);
    memset(w->chain.prev, '0', sizeof w->chain.prev);
    add(w, "segment", "S");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct writer *w = *state;
    (void)unlink(w->path);
    (void)rmdir(w->folder);
    sg_digest_free(w->digest);
    free(w);
    return 0;
}

static void assert_next(struct sg_entries *entries, const char *ids)
{
    struct sg_entry entry;
    char seen[512] = "";
    enum sg_status status;
    while ((status = sg_entries_next(entries, &entry, NULL)) == SG_OK) {
        size_t at = strlen(seen);
        (void)snprintf(seen + at, sizeof seen - at, "%.*s%s ",
                       SG_STR_ARG(sg_entry_text(&entry, SG_ENTRY_request_id)),
                       entry.has_intent ? "+" : "");
    }
    assert_int_equal(status, SG_NOT_FOUND);
    assert_string_equal(seen, ids);
}

static void assert_open(struct sg_entries *entries, const char *ids)
{
    struct sg_entry entry;
    const void *cursor = NULL;
    char seen[512] = "";
    while (sg_entries_next_open(entries, &cursor, &entry)) {
        size_t at = strlen(seen);
        assert_true(entry.has_intent && !entry.has_outcome);
        (void)snprintf(seen + at, sizeof seen - at, "%.*s ",
                       SG_STR_ARG(sg_entry_text(&entry, SG_ENTRY_request_id)));
    }
    assert_string_equal(seen, ids);
}

static void test_calls_wait_for_their_outcome(void **state)
{
    struct writer *w = *state;
    struct sg_error error;
    add(w, "intent", "a");
    add(w, "intent", "b");
    add(w, "denied", "c");
    add(w, "outcome", "b");
    add(w, "outcome", "moved"); /* its intent is in a segment that is not here */
    struct sg_entries *entries = sg_entries_open(w->folder, NULL, &error);
    assert_non_null(entries);
    assert_open(entries, "");
    assert_next(entries, "S c b+ moved ");
    assert_open(entries, "a ");
    assert_true(sg_str_equal_text(sg_entries_last_time(entries), "T-outcome-moved"));
    assert_next(entries, "");
    assert_open(entries, "a ");
    add(w, "intent", "d");
    add(w, "outcome", "a");
    assert_next(entries, "a+ ");
    assert_open(entries, "d ");
    add(w, "stop", "e");
    assert_next(entries, "e ");
    assert_true(sg_str_equal_text(sg_entries_last_time(entries), "T-stop-e"));
    sg_entries_close(entries);
}

static void test_a_folder_that_is_not_there(void **state)
{
    struct sg_error error = {.text = ""};
    (void)state;
    assert_null(sg_entries_open("/tmp/signgate-test-none/none", NULL, &error));
    assert_int_equal(error.status, SG_IO);
    sg_entries_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls_wait_for_their_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_that_is_not_there, setup, teardown),
    };
    return cmocka_run_group_tests_name("entries", tests, NULL, NULL);
}
