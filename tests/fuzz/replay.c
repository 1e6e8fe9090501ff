/*
 * The main() of a target where libFuzzer is not: run it over every file of its corpus. A property
 * that does not hold aborts, and the last line printed names the file.
 */
#include <dirent.h>

#include <stdbool.h>

#include "fuzz.h"

enum { FILE_BYTES_MAX = 1 << 20, PATH_BYTES = 4096 };

/* Of .../fuzz_NAME, the corpus of NAME. */
static DIR *open_corpus(const char *program, char ret_path[PATH_BYTES])
{
    static const char prefix[] = "fuzz_";
    const char *source = getenv("SG_SOURCE_DIR");
    const char *name = strrchr(program, '/');
    name = name != NULL ? name + 1 : program;
    if (strncmp(name, prefix, strlen(prefix)) != 0) {
        return NULL;
    }
    (void)snprintf(ret_path, PATH_BYTES, "%s/tests/fuzz/corpus/%s",
                   source != NULL ? source : SG_SOURCE_DIR, name + strlen(prefix));
    return opendir(ret_path);
}

/* False: it cannot be read. */
static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(FILE_BYTES_MAX);
    bool whole = false;
    if (file != NULL && bytes != NULL) {
        size_t count = fread(bytes, 1, FILE_BYTES_MAX, file);
        whole = ferror(file) == 0 && feof(file) != 0;
        char *exact = fuzz_copy((struct sg_str){.p = (const char *)bytes, .n = count});
        (void)LLVMFuzzerTestOneInput((const uint8_t *)exact, count);
        free(exact);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    free(bytes);
    return whole;
}

int main(int argc, char **argv)
{
    char folder[PATH_BYTES] = "";
    unsigned passed = 0, failed = 0;
    DIR *corpus = argc > 0 ? open_corpus(argv[0], folder) : NULL;
    for (struct dirent *entry; corpus != NULL && (entry = readdir(corpus)) != NULL;) {
        char path[PATH_BYTES + sizeof entry->d_name + 1];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)printf("%s\n", path);
        (void)fflush(stdout);
        if (run_file(path)) {
            passed++;
        } else {
            failed++;
        }
    }
    if (corpus != NULL) {
        (void)closedir(corpus);
    }
    if (passed == 0 && failed == 0) {
        (void)printf("no corpus in %s\n", folder);
        failed = 1;
    }
    (void)printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
