/*
 * Notes: what is made is read back, each byte of it counts, and openssl, which knows nothing of us,
 * says that the signature is good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../crypto/keys.h"
#include "audit/note.h"

#define STREAM "0123456789abcdef0123456789abcdef"

struct bench {
    char folder[64];
    char path[96];
    struct sg_ed25519_private *old_key, *new_key;
    struct sg_buf out;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/sg-test-note.XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    (void)snprintf(bench->path, sizeof bench->path, "%s/file", bench->folder);
    bench->old_key = key_of(bench->path, 1);
    bench->new_key = key_of(bench->path, 2);
    sg_buf_init(&bench->out, 1 << 20);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    sg_ed25519_private_free(bench->old_key);
    sg_ed25519_private_free(bench->new_key);
    sg_buf_done(&bench->out);
    (void)unlink(bench->path);
    assert_int_equal(rmdir(bench->folder), 0);
    free(bench);
    return 0;
}

static struct sg_note note_of(uint64_t seq)
{
    struct sg_note note = {.stream = STREAM, .epoch = 3, .seq = seq, .time_s = 1573788995};
    for (size_t i = 0; i < sizeof note.hash; i++) {
        note.hash[i] = "0123456789abcdef"[i % 16];
    }
    memset(note.previous, '0', sizeof note.previous);
    return note;
}

static void make(struct bench *bench, const struct sg_note *note)
{
    const struct sg_ed25519_private *keys[] = {bench->old_key};
    assert_int_equal(sg_note_make(note, keys, 1, &bench->out), SG_OK);
}

static void test_a_note_has_its_form(void **state)
{
    struct bench *bench = *state;
    struct sg_note note = note_of(120417);
    make(bench, &note);
    static const char expected[] =
        SG_NOTE_ORIGIN STREAM "\n3 120417\n"
                              "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=\n1573788995\n"
                              "0000000000000000000000000000000000000000000000000000000000000000\n\n"
                              "\xe2\x80\x94 " SG_NOTE_ORIGIN STREAM " ";
    assert_true(bench->out.n > sizeof expected);
    assert_memory_equal(bench->out.p, expected, sizeof expected - 1);
    assert_int_equal(bench->out.n, sizeof expected - 1 + 92 + 1);
    assert_true(bench->out.n <= SG_NOTE_BYTES_MAX);
}

static void test_a_note_is_read_back(void **state)
{
    struct bench *bench = *state;
    struct sg_note note = note_of(UINT64_MAX);
    struct sg_note_parsed parsed;
    unsigned char old_key[32], new_key[32], key_id[4];
    const struct sg_ed25519_private *keys[] = {bench->old_key, bench->new_key};
    sg_ed25519_private_public(bench->old_key, old_key);
    sg_ed25519_private_public(bench->new_key, new_key);
    make(bench, &note);
    size_t first = bench->out.n;
    sg_buf_add_char(&bench->out, '\n');
    assert_int_equal(sg_note_make(&note, keys, 2, &bench->out), SG_OK);
    struct sg_str text = sg_buf_str(&bench->out);
    assert_int_equal(sg_note_parse(text, &parsed), first);
    assert_int_equal(parsed.signature_count, 1);
    assert_memory_equal(&parsed.note, &note, sizeof note);
    assert_int_equal(sg_note_key_id(STREAM, old_key, key_id), SG_OK);
    assert_memory_equal(parsed.signatures[0].key_id, key_id, sizeof key_id);
    assert_true(sg_note_verify(&parsed, old_key));
    assert_false(sg_note_verify(&parsed, new_key));
    text = sg_str_slice(text, first + 1, text.n);
    assert_int_equal(sg_note_parse(text, &parsed), text.n);
    assert_int_equal(parsed.signature_count, 2);
    assert_true(sg_note_verify(&parsed, old_key) && sg_note_verify(&parsed, new_key));
    /* The key of one stream has another id in another, so no signature is good for both. */
    unsigned char other_id[4];
    assert_int_equal(sg_note_key_id("1123456789abcdef0123456789abcdef", old_key, other_id), SG_OK);
    assert_memory_not_equal(key_id, other_id, sizeof key_id);
}

/* What is still read as a note after a change no key has signed. */
static void test_every_byte_counts(void **state)
{
    struct bench *bench = *state;
    struct sg_note note = note_of(17);
    struct sg_note_parsed parsed;
    unsigned char public_key[32];
    sg_ed25519_private_public(bench->old_key, public_key);
    make(bench, &note);
    for (size_t at = 0; at < bench->out.n; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bench->out.p[at] = (char)(bench->out.p[at] ^ 1 << bit);
            size_t bytes = sg_note_parse(sg_buf_str(&bench->out), &parsed);
            assert_false(bytes > 0 && sg_note_verify(&parsed, public_key));
            bench->out.p[at] = (char)(bench->out.p[at] ^ 1 << bit);
        }
    }
    for (size_t length = 0; length < bench->out.n; length++) {
        assert_int_equal(sg_note_parse((struct sg_str){.p = bench->out.p, .n = length}, &parsed),
                         0);
    }
}

