/*
 * Configurations with the exact diagnostics they give. tests/config/good/NAME.yaml must load;
 * tests/config/bad/NAME.yaml must print exactly NAME.expected, where paths are relative to
 * tests/config. With SG_WRITE_EXPECTED set in the environment the expected files are written anew,
 * to be read before they are committed.
 */
#include <dirent.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "snapshot/snapshot.h"

enum { OUTPUT_BYTES_MAX = 1 << 20 };

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_yaml(const struct dirent *entry)
{
    return sg_str_ends_with(sg_str_from(entry->d_name), SG_STR(".yaml"));
}

/* What a load prints, and whether it gave a snapshot. */
static int load(const char *path, struct sg_buf *out)
{
    struct sg_diags *diags = sg_diags_new();
    struct sg_snapshot *snapshot = NULL;
    enum sg_status status =
        sg_snapshot_load(path, SG_LOAD_TO_CHECK, &sg_clock_system, diags, &snapshot);
    sg_diags_print_text(diags, out);
    sg_diags_free(diags);
    (void)sg_snapshot_unref(snapshot);
    return status == SG_OK;
}

static int read_file(const char *path, struct sg_buf *out)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    char bytes[4096];
    size_t count;
    while ((count = fread(bytes, 1, sizeof bytes, file)) > 0) {
        sg_buf_add(out, bytes, count);
    }
    return fclose(file) == 0;
}

static int write_file(const char *path, struct sg_str text)
{
    FILE *file = fopen(path, "w");
    return file != NULL && fwrite(text.p, 1, text.n, file) == text.n && fclose(file) == 0;
}

static int check(const char *folder, const char *name)
{
    char path[512], expected_path[512];
    struct sg_buf got, expected;
    sg_buf_init(&got, OUTPUT_BYTES_MAX);
    sg_buf_init(&expected, OUTPUT_BYTES_MAX);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)snprintf(expected_path, sizeof expected_path, "%s/%.*s.expected", folder,
                   (int)(strlen(name) - strlen(".yaml")), name);
    int loaded = load(path, &got), good = 0;
    if (strcmp(folder, "good") == 0) {
        good = loaded && got.n == 0;
    } else if (getenv("SG_WRITE_EXPECTED") != NULL) {
        good = !loaded && write_file(expected_path, sg_buf_str(&got));
    } else {
        good = !loaded && read_file(expected_path, &expected) &&
               sg_str_equal(sg_buf_str(&got), sg_buf_str(&expected));
    }
    if (!good) {
        printf("FAILED %s: %s; printed:\n%.*s\nexpected:\n%.*s\n", path,
               loaded ? "it loaded" : "it did not load", SG_STR_ARG(sg_buf_str(&got)),
               SG_STR_ARG(sg_buf_str(&expected)));
    }
    sg_buf_done(&got);
    sg_buf_done(&expected);
    return good;
}

int main(void)
{
    static const char *const folders[] = {"good", "bad"};
    int passed = 0, failed = 0;
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    (void)setenv("HUAWEICLOUD_SDK_AK", "AKIDEXAMPLE", 1);
    (void)setenv("HUAWEICLOUD_SDK_SK", "not-a-real-key", 1);
    (void)unsetenv("SG_TEST_NOT_SET");
    if (chdir(SG_SOURCE_DIR "/tests/config") != 0) {
        perror(SG_SOURCE_DIR "/tests/config");
        return 1;
    }
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
        struct dirent **names = NULL;
        int count = scandir(folders[f], &names, is_yaml, by_name);
        for (int i = 0; i < count; i++) {
            if (check(folders[f], names[i]->d_name)) {
                passed++;
            } else {
                failed++;
            }
            free(names[i]);
        }
        free(names);
        if (count <= 0) {
            printf("FAILED: no configurations in %s\n", folders[f]);
            failed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
