/*
 * The verb `sign` as a whole: its result for every vector, and every way to call it wrongly. No
 * output may ever hold the secret key.
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
#include <jansson.h>
#include <openssl/evp.h>

#include "base/str.h"
#include "cli/cli.h"

enum { WORDS_MAX = 200 };

#define SECRET "hushSECRETvalue0123456789"
#define URL    "https://live.example/v1/p/flows?b=2&a=1"

struct result {
    int status;
    char *out;
    char *err;
};

static void result_done(struct result *result)
{
    free(result->out);
    free(result->err);
}

/* Run `sign` with words, the last of them NULL. */
static struct result call(const char *const *words)
{
    struct result result = {.status = -1};
    char *argv[WORDS_MAX + 2] = {strdup("sign")};
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++) {
        assert_in_range(argc, 1, WORDS_MAX);
        argv[argc] = strdup(words[argc - 1]);
    }
    char *const *copies = argv;
    char *kept[WORDS_MAX + 2];
    memcpy(kept, copies, sizeof kept); /* the parser may move words */
    size_t out_size = 0, err_size = 0;
    struct sg_cli cli = {.out = open_memstream(&result.out, &out_size),
                         .err = open_memstream(&result.err, &err_size)};
    assert_non_null(cli.out);
    assert_non_null(cli.err);
    result.status = sg_verb_main(&cli, &sg_verb_sign, argc, argv);
    assert_int_equal(fclose(cli.out), 0);
    assert_int_equal(fclose(cli.err), 0);
    for (int i = 0; i < argc; i++) {
        free(kept[i]);
    }
    return result;
}

#define CALL(...) call((const char *const[]){__VA_ARGS__, NULL})