static void test_what_is_no_note(void **state)
{
    struct bench *bench = *state;
    struct sg_note note = note_of(17);
    struct sg_note_parsed parsed;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"3 17", "03 17"},
        {"3 17", "3 017"},
        {"3 17", "3  17"},
        {"3 17", "3"},
        {"3 17", "3 17 "},
        {"3 17", "-3 17"},
        {"3 17", "3 99999999999999999999"},
        {"1573788995", "-1"},
        {"1573788995", ""},
        {"1573788995", "9223372036854775808"},
        {"ASNF", "ASN"},
        {"3s8=", "3s9="},
        {"7wEj", "7wE-"},
        {"abcdef\n", "abcdeF\n"},
        {"abcdef\n", "abcde\n"},
        {"audit.", "Audit."},
        {"\n\n", "\n"},
        {"\n\n", "\n\n\n"},
        {"\xe2\x80\x94", "-"},
        {"0000\n", "000g\n"},
        {"0000\n", "000A\n"},
    };
    make(bench, &note);
    struct sg_str whole = sg_buf_str(&bench->out);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_buf changed;
        const char *at = memmem(whole.p, whole.n, cases[i].from, strlen(cases[i].from));
        if (at == NULL) {
            continue; /* of the base64, which depends on the hash */
        }
        sg_buf_init(&changed, 4096);
        sg_buf_add(&changed, whole.p, (size_t)(at - whole.p));
        sg_buf_add_text(&changed, cases[i].to);
        size_t rest = (size_t)(at - whole.p) + strlen(cases[i].from);
        sg_buf_add_str(&changed, sg_str_slice(whole, rest, whole.n));
        if (sg_note_parse(sg_buf_str(&changed), &parsed) != 0) {
            fail_msg("%s -> %s", cases[i].from, cases[i].to);
        }
        sg_buf_done(&changed);
    }
    /* Five signatures are more than a note has. */
    struct sg_str line = sg_str_slice(whole, whole.n - 92 - 1 - 52, whole.n);
    assert_true(sg_str_starts_with(line, SG_STR("\xe2\x80\x94")));
    struct sg_buf many;
    sg_buf_init(&many, 4096);
    sg_buf_add_str(&many, whole);
    for (int i = 2; i <= SG_NOTE_SIGNATURES_MAX; i++) {
        sg_buf_add_str(&many, line);
        assert_int_equal(sg_note_parse(sg_buf_str(&many), &parsed), many.n);
        assert_int_equal(parsed.signature_count, i);
    }
    assert_true(many.n <= SG_NOTE_BYTES_MAX);
    sg_buf_add_str(&many, line);
    assert_int_equal(sg_note_parse(sg_buf_str(&many), &parsed), 0);
    sg_buf_done(&many);
}

static void test_what_cannot_be_made(void **state)
{
    struct bench *bench = *state;
    struct sg_note note = note_of(17);
    const struct sg_ed25519_private *keys[] = {bench->old_key, bench->old_key, bench->old_key,
                                               bench->old_key, bench->old_key};
    assert_int_equal(sg_note_make(&note, keys, 0, &bench->out), SG_INTERNAL);
    assert_int_equal(sg_note_make(&note, keys, 5, &bench->out), SG_INTERNAL);
    note.hash[3] = 'x';
    assert_int_equal(sg_note_make(&note, keys, 1, &bench->out), SG_INTERNAL);
    note = note_of(17);
    struct sg_buf small;
    sg_buf_init(&small, 300);
    sg_buf_add_text(&small, "before");
    assert_int_equal(sg_note_make(&note, keys, 1, &small), SG_NO_MEMORY);
    assert_int_equal(small.n, 6);
    sg_buf_done(&small);
    assert_int_equal(bench->out.n, 0);
}

static int run(const char *folder, const char *command)
{
    char line[512];
    (void)snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", folder, command);
    int status = system(line);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The way of docs/audit.md: text and signature taken apart by hand. */
static void test_openssl_verifies_it(void **state)
{
    struct bench *bench = *state;
    struct sg_note note = note_of(17);
    struct sg_note_parsed parsed;
    unsigned char public_key[32];
    char path[128];
    if (run("/", "openssl version") != 0) {
        skip();
    }
    make(bench, &note);
    assert_true(sg_note_parse(sg_buf_str(&bench->out), &parsed) > 0);
    sg_ed25519_private_public(bench->old_key, public_key);
    (void)snprintf(path, sizeof path, "%s/key.pub", bench->folder);
    write_public_pem(path, public_key);
    (void)snprintf(path, sizeof path, "%s/note", bench->folder);
    write_key_file(path, sg_buf_str(&bench->out), 0600);
    static const char verify[] =
        "head -n 5 note > text && sed -n 7p note | cut -d ' ' -f 3 | base64 -d | "
        "tail -c 64 > signature && openssl pkeyutl -verify -rawin -pubin -inkey key.pub "
        "-in text -sigfile signature";
    assert_int_equal(run(bench->folder, verify), 0);
    bench->out.p[parsed.text.n - 3] ^= 1;
    write_key_file(path, sg_buf_str(&bench->out), 0600);
    assert_int_equal(run(bench->folder, verify), 1);
    assert_int_equal(run(bench->folder, "rm key.pub note text signature"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_note_has_its_form), TEST(test_a_note_is_read_back),
        TEST(test_every_byte_counts),   TEST(test_what_is_no_note),
        TEST(test_what_cannot_be_made), TEST(test_openssl_verifies_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
