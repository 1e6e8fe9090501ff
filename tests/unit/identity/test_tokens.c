#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../crypto/tokens.h"
#include "identity/tokens.h"

/* --- issuers in a folder of a test's own ------------------------------------------------------ */

struct bench {
    char folder[64];
    char files[2][96];
    struct sg_issuer_settings settings[2];
    json_t *keys[2];
};

static void write_text(const char *path, const char *text)
{
    char fresh[128];
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static void write_set(const char *path, const json_t *key)
{
    json_t *half = key_public(key);
    char *text = set_from(&half, 1);
    write_text(path, text);
    free(text);
}

static int setup(void **state)
{
    static const char *const issuers[] = {"https://one", "https://two"};
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    char folder[sizeof bench->folder] = "/tmp/sg-test-tokens.XXXXXX";
    assert_non_null(mkdtemp(folder));
    memcpy(bench->folder, folder, sizeof folder);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(bench->files[i], sizeof bench->files[i], "%s/%d.json", folder, i);
        bench->keys[i] = key_new("{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\"}");
        write_set(bench->files[i], bench->keys[i]);
        bench->settings[i] = (struct sg_issuer_settings){
            .issuer = issuers[i], .audience = "signgate", .jwks_file = bench->files[i]};
    }
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 2; i++) {
        (void)unlink(bench->files[i]);
        json_decref(bench->keys[i]);
    }
    assert_int_equal(rmdir(bench->folder), 0);
    free(bench);
    return 0;
}

static struct sg_issuers *issuers_of(const struct bench *bench, size_t count, const char *expected)
{
    struct sg_diags *diags = sg_diags_new();
    struct sg_diag diag;
    struct sg_issuers *issuers = sg_issuers_new(bench->settings, count, diags);
    if (expected == NULL) {
        if (issuers == NULL) {
            fail_msg("%s", sg_diags_get(diags, 0, &diag) ? diag.text : "no reason");
        }
    } else {
        assert_null(issuers);
        assert_true(sg_diags_get(diags, 0, &diag));
        if (strstr(diag.text, expected) == NULL) {
            fail_msg("expected \"%s\", got \"%s\"", expected, diag.text);
        }
    }
    sg_diags_free(diags);
    return issuers;
}

static struct sg_tokens *tokens_of(const struct bench *bench)
{
    struct sg_issuers *issuers = issuers_of(bench, 2, NULL);
    struct sg_error error;
    struct sg_tokens *tokens = sg_tokens_new(issuers, &error);
    assert_non_null(tokens);
    sg_issuers_free(issuers); /* is not needed any more */
    return tokens;
}

static char *token_of(const struct bench *bench, int issuer, const char *subject, int64_t end_s)
{
    char payload[256];
    (void)snprintf(payload, sizeof payload,
                   "{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"signgate\",\"exp\":%lld}",
                   bench->settings[issuer].issuer, subject, (long long)end_s);
    return token_signed("{\"alg\":\"ES256\",\"kid\":\"k\"}", payload, bench->keys[issuer]);
}

static void assert_verdict(struct sg_tokens *tokens, const char *token, int64_t now_s,
                           const char *subject, const char *expected)
{
    const struct sg_jwt *jwt = NULL;
    struct sg_error error = {.status = SG_OK};
    enum sg_status status = sg_tokens_verify(tokens, sg_str_from(token), now_s, &jwt, &error);
    if (expected == NULL) {
        if (status != SG_OK) {
            fail_msg("%s", error.text);
        }
        assert_true(sg_str_equal_text(sg_jwt_subject(jwt), subject));
    } else {
        assert_int_equal(status, SG_UNAUTHENTICATED);
        assert_null(jwt);
        if (strstr(error.text, expected) == NULL) {
            fail_msg("expected \"%s\", got \"%s\"", expected, error.text);
        }
        assert_true(token[0] == '\0' || strstr(error.text, token) == NULL);
    }
}

/* --- tokens ----------------------------------------------------------------------------------- */

static void a_token_is_judged_by_the_keys_of_its_issuer(void **state)
{
    struct bench *bench = *state;
    struct sg_tokens *tokens = tokens_of(bench);
    char *one = token_of(bench, 0, "a", 2000), *two = token_of(bench, 1, "b", 2000);
    assert_verdict(tokens, one, 1000, "a", NULL);
    assert_verdict(tokens, two, 1000, "b", NULL);
    assert_verdict(tokens, one, 1000, "a", NULL); /* from the cache */
    char *forged =
        token_signed("{\"alg\":\"ES256\",\"kid\":\"k\"}",
                     "{\"iss\":\"https://one\",\"aud\":\"signgate\",\"exp\":2000}", bench->keys[1]);
    assert_verdict(tokens, forged, 1000, NULL, "signature that is not good");
    char *unknown =
        token_signed("{\"alg\":\"ES256\",\"kid\":\"k\"}",
                     "{\"iss\":\"https://six\",\"aud\":\"signgate\",\"exp\":2000}", bench->keys[1]);
    assert_verdict(tokens, unknown, 1000, NULL, "an issuer that is not configured");
    assert_verdict(tokens, "", 1000, NULL, "three parts");
    free(one);
    free(two);
    free(forged);
    free(unknown);
    sg_tokens_free(tokens);
    sg_tokens_free(NULL);
}