static void set_or_unset(const char *name, const char *value)
{
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void set_environment(const char *access_key, const char *secret_key, const char *token,
                            const char *project)
{
    set_or_unset("HUAWEICLOUD_SDK_AK", access_key);
    set_or_unset("HUAWEICLOUD_SDK_SK", secret_key);
    set_or_unset("HUAWEICLOUD_SDK_SECURITY_TOKEN", token);
    set_or_unset("HUAWEICLOUD_SDK_PROJECT_ID", project);
}

static int set_up(void **state)
{
    (void)state;
    set_environment("AKIDEXAMPLE", SECRET, NULL, NULL);
    return 0;
}

/* The JSON that a call printed; it must have been a good one. */
static json_t *json_of(const struct result *result)
{
    json_error_t error;
    if (result->status != SG_EXIT_GOOD) {
        fail_msg("status %d: %s", result->status, result->err);
    }
    assert_string_equal(result->err, "");
    json_t *json = json_loads(result->out, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    return json;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const char *header_of(const json_t *json, const char *name)
{
    return text_of(json_object_get(json, "headers"), name);
}

/* A call that must be refused with a line that holds why. */
static void assert_refused(struct result result, int status, const char *why)
{
    assert_int_equal(result.status, status);
    assert_string_equal(result.out, "");
    if (strstr(result.err, why) == NULL) {
        fail_msg("\"%s\" is not in: %s", why, result.err);
    }
    assert_null(strstr(result.err, SECRET));
    result_done(&result);
}

/* --- the vectors ------------------------------------------------------------------------------ */

/* Write the body of a vector into a file. */
static void write_body(const json_t *vector, const char *path)
{
    struct sg_str base64 = sg_str_from(text_of(vector, "body"));
    unsigned char *bytes = malloc(base64.n + 1);
    assert_non_null(bytes);
    int count = EVP_DecodeBlock(bytes, (const unsigned char *)base64.p, (int)base64.n);
    assert_int_equal(count, base64.n / 4 * 3);
    for (size_t i = 0; i < 2 && i < base64.n; i++) {
        count -= base64.p[base64.n - 1 - i] == '=';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)count, file), (size_t)count);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void check_vector(const json_t *vector, const char *body_path)
{
    static const char *const stages[][2] = {{"canonical_request", "canonical_request"},
                                            {"string_to_sign", "string_to_sign"},
                                            {"signature", "expected_signature"},
                                            {"authorization", "expected_authorization"}};
    const json_t *headers = json_object_get(vector, "headers"), *pair;
    const char *words[WORDS_MAX] = {text_of(vector, "method"),
                                    text_of(vector, "url"),
                                    "--date",
                                    text_of(vector, "date"),
                                    "--output",
                                    "json",
                                    "--body-file",
                                    body_path};
    char lines[16][512];
    size_t count = 8, i;
    json_array_foreach(headers, i, pair)
    {
        assert_in_range(i, 0, 15);
        (void)snprintf(lines[i], sizeof lines[i], "%s: %s",
                       json_string_value(json_array_get(pair, 0)),
                       json_string_value(json_array_get(pair, 1)));
        words[count++] = "--header";
        words[count++] = lines[i];
    }
    set_environment(text_of(vector, "ak"), text_of(vector, "sk"), text_of(vector, "security_token"),
                    text_of(vector, "project_id"));
    write_body(vector, body_path);
    struct result result = call(words);
    json_t *json = json_of(&result);
    assert_null(strstr(result.out, text_of(vector, "sk")));
    for (size_t k = 0; k < sizeof stages / sizeof *stages; k++) {
        const char *got = text_of(json, stages[k][0]), *expected = text_of(vector, stages[k][1]);
        if (got == NULL || strcmp(got, expected) != 0) {
            fail_msg("%s: the %s differs: %s", text_of(vector, "id"), stages[k][0], got);
        }
    }
    assert_string_equal(header_of(json, "Authorization"),
                        text_of(vector, "expected_authorization"));
    json_decref(json);
    result_done(&result);
}

static void test_vectors(void **state)
{
    char path[] = "/tmp/sg-test-sign.XXXXXX";
    json_t *vectors = json_load_file(SG_SOURCE_DIR "/tests/vectors/signing.json", 0, NULL);
    const json_t *vector;
    size_t i, checked = 0;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    json_array_foreach(vectors, i, vector)
    {
        if (strcmp(text_of(vector, "algorithm"), "SDK-HMAC-SHA256") == 0 &&
            !json_is_true(json_object_get(vector, "ambiguous"))) {
            check_vector(vector, path);
            checked++;
        } else if (strcmp(text_of(vector, "algorithm"), "SDK-HMAC-SHA256") != 0) {
            assert_refused(CALL("GET", URL, "--algorithm", text_of(vector, "algorithm")),
                           SG_EXIT_USAGE, "is not built yet");
        }
    }
    assert_true(checked >= 30);
    json_decref(vectors);
    assert_int_equal(unlink(path), 0);
}

/* --- what is signed without being asked for ----------------------------------------------------
 */

static void test_defaults(void **state)
{
    (void)state;
    struct result result = CALL("GET", URL, "--date", "20260101T120000Z", "--output", "json");
    json_t *json = json_of(&result);
    assert_string_equal(text_of(json, "canonical_request"),
                        "GET\n/v1/p/flows/\na=1&b=2\nhost:live.example\n"
                        "x-sdk-date:20260101T120000Z\n\nhost;x-sdk-date\n"
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(header_of(json, "Host"), "live.example");
    assert_string_equal(header_of(json, "X-Sdk-Date"), "20260101T120000Z");
    assert_int_equal(json_object_size(json_object_get(json, "headers")), 3);
    assert_non_null(text_of(json, "schema"));
    json_decref(json);
    result_done(&result);

    /* With the variables of an account; the security token is a header that must be sent. */
    set_environment("AKIDEXAMPLE", SECRET, "the-token", "the-project");
    result = CALL("GET", URL, "--output", "json");
    json = json_of(&result);
    assert_string_equal(header_of(json, "X-Project-Id"), "the-project");
    assert_string_equal(header_of(json, "X-Security-Token"), "the-token");
    assert_non_null(
        strstr(text_of(json, "authorization"),
               "SignedHeaders=host;x-project-id;x-sdk-date;x-security-token, Signature="));
    assert_int_equal(strlen(header_of(json, "X-Sdk-Date")), 16);
    json_decref(json);
    result_done(&result);

    /* What is given stands over what the variables say; an empty variable says nothing. */
    set_environment("AKIDEXAMPLE", SECRET, "", "");
    result = CALL("GET", URL, "--output", "json", "--header", "host:other:8443", "--header",
                  "x-project-id: mine", "--header", "X-Sdk-Date: 20260101T120000Z", "--date",
                  "20260101T120000Z");
    json = json_of(&result);
    assert_string_equal(header_of(json, "host"), "other:8443");
    assert_string_equal(header_of(json, "x-project-id"), "mine");
    assert_int_equal(json_object_size(json_object_get(json, "headers")), 4);
    json_decref(json);
    result_done(&result);
}

/* Text and JSON carry the same facts. */
static void test_text(void **state)
{
    (void)state;
    struct result text = CALL("DELETE", URL, "--date", "20260101T120000Z");
    struct result other = CALL("DELETE", URL, "--date", "20260101T120000Z", "--output", "json");
    json_t *json = json_of(&other);
    static const char *const keys[] = {"canonical_request", "string_to_sign", "signature",
                                       "authorization"};
    assert_int_equal(text.status, SG_EXIT_GOOD);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_non_null(strstr(text.out, text_of(json, keys[i])));
    }
    assert_non_null(strstr(text.out, "\nHost: live.example\n"));
    assert_non_null(strstr(text.out, "\nAuthorization: SDK-HMAC-SHA256 Access=AKIDEXAMPLE, "));
    assert_null(strstr(text.out, SECRET));
    assert_null(strstr(text.out, "\x1b"));
    json_decref(json);
    result_done(&text);
    result_done(&other);
}

/* --- wrong calls ------------------------------------------------------------------------------ */

static void test_urls(void **state)
{
    (void)state;
    assert_refused(CALL("GET", "live.example/v1"), SG_EXIT_USAGE, "is no URL");
    assert_refused(CALL("GET", "ftp://live.example/v1"), SG_EXIT_USAGE, "is no URL");
    assert_refused(CALL("GET", "/v1"), SG_EXIT_USAGE, "is no URL");
    assert_refused(CALL("GET", ""), SG_EXIT_USAGE, "is no URL");
    assert_refused(CALL("GET", "https:///v1"), SG_EXIT_USAGE, "names no host");
    assert_refused(CALL("GET", "https://"), SG_EXIT_USAGE, "names no host");
    assert_refused(CALL("GET", "https://u:p@live.example/"), SG_EXIT_USAGE, "user name");
    assert_refused(CALL("GET", "https://live.example/a b"), SG_EXIT_USAGE, "%20");
    assert_refused(CALL("GET", "https://live.example/a\nb"), SG_EXIT_USAGE, "control");
    assert_refused(CALL("GET", "https://live.example/a#b"), SG_EXIT_USAGE, "fragment");
    assert_refused(CALL("GET", "https://live.example/%zz"), SG_EXIT_USAGE, "hex digits");
    assert_refused(CALL("GET", "https://live.example/?a=%zz"), SG_EXIT_USAGE, "hex digits");
    static const char *const good[] = {"https://live.example", "HTTPS://live.example/",
                                       "http://[::1]:8080/", "https://live.example?a=@b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct result result = CALL("GET", good[i]);
        assert_int_equal(result.status, SG_EXIT_GOOD);
        assert_non_null(strstr(result.out, "GET\n/\n"));
        result_done(&result);
    }
}

static void test_wrong_options(void **state)
{
    (void)state;
    assert_refused(CALL("get", URL), SG_EXIT_USAGE, "upper case");
    assert_refused(CALL("GET"), SG_EXIT_USAGE, "sign METHOD URL");
    assert_refused(CALL("GET", URL, "more"), SG_EXIT_USAGE, "unexpected argument");
    assert_refused(CALL("GET", URL, "--date", "yesterday"), SG_EXIT_USAGE, "20191115T033655Z");
    assert_refused(CALL("GET", URL, "--date", ""), SG_EXIT_USAGE, "20191115T033655Z");
    assert_refused(
        CALL("GET", URL, "--date", "20260101T120000Z", "--header", "X-Sdk-Date: 20260101T120001Z"),
        SG_EXIT_USAGE, "two different dates");
    assert_refused(CALL("GET", URL, "--header", SECRET), SG_EXIT_USAGE, "'Name: value'");
    assert_refused(CALL("GET", URL, "--header", ": " SECRET), SG_EXIT_USAGE, "'Name: value'");
    assert_refused(CALL("GET", URL, "--header", "X Note: " SECRET), SG_EXIT_USAGE, "'Name: value'");
    assert_refused(CALL("GET", URL, "--header", "X-Note: a\n" SECRET), SG_EXIT_USAGE,
                   "control character");
    assert_refused(CALL("GET", URL, "--header", "authorization: x"), SG_EXIT_USAGE,
                   "Authorization");
    assert_refused(CALL("GET", URL, "--header", "X-A: 1", "--header", "x-a: 2"), SG_EXIT_USAGE,
                   "twice");
    assert_refused(CALL("GET", URL, "--body-file", "/nonexistent/body"), SG_EXIT_USAGE,
                   "/nonexistent/body");
    assert_refused(CALL("GET", URL, "--body-file", "/tmp"), SG_EXIT_USAGE, "regular file");
    assert_refused(CALL("GET", URL, "--against", "/nonexistent/answer"), SG_EXIT_USAGE,
                   "/nonexistent/answer");
    assert_refused(CALL("GET", URL, "--region", "x"), SG_EXIT_USAGE, "V11-HMAC-SHA256");
    assert_refused(CALL("GET", URL, "--service", "x"), SG_EXIT_USAGE, "V11-HMAC-SHA256");
}

static void test_algorithms(void **state)
{
    (void)state;
    assert_refused(CALL("GET", URL, "--algorithm", "SDK-HMAC-SM3"), SG_EXIT_USAGE,
                   "\"SDK-HMAC-SM3\" is not built yet");
    assert_refused(CALL("GET", URL, "--algorithm", "V11-HMAC-SHA256"), SG_EXIT_USAGE,
                   "\"V11-HMAC-SHA256\" is not built yet");
    assert_refused(CALL("GET", URL, "--algorithm", "sdk-hmac-sha25"), SG_EXIT_USAGE,
                   "did you mean \"SDK-HMAC-SHA256\"?");
    assert_refused(CALL("GET", URL, "--algorithm", "AWS4"), SG_EXIT_USAGE,
                   "expected \"SDK-HMAC-SHA256\"");
    struct result result = CALL("GET", URL, "--algorithm", "SDK-HMAC-SHA256");
    assert_int_equal(result.status, SG_EXIT_GOOD);
    result_done(&result);
}

static void test_keys_of_the_environment(void **state)
{
    (void)state;
    set_environment(NULL, SECRET, NULL, NULL);
    assert_refused(CALL("GET", URL), SG_EXIT_USAGE, "HUAWEICLOUD_SDK_AK");
    set_environment("AKIDEXAMPLE", NULL, NULL, NULL);
    assert_refused(CALL("GET", URL), SG_EXIT_USAGE, "HUAWEICLOUD_SDK_SK");
    set_environment("AKIDEXAMPLE", "", NULL, NULL);
    assert_refused(CALL("GET", URL), SG_EXIT_USAGE, "HUAWEICLOUD_SDK_SK is empty");
    set_environment("AKIDEXAMPLE", SECRET "\n", NULL, NULL);
    assert_refused(CALL("GET", URL), SG_EXIT_USAGE, "HUAWEICLOUD_SDK_SK holds a character");
    set_environment("AKIDEXAMPLE", SECRET, NULL, NULL);
    assert_refused(CALL("GET", URL, "-c", "x.yaml"), SG_EXIT_USAGE, "--credential NAME");
}

/* --- keys of a configuration -------------------------------------------------------------------
 */

struct folder {
    char path[64];
    char config[96];
    char key[96];
};

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void open_folder(struct folder *folder)
{
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/sg-test-sign.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->config, sizeof folder->config, "%s/signgate.yaml", folder->path);
    (void)snprintf(folder->key, sizeof folder->key, "%s/key.yaml", folder->path);
    write_text(folder->config, "version: 1\n"
                               "listeners: [{address: \"127.0.0.1:0\"}]\n"
                               "services:\n"
                               "  - name: live\n"
                               "    endpoint: https://live.cn-north-4.myhuaweicloud.com\n"
                               "    catalog: " SG_SOURCE_DIR "/config/catalog/live.yaml\n"
                               "    credential: live-prod\n"
                               "    projects: [\"0123456789abcdef0123456789abcdef\"]\n"
                               "credentials:\n"
                               "  - {name: live-prod, source: file, path: key.yaml}\n"
                               "  - {name: other, source: environment}\n"
                               "audit: {directory: audit}\n");
    write_text(folder->key, "access_key: AKIDFILE\n"
                            "secret_key: " SECRET "\n"
                            "security_token: file-token\n");
    assert_int_equal(chmod(folder->key, 0600), 0);
}

static void close_folder(struct folder *folder)
{
    assert_int_equal(unlink(folder->config), 0);
    assert_int_equal(unlink(folder->key), 0);
    assert_int_equal(rmdir(folder->path), 0);
}

static void test_keys_of_a_configuration(void **state)
{
    struct folder folder;
    (void)state;
    open_folder(&folder);
    set_environment(NULL, NULL, NULL, NULL);
    struct result result =
        CALL("GET", URL, "--credential", "live-prod", "-c", folder.config, "--output", "json");
    json_t *json = json_of(&result);
    assert_non_null(strstr(text_of(json, "authorization"), "Access=AKIDFILE,"));
    assert_string_equal(header_of(json, "X-Security-Token"), "file-token");
    assert_null(strstr(result.out, SECRET));
    json_decref(json);
    result_done(&result);

    assert_refused(CALL("GET", URL, "--credential", "live-prd", "-c", folder.config), SG_EXIT_USAGE,
                   "did you mean \"live-prod\"?");
    assert_refused(CALL("GET", URL, "--credential", "x", "-c", folder.config), SG_EXIT_USAGE,
                   "has no credential \"x\"");
    assert_refused(CALL("GET", URL, "--credential", "other", "-c", folder.config), SG_EXIT_USAGE,
                   "HUAWEICLOUD_SDK_AK");
    assert_refused(CALL("GET", URL, "--credential", "live-prod", "-c", "/nonexistent.yaml"),
                   SG_EXIT_CONFIGURATION, "/nonexistent.yaml");
    assert_int_equal(chmod(folder.key, 0644), 0);
    assert_refused(CALL("GET", URL, "--credential", "live-prod", "-c", folder.config),
                   SG_EXIT_CONFIGURATION, "mode 0644");
    close_folder(&folder);
}

/* Compare a GET of b=1 with a pasted answer. */
static struct result against(const char *answer, bool json)
{
    char path[] = "/tmp/signgate-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, answer, strlen(answer)), strlen(answer));
    assert_int_equal(close(fd), 0);
    struct result result = CALL("GET", "https://x.example/a?b=1", "--date", "20191115T033655Z",
                                "--against", path, "--output", json ? "json" : "text");
    (void)unlink(path);
    return result;
}

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define TAIL       "host:x.example|x-sdk-date:20191115T033655Z||host;x-sdk-date|" EMPTY_HASH
#define ANSWER(canonical)                                                      \
    "{\"error_msg\":\"verify aksk signature fail, canonicalRequest:" canonical \
    "\",\"error_code\":\"APIGW.0301\"}\n"

static void test_against_an_answer(void **state)
{
    (void)state;
    struct result result = against(ANSWER("GET|/a/|b=1|" TAIL), false);
    assert_int_equal(result.status, SG_EXIT_GOOD);
    assert_non_null(strstr(result.out, "are the same"));
    result_done(&result);
    result = against(ANSWER("GET|/a/|b=2|" TAIL), false);
    assert_int_equal(result.status, SG_EXIT_FAILED);
    assert_string_equal(result.out, "first difference, canonical request line 3 of 8:\n"
                                    "  ours    b=1\n"
                                    "  theirs  b=2\n"
                                    "            ^\n");
    result_done(&result);
    /* Lines may stand apart by escapes or by line ends, and the JSON around may be missing. */
    result = against(ANSWER("GET\\n\\/a\\/\\nb=1&c=\\n" TAIL), true);
    assert_int_equal(result.status, SG_EXIT_FAILED);
    assert_string_equal(result.out, "{\"schema\":\"signgate.sign.against.1\",\"same\":false,"
                                    "\"line\":3,\"ours\":\"b=1\",\"theirs\":\"b=1&c=\"}\n");
    result_done(&result);
    result = against("canonicalRequest:GET\n/a/\nb=1\n" TAIL "\n", true);
    assert_int_equal(result.status, SG_EXIT_GOOD);
    result_done(&result);
    result = against("canonicalRequest:", true); /* theirs is empty */
    assert_int_equal(result.status, SG_EXIT_FAILED);
    assert_non_null(strstr(result.out, "\"line\":1,\"ours\":\"GET\",\"theirs\":\"\""));
    result_done(&result);
    assert_refused(against("{\"error_code\":\"APIGW.0301\"}", false), SG_EXIT_USAGE,
                   "canonicalRequest:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_vectors, set_up),
        cmocka_unit_test_setup(test_against_an_answer, set_up),
        cmocka_unit_test_setup(test_defaults, set_up),
        cmocka_unit_test_setup(test_text, set_up),
        cmocka_unit_test_setup(test_urls, set_up),
        cmocka_unit_test_setup(test_wrong_options, set_up),
        cmocka_unit_test_setup(test_algorithms, set_up),
        cmocka_unit_test_setup(test_keys_of_the_environment, set_up),
        cmocka_unit_test_setup(test_keys_of_a_configuration, set_up),
    };
    return cmocka_run_group_tests_name("cli/verb_sign", tests, NULL, NULL);
}
