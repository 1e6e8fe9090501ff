/*
 * Runs a fuzz target over the files of its corpus, without a fuzzer: what was found once stays
 * found. The folder is tests/fuzz/corpus/NAME below SG_SOURCE_DIR, NAME what stands behind
 * "replay_" in the program's name.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned passed;

static void run_file(const char *path)
{
    struct stat found;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &found) != 0 || !S_ISREG(found.st_mode)) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    /* Exactly as large as the input, so that a sanitizer sees a read behind its end. */
    size_t count = (size_t)found.st_size;
    uint8_t *bytes = malloc(count > 0 ? count : 1);
    if (bytes == NULL || fread(bytes, 1, count, file) != count) {
        exit(1);
    }
    (void)fclose(file);
    (void)fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(bytes, count);
    free(bytes);
    passed++;
}

int main(int argc, char **argv)
{
    const char *name = strstr(argv[0], "replay_"), *source = getenv("SG_SOURCE_DIR");
    char folder[4096], path[8192];
    (void)argc;
    if (name == NULL) {
        return 1;
    }
    (void)snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", source != NULL ? source : ".",
                   name + strlen("replay_"));
    DIR *files = opendir(folder);
    for (struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            run_file(path);
        }
    }
    if (files != NULL) {
        (void)closedir(files);
    }
    /* A corpus that is not there is no test. */
    printf("%u passed, %d failed\n", passed, passed == 0);
    return passed == 0;
}
