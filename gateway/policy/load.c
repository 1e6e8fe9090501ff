#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/digest.h"
#include "policy/set.h"
#include "policy/wrapper.h"
#include "text/yaml_tree.h"

/*
 * Loading a set: the paths become a list of files, sorted by file name, since that order decides
 * which statement a record names; each file is read, its text added to the revision, parsed; each
 * YAML document in it becomes a policy. Steps report and go on, so one run shows every mistake; the
 * set exists only when nothing was reported as an error.
 */

enum {
    FILES_MAX = 4096,
    FILE_BYTES_MAX = 4 * 1024 * 1024,
    TEXT_BYTES_MAX = 64 * 1024 * 1024,
    REVISION_DIGITS = 12,
    REASON_BYTES = 128,
};

struct file {
    struct file *next;
    const char *path;
    struct sg_str name;          /* the last part of path */
    const struct sg_place *from; /* what named it in the configuration; NULL for text */
    dev_t device;
    ino_t inode;
    struct sg_str text;
    struct sg_yaml_documents documents;
};

struct loader {
    struct sg_policy_load load;
    struct file *found; /* in no order */
    size_t file_count;
    struct file **files; /* found, in order */
};

/* --- which files ------------------------------------------------------------------------------ */

static const char *reason(int error, char text[REASON_BYTES])
{
    return strerror_r(error, text, REASON_BYTES);
}

static struct sg_str last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return sg_str_from(slash != NULL ? slash + 1 : path);
}

static void add_file(struct loader *loader, const char *path, const struct stat *status,
                     const struct sg_place *from)
{
    const struct sg_policy_load *load = &loader->load;
    for (const struct file *other = loader->found; other != NULL; other = other->next) {
        if (other->device == status->st_dev && other->inode == status->st_ino) {
            sg_diags_error(load->diags, from, "name each file once, alone or by its folder",
                           "the policy file %s is read already, as %s", path, other->path);
            return;
        }
    }
    if (loader->file_count == FILES_MAX) {
        sg_diags_error(load->diags, from, NULL, "more than %d policy files", FILES_MAX);
        return;
    }
    struct file *file = sg_arena_alloc(load->arena, sizeof *file);
    char *copy = sg_arena_text(load->arena, sg_str_from(path));
    if (file == NULL || copy == NULL) {
        sg_policy_no_memory(load);
        return;
    }
    *file = (struct file){.next = loader->found,
                          .path = copy,
                          .name = last_part(copy),
                          .from = from,
                          .device = status->st_dev,
                          .inode = status->st_ino};
    loader->found = file;
    loader->file_count++;
}

/* "folder/name" in the arena, or NULL. */
static char *join(struct sg_arena *arena, const char *folder, const char *name)
{
    struct sg_str head = sg_str_from(folder), tail = sg_str_from(name);
    bool needs_slash = head.n > 0 && head.p[head.n - 1] != '/';
    size_t size = head.n + tail.n + 2;
    char *path = sg_arena_alloc(arena, size);
    if (path != NULL) {
        (void)snprintf(path, size, "%s%s%s", folder, needs_slash ? "/" : "", name);
    }
    return path;
}

static void add_folder_entry(struct loader *loader, const char *folder, const char *name,
                             const struct sg_place *from)
{
    const struct sg_policy_load *load = &loader->load;
    struct sg_str text = sg_str_from(name);
    if (text.p[0] == '.') {
        return; /* as in *.yaml of a shell: the locks and copies of editors */
    }
    bool other_spelling = sg_str_ends_with(text, SG_STR(".yml"));
    if (!other_spelling && !sg_str_ends_with(text, SG_STR(".yaml")) &&
        !sg_str_ends_with(text, SG_STR(".json"))) {
        return;
    }
    char *path = join(load->arena, folder, name);
    if (path == NULL) {
        sg_policy_no_memory(load);
        return;
    }
    if (other_spelling) {
        sg_diags_warning(load->diags, from, "rename it to *.yaml",
                         "%s is not read: of a folder only *.yaml and *.json are", path);
        return;
    }
    struct stat status;
    char why[REASON_BYTES];
    if (stat(path, &status) != 0) {
        sg_diags_error(load->diags, from, "make it readable, or take it away",
                       "cannot read the policy file %s: %s", path, reason(errno, why));
    } else if (!S_ISREG(status.st_mode)) {
        sg_diags_error(load->diags, from, "take it away, or name it otherwise",
                       "%s is called like a policy file but is no file", path);
    } else {
        add_file(loader, path, &status, from);
    }
}

