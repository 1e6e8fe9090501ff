/* What `schema` prints is what is shipped, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/schemas.h"

struct result {
    int status;
    char *out;
    char *err;
    size_t out_bytes;
};

static void result_done(struct result *result)
{
    free(result->out);
    free(result->err);
}

static struct result call(const char *first, const char *second)
{
    struct result result = {.status = -1};
    char verb[] = "schema", one[64], two[64];
    char *argv[] = {verb, one, two, NULL};
    int argc = 1;
    for (const char *const *word = (const char *const[]){first, second, NULL}; *word != NULL;
         word++) {
        (void)snprintf(argv[argc++], sizeof one, "%s", *word);
    }
    argv[argc] = NULL;
    size_t err_bytes = 0;
    struct sg_cli cli = {.out = open_memstream(&result.out, &result.out_bytes),
                         .err = open_memstream(&result.err, &err_bytes)};
    assert_non_null(cli.out);
    assert_non_null(cli.err);
    result.status = sg_verb_main(&cli, &sg_verb_schema, argc, argv);
    assert_int_equal(fclose(cli.out), 0);
    assert_int_equal(fclose(cli.err), 0);
    return result;
}

static char *read_file(const char *name, size_t *ret_bytes)
{
    enum { FILE_BYTES_MAX = 1 << 20 };
    char path[4096];
    const char *source = getenv("SG_SOURCE_DIR");
    (void)snprintf(path, sizeof path, "%s/%s", source != NULL ? source : SG_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = malloc(FILE_BYTES_MAX);
    assert_non_null(text);
    *ret_bytes = fread(text, 1, FILE_BYTES_MAX, file);
    assert_true(*ret_bytes < FILE_BYTES_MAX);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void test_each_is_the_shipped_file(void **state)
{
    static const struct {
        const char *name, *file, *summary;
    } rows[] = {
#define ROW(symbol, name, file, summary) {name, file, summary},
        SG_SCHEMAS(ROW)
#undef ROW
    };
    (void)state;
    struct result list = call(NULL, NULL);
    assert_int_equal(list.status, SG_EXIT_GOOD);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t bytes = 0;
        char *shipped = read_file(rows[i].file, &bytes);
        struct result result = call(rows[i].name, NULL);
        assert_int_equal(result.status, SG_EXIT_GOOD);
        assert_int_equal(result.out_bytes, bytes);
        assert_memory_equal(result.out, shipped, bytes);
        assert_string_equal(result.err, "");
        assert_non_null(strstr(list.out, rows[i].name));
        assert_non_null(strstr(list.out, rows[i].summary));
        free(shipped);
        result_done(&result);
    }
    result_done(&list);
}

static void test_the_list_as_json(void **state)
{
    (void)state;
    struct result result = call("--output", "json");
    assert_int_equal(result.status, SG_EXIT_GOOD);
    assert_non_null(strstr(result.out, "{\"schema\":\"signgate.schemas.1\",\"schemas\":[{\"name\":"
                                       "\"audit-record\",\"summary\":\""));
    result_done(&result);
}

static void test_unknown_names(void **state)
{
    (void)state;
    struct result result = call("audit-recrod", NULL);
    assert_int_equal(result.status, SG_EXIT_USAGE);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err, "signgate: unknown schema \"audit-recrod\"; did you mean "
                                    "\"audit-record\"?   (all schemas: signgate schema)\n");
    result_done(&result);
    result = call("zebra", NULL);
    assert_int_equal(result.status, SG_EXIT_USAGE);
    assert_string_equal(result.err,
                        "signgate: unknown schema \"zebra\"   (all schemas: signgate schema)\n");
    result_done(&result);
}

static void test_one_name_at_a_time(void **state)
{
    (void)state;
    struct result result = call("audit-record", "audit-record");
    assert_int_equal(result.status, SG_EXIT_USAGE);
    assert_string_equal(result.out, "");
    result_done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_the_shipped_file),
        cmocka_unit_test(test_the_list_as_json),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_one_name_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
