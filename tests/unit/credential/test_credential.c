/*
 * Credentials from both sources, and everything that may be wrong with them. Each text that
 * diagnostics print is searched for the secrets of the case: none may stand in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "credential/credential.h"

#define SECRET "hushSECRETvalue0123456789"
#define TOKEN  "tokenTOKENtoken9876543210"

static const int64_t now_us = 1767268800000000; /* 2026-01-01T12:00:00Z */

struct fixture {
    struct sg_arena arena;
    struct sg_diags *diags;
    struct sg_buf printed;
    struct sg_credential credential;
    char folder[64];
    char path[96];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/sg-test-credential.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/key.yaml", fixture->folder);
    sg_arena_init(&fixture->arena, 1 << 20);
    sg_buf_init(&fixture->printed, 1 << 20);
    fixture->diags = sg_diags_new();
    assert_non_null(fixture->diags);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sg_credential_done(&fixture->credential);
    sg_diags_free(fixture->diags);
    sg_buf_done(&fixture->printed);
    sg_arena_done(&fixture->arena);
    (void)unlink(fixture->path);
    assert_int_equal(rmdir(fixture->folder), 0);
    free(fixture);
    return 0;
}

/* Load into the fixture; what is printed must not hold a secret. Ended by NUL. */
static enum sg_status load(struct fixture *fixture, const struct sg_credential_settings *settings)
{
    sg_credential_done(&fixture->credential);
    sg_diags_free(fixture->diags);
    fixture->diags = sg_diags_new();
    assert_non_null(fixture->diags);
    enum sg_status status =
        sg_credential_load(settings, now_us, &fixture->arena, fixture->diags, &fixture->credential);
    sg_buf_clear(&fixture->printed);
    sg_diags_print_text(fixture->diags, &fixture->printed);
    sg_buf_add_char(&fixture->printed, '\0');
    assert_null(strstr(fixture->printed.p, SECRET));
    assert_null(strstr(fixture->printed.p, TOKEN));
    if (status == SG_OK) {
        assert_int_equal(sg_diags_errors(fixture->diags), 0);
    } else {
        assert_int_equal(status, SG_CONFIG);
        assert_null(fixture->credential.secret_key.bytes);
        assert_null(fixture->credential.security_token.bytes);
        assert_int_equal(fixture->credential.access_key.n, 0);
    }
    return status;
}

static void write_file(const struct fixture *fixture, struct sg_str text, mode_t mode)
{
    (void)unlink(fixture->path);
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(fixture->path, mode), 0);
}

static enum sg_status load_text(struct fixture *fixture, const char *text, mode_t mode)
{
    const struct sg_credential_settings settings = {
        .name = "live", .source = SG_CREDENTIAL_FILE, .path = fixture->path};
    write_file(fixture, sg_str_from(text), mode);
    return load(fixture, &settings);
}

/* The file is refused, and the first line that is printed says why. */
static void assert_refused(struct fixture *fixture, const char *text, const char *why)
{
    assert_int_equal(load_text(fixture, text, 0600), SG_CONFIG);
    if (strstr(fixture->printed.p, why) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", why, fixture->printed.p);
    }
}

static void assert_text(struct sg_str got, const char *expected)
{
    if (!sg_str_equal_text(got, expected)) {
        fail_msg("\"%.*s\" is not \"%s\"", SG_STR_ARG(got), expected);
    }
}

/* --- files ------------------------------------------------------------------------------------ */

#define KEYS "access_key: AKIDEXAMPLE\nsecret_key: " SECRET "\n"

static void test_file(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load_text(fixture, KEYS, 0600), SG_OK);
    assert_text(fixture->credential.name, "live");
    assert_text(fixture->credential.access_key, "AKIDEXAMPLE");
    assert_text(sg_secret_reveal(&fixture->credential.secret_key), SECRET);
    assert_int_equal(fixture->credential.security_token.count, 0);
    assert_int_equal(fixture->credential.expires_at_us, 0);
    assert_string_equal(fixture->credential.fingerprint, "7a898e50dbd5b830");

    assert_int_equal(load_text(fixture,
                               KEYS "security_token: " TOKEN "\n"
                                    "expires_at: 2026-01-02T00:00:00Z\n",
                               0600),
                     SG_OK);
    assert_text(sg_secret_reveal(&fixture->credential.security_token), TOKEN);
    assert_int_equal(fixture->credential.expires_at_us, 1767312000000000);

    assert_int_equal(load_text(fixture, KEYS "security_token: null\nexpires_at:\n", 0600), SG_OK);
    assert_int_equal(fixture->credential.security_token.count, 0);
}