static void add_folder(struct loader *loader, const char *folder, const struct sg_place *from)
{
    struct sg_diags *diags = loader->load.diags;
    char why[REASON_BYTES];
    size_t before = loader->file_count;
    DIR *stream = opendir(folder);
    if (stream == NULL) {
        sg_diags_error(diags, from, "make it readable, or name another",
                       "cannot open the policy folder %s: %s", folder, reason(errno, why));
        return;
    }
    errno = 0;
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        add_folder_entry(loader, folder, entry->d_name, from);
        errno = 0;
    }
    if (errno != 0) {
        /* Half a folder could lack the very Deny that matters. */
        sg_diags_error(diags, from, NULL, "cannot read the policy folder %s: %s", folder,
                       reason(errno, why));
    }
    (void)closedir(stream);
    if (loader->file_count == before) {
        sg_diags_warning(diags, from, "without a policy every request is denied",
                         "the policy folder %s adds no *.yaml and no *.json", folder);
    }
}

static void add_path(struct loader *loader, const char *path, const struct sg_place *from)
{
    struct stat status;
    char why[REASON_BYTES];
    if (stat(path, &status) != 0) {
        sg_diags_error(loader->load.diags, from, "expected a policy file or a folder of them",
                       "cannot read the policies %s: %s", path, reason(errno, why));
    } else if (S_ISDIR(status.st_mode)) {
        add_folder(loader, path, from);
    } else if (S_ISREG(status.st_mode)) {
        add_file(loader, path, &status, from);
    } else {
        sg_diags_error(loader->load.diags, from, "expected a policy file or a folder of them",
                       "%s is neither a file nor a folder", path);
    }
}

/* By file name; two of one name in different folders by their paths. */
static int by_name(const void *a, const void *b)
{
    const struct file *x = *(struct file *const *)a, *y = *(struct file *const *)b;
    int order = sg_str_compare(x->name, y->name);
    return order != 0 ? order : strcmp(x->path, y->path);
}

static bool sort_files(struct loader *loader)
{
    loader->files =
        sg_arena_alloc_array(loader->load.arena, loader->file_count, sizeof *loader->files);
    if (loader->files == NULL) {
        sg_policy_no_memory(&loader->load);
        return false;
    }
    size_t count = 0;
    for (struct file *file = loader->found; file != NULL; file = file->next) {
        loader->files[count++] = file;
    }
    if (count > 0) {
        qsort(loader->files, count, sizeof *loader->files, by_name);
    }
    return true;
}

/* --- their content ---------------------------------------------------------------------------- */

static void read_text(const struct loader *loader, struct file *file)
{
    struct sg_error error;
    if (sg_text_read_file(loader->load.arena, file->path, FILE_BYTES_MAX, &file->text, &error) !=
        SG_OK) {
        sg_diags_error(loader->load.diags, file->from, NULL, "cannot read the policy file %s: %s",
                       file->path, error.text);
        file->text = (struct sg_str){.p = NULL};
    }
}

static void parse(const struct loader *loader, struct file *file)
{
    const struct sg_policy_load *load = &loader->load;
    unsigned flags =
        sg_str_ends_with(file->name, SG_STR(".json")) ? SG_YAML_JSON : SG_YAML_MANY_DOCUMENTS;
    struct sg_yaml_documents documents = {.count = 0};
    enum sg_status status =
        sg_yaml_parse(load->arena, file->path, file->text, flags, load->diags, &documents);
    if (status == SG_OK && documents.count == 0) {
        struct sg_place place = {.file = file->path, .line = 1};
        sg_diags_error(load->diags, &place, "write a policy, or take the file away",
                       "there is no policy in this file");
    }
    file->documents = documents;
}