static void a_cached_token_ends_when_it_ends(void **state)
{
    struct bench *bench = *state;
    struct sg_tokens *tokens = tokens_of(bench);
    char *token = token_of(bench, 0, "a", 2000);
    assert_verdict(tokens, token, 1000, "a", NULL);
    assert_verdict(tokens, token, 2059, "a", NULL);
    assert_verdict(tokens, token, 2060, NULL, "has expired");
    assert_verdict(tokens, token, 1000, "a", NULL); /* the clock was set back */
    free(token);
    sg_tokens_free(tokens);
}

/* More tokens than there is room for: each is judged right, before and after it was pushed out. */
static void the_cache_is_bounded(void **state)
{
    enum { MANY = SG_TOKENS_CACHED + 500 };
    struct bench *bench = *state;
    struct sg_tokens *tokens = tokens_of(bench);
    char *kept = token_of(bench, 0, "kept", 900000);
    assert_verdict(tokens, kept, 1000, "kept", NULL);
    for (int i = 0; i < MANY; i++) {
        char subject[32];
        (void)snprintf(subject, sizeof subject, "s%d", i);
        char *token = token_of(bench, i % 2, subject, 2000 + i);
        assert_verdict(tokens, token, 1000, subject, NULL);
        assert_verdict(tokens, token, 1000, subject, NULL);
        free(token);
    }
    assert_verdict(tokens, kept, 1000, "kept", NULL);
    free(kept);
    sg_tokens_free(tokens);
}

/* --- issuers ---------------------------------------------------------------------------------- */

static void a_changed_key_file_is_noticed_and_read(void **state)
{
    struct bench *bench = *state;
    struct sg_issuers *issuers = issuers_of(bench, 2, NULL);
    assert_int_equal(sg_issuers_count(issuers), 2);
    assert_false(sg_issuers_changed(issuers));
    assert_int_equal(unlink(bench->files[0]), 0);
    assert_false(sg_issuers_changed(issuers)); /* whoever replaces it is not done */
    char *old = token_of(bench, 0, "a", 2000);
    json_decref(bench->keys[0]);
    bench->keys[0] = key_new("{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"next\"}");
    write_set(bench->files[0], bench->keys[0]);
    assert_true(sg_issuers_changed(issuers));
    sg_issuers_free(issuers);
    sg_issuers_free(NULL);
    struct sg_tokens *tokens = tokens_of(bench);
    char *new = token_signed("{\"alg\":\"ES256\",\"kid\":\"next\"}",
                             "{\"iss\":\"https://one\",\"sub\":\"n\",\"aud\":\"signgate\","
                             "\"exp\":2000}",
                             bench->keys[0]);
    assert_verdict(tokens, new, 1000, "n", NULL);
    assert_verdict(tokens, old, 1000, NULL, "a key that its issuer does not have");
    free(old);
    free(new);
    sg_tokens_free(tokens);
}

static void mistakes_are_told(void **state)
{
    struct bench *bench = *state;
    bench->settings[1].issuer = "https://one";
    assert_null(issuers_of(bench, 2, "\"https://one\" stands twice"));
    bench->settings[1].issuer = "";
    assert_null(issuers_of(bench, 2, "the issuer of a token issuer is empty"));
    bench->settings[1].issuer = "https://two";
    bench->settings[1].audience = "";
    assert_null(issuers_of(bench, 2, "the audience of a token issuer is empty"));
    bench->settings[1].audience = "signgate";
    write_text(bench->files[1], "{\"keys\":[]}");
    assert_null(issuers_of(bench, 2, "no key of the set can be used"));
    assert_int_equal(unlink(bench->files[1]), 0);
    assert_null(issuers_of(bench, 2, "cannot read the key set"));
    struct sg_issuers *issuers = issuers_of(bench, 1, NULL);
    assert_true(sg_str_equal_text(sg_issuers_get(issuers, 0).name, "https://one"));
    sg_issuers_free(issuers);
    sg_issuers_free(issuers_of(bench, 0, NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_judged_by_the_keys_of_its_issuer),
        TEST(a_cached_token_ends_when_it_ends),
        TEST(the_cache_is_bounded),
        TEST(a_changed_key_file_is_noticed_and_read),
        TEST(mistakes_are_told),
    };
    return cmocka_run_group_tests_name("identity/tokens and issuers", tests, NULL, NULL);
}