static void test_modes(void **state)
{
    static const struct {
        mode_t mode;
        const char *why; /* NULL: fine */
    } cases[] = {
        {0600, NULL},
        {0640, NULL},
        {0400, NULL},
        {0440, NULL},
        {0644, "others can get at the secret in it"},
        {0604, "others can get at the secret in it"},
        {0602, "others can get at the secret in it"},
        {0601, "others can get at the secret in it"},
        {0666, "others can get at the secret in it"},
        {0660, "its group can change it"},
        {0620, "its group can change it"},
        {0700, "it is no file to run"},
        {0650, "it is no file to run"},
        {04600, "it is no file to run"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum sg_status status = load_text(fixture, KEYS, cases[i].mode);
        if (cases[i].why == NULL) {
            assert_int_equal(status, SG_OK);
            continue;
        }
        char mode[16];
        (void)snprintf(mode, sizeof mode, "mode %04o:", (unsigned)cases[i].mode);
        assert_int_equal(status, SG_CONFIG);
        assert_non_null(strstr(fixture->printed.p, cases[i].why));
        assert_non_null(strstr(fixture->printed.p, mode));
        assert_non_null(strstr(fixture->printed.p, fixture->path));
    }
}

static void test_bad_files(void **state)
{
    struct fixture *fixture = *state;
    assert_refused(fixture, "", "the file is empty");
    assert_refused(fixture, "# nothing\n", "the file is empty");
    assert_refused(fixture, SECRET, "expected a mapping");
    assert_refused(fixture, "- " SECRET "\n", "expected a mapping");
    assert_refused(fixture, "access_key: AKIDEXAMPLE\n", "\"secret_key\" is missing");
    assert_refused(fixture, "secret_key: " SECRET "\n", "\"access_key\" is missing");
    assert_refused(fixture, KEYS "secret_kee: " SECRET "\n", "did you mean \"secret_key\"?");
    assert_refused(fixture, KEYS "secret_key: " SECRET "\n", "stands twice");
    assert_refused(fixture, KEYS "security_token: \"\"\n", "\"security_token\" is empty");
    assert_refused(fixture, KEYS "expires_at: \"\"\n", "\"expires_at\" is empty");
    assert_refused(fixture, "access_key: A\nsecret_key: \"\"\n", "\"secret_key\" is empty");
    assert_refused(fixture, "access_key: ''\nsecret_key: " SECRET "\n", "\"access_key\" is empty");
    assert_refused(fixture, "access_key: A\nsecret_key: [" SECRET "]\n",
                   "\"secret_key\" is a list");
    assert_refused(fixture, "access_key: A\nsecret_key: {a: " SECRET "}\n",
                   "\"secret_key\" is a mapping");
    assert_refused(fixture, "access_key: A\nsecret_key: &" SECRET " a\n", "anchors");
    assert_refused(fixture, "access_key: A\nsecret_key: *" SECRET "\n", "aliases");
    assert_refused(fixture, "access_key: A\nsecret_key: !" SECRET " a\n", "tags");
    assert_refused(fixture, "access_key: A\nsecret_key: \"" SECRET "\n", "error");
    assert_refused(fixture, "access_key: A\nsecret_key: " SECRET ": " SECRET "\n", "error");
    assert_refused(fixture, KEYS "---\n" KEYS, "second document");
    assert_refused(fixture, KEYS "\xff\n", "UTF-8");
}

/* Characters that no key has: a header line could not hold them, or would be read as another. */
static void test_bad_characters(void **state)
{
    struct fixture *fixture = *state;
    assert_refused(fixture, "access_key: A\nsecret_key: \"" SECRET " \"\n",
                   "secret_key holds a character");
    assert_refused(fixture, "access_key: A\nsecret_key: |\n  " SECRET "\n",
                   "secret_key holds a character");
    assert_refused(fixture, "access_key: A\nsecret_key: " SECRET "\xc3\xa9\n",
                   "secret_key holds a character");
    assert_refused(fixture, "access_key: \"A, SignedHeaders=x\"\nsecret_key: " SECRET "\n",
                   "access_key holds a character");
    assert_refused(fixture, "access_key: \"A,B\"\nsecret_key: " SECRET "\n",
                   "access_key holds a character");
    assert_refused(fixture, KEYS "security_token: \"" TOKEN "\\nX-Other: 1\"\n",
                   "security_token holds a character");
    assert_int_equal(load_text(fixture, "access_key: A\nsecret_key: \"a,b/+=\"\n", 0600), SG_OK);
}

static void test_expiry(void **state)
{
    static const struct {
        const char *text;
        int64_t at_us; /* 0: refused as no time; 1: refused as expired */
    } cases[] = {
        {"2026-01-01T12:00:01Z", 1767268801000000},
        {"2026-01-01T12:00:01.9999999Z", 1767268801000000},
        {"2026-01-01t12:00:01z", 1767268801000000},
        {"2026-01-01 12:00:01Z", 1767268801000000},
        {"2026-01-01T20:00:01+08:00", 1767268801000000},
        {"2026-01-01T06:30:01-05:30", 1767268801000000},
        {"2028-02-29T00:00:00Z", 1835395200000000},
        {"9999-12-31T23:59:59Z", 253402300799000000},
        {"2026-01-01T12:00:00Z", 1},
        {"2020-01-08T03:50:07.574000Z", 1},
        {"2026-01-01T12:00:01+08:00", 1},
        {"1970-01-01T00:00:00Z", 1},
        {"1969-12-31T23:59:59Z", 0},
        {"2027-02-29T00:00:00Z", 0},
        {"2026-04-31T00:00:00Z", 0},
        {"2026-13-01T00:00:00Z", 0},
        {"2026-00-01T00:00:00Z", 0},
        {"2026-02-00T00:00:00Z", 0},
        {"2026-02-02T24:00:00Z", 0},
        {"2026-02-02T12:60:00Z", 0},
        {"2026-02-02T12:00:60Z", 0},
        {"2026-02-02T12:00Z", 0},
        {"2026-02-02T12:00:00", 0},
        {"2026-02-02T12:00:00.Z", 0},
        {"2026-02-02T12:00:00+8", 0},
        {"2026-02-02T12:00:00+0800", 0},
        {"2026-02-02T12:00:00Zulu", 0},
        {"2026-02-02", 0},
        {"20260202T120000Z", 0},
        {"tomorrow", 0},
        {"1893456000", 0},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, KEYS "expires_at: \"%s\"\n", cases[i].text);
        if (cases[i].at_us == 0) {
            assert_refused(fixture, text, "expires_at is no time");
            assert_non_null(strstr(fixture->printed.p, "key.yaml:3:13: error"));
        } else if (cases[i].at_us == 1) {
            assert_refused(fixture, text, "the keys have expired");
        } else {
            assert_int_equal(load_text(fixture, text, 0600), SG_OK);
            assert_int_equal(fixture->credential.expires_at_us, cases[i].at_us);
        }
    }
}