/* The revision: a digest over all texts in order, as "cat | sha256sum" would give it. */
static struct sg_str revision_of(const struct loader *loader)
{
    struct sg_str revision = {.p = NULL};
    struct sg_error error = {.text = "the policies are larger than 64 MiB together"};
    char hex[SG_DIGEST_HEX_BYTES];
    struct sg_buf all;
    sg_buf_init(&all, TEXT_BYTES_MAX);
    for (size_t i = 0; i < loader->file_count; i++) {
        sg_buf_add_str(&all, loader->files[i]->text);
    }
    struct sg_digest *digest = NULL;
    if (sg_buf_failed(&all)) {
        goto out;
    }
    digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    if (digest == NULL) {
        goto out;
    }
    if (sg_digest_run_hex(digest, sg_buf_str(&all), hex) != SG_OK) {
        (void)sg_error_set(&error, SG_INTERNAL, NULL, "the digest of the policies failed");
        goto out;
    }
    (void)sg_error_set(&error, SG_NO_MEMORY, NULL, "out of memory while loading the policies");
    revision = sg_arena_copy(loader->load.arena, (struct sg_str){.p = hex, .n = REVISION_DIGITS});
out:
    if (revision.p == NULL) {
        sg_diags_error(loader->load.diags, NULL, NULL, "%s", error.text);
    }
    sg_digest_free(digest);
    sg_buf_done(&all);
    return revision;
}

static void check_doubled_name(const struct sg_policy_load *load, const struct sg_policy *policies,
                               size_t index)
{
    const struct sg_policy *policy = &policies[index];
    for (size_t i = 0; i < index && policy->name.n > 0; i++) {
        if (sg_str_equal(policies[i].name, policy->name)) {
            sg_diags_error(load->diags, &policy->place, "give each policy a name of its own",
                           "the policy name \"%.*s\" is used already, in %s:%u",
                           SG_STR_ARG(policy->name), policies[i].place.file,
                           policies[i].place.line);
            return;
        }
    }
}

/* --- the set ---------------------------------------------------------------------------------- */

/* Build the set from loader->files, whose texts are there. */
static const struct sg_policy_set *build(const struct loader *loader, size_t errors_before)
{
    const struct sg_policy_load *load = &loader->load;
    size_t most = 0;
    for (size_t i = 0; i < loader->file_count; i++) {
        if (loader->files[i]->text.p != NULL) {
            parse(loader, loader->files[i]);
        }
        most += loader->files[i]->documents.count;
    }
    struct sg_policy_set *set = sg_arena_alloc(load->arena, sizeof *set);
    struct sg_policy *policies = sg_arena_alloc_array(load->arena, most, sizeof *policies);
    if (set == NULL || policies == NULL) {
        sg_policy_no_memory(load);
        return NULL;
    }
    for (size_t i = 0; i < loader->file_count; i++) {
        const struct sg_yaml_documents *documents = &loader->files[i]->documents;
        for (size_t k = 0; k < documents->count; k++) {
            struct sg_policy *policy = &policies[set->policy_count];
            sg_policy_compile(load, documents->roots[k], policy);
            check_doubled_name(load, policies, set->policy_count);
            set->policy_count++;
            set->statement_count += policy->statement_count;
        }
    }
    set->policies = policies;
    set->file_count = loader->file_count;
    set->revision = revision_of(loader);
    return sg_diags_errors(load->diags) == errors_before ? set : NULL;
}

const struct sg_policy_set *sg_policy_load(const char *const *paths, const struct sg_place *places,
                                           size_t count, const struct sg_vocabulary *vocabulary,
                                           struct sg_arena *arena, struct sg_diags *diags)
{
    struct loader loader = {.load = {.vocabulary = vocabulary, .arena = arena, .diags = diags}};
    size_t errors_before = sg_diags_errors(diags);
    for (size_t i = 0; i < count; i++) {
        add_path(&loader, paths[i], places != NULL ? &places[i] : NULL);
    }
    if (!sort_files(&loader)) {
        return NULL;
    }
    for (size_t i = 0; i < loader.file_count; i++) {
        read_text(&loader, loader.files[i]);
    }
    return build(&loader, errors_before);
}

const struct sg_policy_set *sg_policy_load_text(const char *name, struct sg_str text,
                                                const struct sg_vocabulary *vocabulary,
                                                struct sg_arena *arena, struct sg_diags *diags)
{
    struct loader loader = {.load = {.vocabulary = vocabulary, .arena = arena, .diags = diags}};
    struct file file = {.path = name, .name = last_part(name), .text = text};
    struct file *files[] = {&file};
    loader.files = files;
    loader.file_count = 1;
    return build(&loader, sg_diags_errors(diags));
}