static void test_unreadable(void **state)
{
    struct fixture *fixture = *state;
    struct sg_credential_settings settings = {
        .name = "live", .source = SG_CREDENTIAL_FILE, .path = fixture->path};
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "No such file or directory"));
    assert_non_null(strstr(fixture->printed.p, "expected a file that the user who runs signgate"));

    assert_int_equal(mkfifo(fixture->path, 0600), 0); /* nobody writes: must not wait */
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "not a regular file"));
    assert_int_equal(unlink(fixture->path), 0);

    settings.path = fixture->folder;
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "not a regular file"));

    settings.path = NULL;
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "needs a path"));
}

static void test_large_file(void **state)
{
    struct fixture *fixture = *state;
    const struct sg_credential_settings settings = {
        .name = "live", .source = SG_CREDENTIAL_FILE, .path = fixture->path};
    const size_t size = 64 * 1024 + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '#', size);
    write_file(fixture, (struct sg_str){.p = text, .n = size}, 0600);
    free(text);
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "larger than"));
}

/* --- the environment -------------------------------------------------------------------------- */

/* Set the three variables; NULL: not there. */
static void set_environment(const char *access_key, const char *secret_key, const char *token)
{
    const char *const pairs[][2] = {{"HUAWEICLOUD_SDK_AK", access_key},
                                    {"HUAWEICLOUD_SDK_SK", secret_key},
                                    {"HUAWEICLOUD_SDK_SECURITY_TOKEN", token}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            pairs[i][1] != NULL ? setenv(pairs[i][0], pairs[i][1], 1) : unsetenv(pairs[i][0]), 0);
    }
}

static void test_environment(void **state)
{
    struct fixture *fixture = *state;
    const struct sg_credential_settings settings = {.name = "live",
                                                    .source = SG_CREDENTIAL_ENVIRONMENT};
    set_environment("AKIDEXAMPLE", SECRET, NULL);
    assert_int_equal(load(fixture, &settings), SG_OK);
    assert_text(fixture->credential.access_key, "AKIDEXAMPLE");
    assert_text(sg_secret_reveal(&fixture->credential.secret_key), SECRET);
    assert_int_equal(fixture->credential.security_token.count, 0);

    set_environment("AKIDEXAMPLE", SECRET, TOKEN);
    assert_int_equal(load(fixture, &settings), SG_OK);
    assert_text(sg_secret_reveal(&fixture->credential.security_token), TOKEN);

    set_environment("AKIDEXAMPLE", SECRET, ""); /* as good as not there */
    assert_int_equal(load(fixture, &settings), SG_OK);
    assert_int_equal(fixture->credential.security_token.count, 0);

    /* Every mistake in one run. */
    set_environment(NULL, "", NULL);
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "HUAWEICLOUD_SDK_AK is not set"));
    assert_non_null(strstr(fixture->printed.p, "HUAWEICLOUD_SDK_SK is empty"));

    set_environment("AKIDEXAMPLE", SECRET "\n", NULL);
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "HUAWEICLOUD_SDK_SK holds a character"));
    set_environment(NULL, NULL, NULL);
}

/* --- the table of sources --------------------------------------------------------------------- */

static void test_not_built(void **state)
{
    struct fixture *fixture = *state;
    struct sg_credential_settings settings = {.name = "live", .source = SG_CREDENTIAL_PROFILE};
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "\"profile\" is not built yet"));
    settings.source = SG_CREDENTIAL_METADATA;
    assert_int_equal(load(fixture, &settings), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "\"metadata\" is not built yet"));
}

/* Decode one entry of "credentials:" and load it, both with the same diagnostics. */
static enum sg_status load_entry(struct fixture *fixture, const char *text)
{
    struct sg_yaml_documents documents = {.count = 0};
    struct sg_credential_settings settings;
    struct sg_diags *diags = sg_diags_new();
    assert_non_null(diags);
    assert_int_equal(sg_yaml_parse(&fixture->arena, "signgate.yaml", sg_str_from(text),
                                   SG_YAML_PLAIN, diags, &documents),
                     SG_OK);
    sg_fields_decode(&sg_credential_fields, documents.roots[0], "", &fixture->arena, diags,
                     &settings);
    enum sg_status status =
        sg_credential_load(&settings, now_us, &fixture->arena, diags, &fixture->credential);
    sg_buf_clear(&fixture->printed);
    sg_diags_print_text(diags, &fixture->printed);
    sg_buf_add_char(&fixture->printed, '\0');
    sg_diags_free(diags);
    return status;
}

static void test_settings(void **state)
{
    struct fixture *fixture = *state;
    set_environment("AKIDEXAMPLE", SECRET, NULL);
    assert_int_equal(load_entry(fixture, "name: live\nsource: environment\n"), SG_OK);
    assert_string_equal(fixture->printed.p, "");
    sg_credential_done(&fixture->credential);

    assert_int_equal(load_entry(fixture, "name: live\nsource: environment\npath: x.yaml\n"),
                     SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "signgate.yaml:3:7: error: source: environment"));

    assert_int_equal(load_entry(fixture, "name: live\nsource: profile\n"), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "signgate.yaml:2:9: error: the credential source"));

    assert_int_equal(load_entry(fixture, "name: live\nsource: file\n"), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "needs a path"));

    /* One mistake gives one error: a source nobody knows is not looked into. */
    set_environment(NULL, NULL, NULL);
    assert_int_equal(load_entry(fixture, "name: live\nsource: fil\n"), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "did you mean \"file\"?"));
    assert_null(strstr(fixture->printed.p, "HUAWEICLOUD"));
    assert_int_equal(load_entry(fixture, "name: live\n"), SG_CONFIG);
    assert_non_null(strstr(fixture->printed.p, "\"source\" is missing"));
    assert_null(strstr(fixture->printed.p, "HUAWEICLOUD"));
}

static void test_done_twice(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load_text(fixture, KEYS "security_token: " TOKEN "\n", 0600), SG_OK);
    sg_credential_done(&fixture->credential);
    sg_credential_done(&fixture->credential);
    assert_null(fixture->credential.secret_key.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expiry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_built, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_done_twice, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
