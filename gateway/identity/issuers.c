#include "identity/issuers.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/jwt.h"

enum { KEY_FILE_BYTES_MAX = 1 << 20, ISSUERS_BYTES_MAX = 64 << 20 };

#define ROWS(table) .rows = (table), .count = sizeof(table) / sizeof *(table)

static const struct sg_field issuer_rows[] = {
    {.key = "issuer",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct sg_issuer_settings, issuer),
     .required = true,
     .summary = "the iss of its tokens, exact text"},
    {.key = "audience",
     .type = SG_FIELD_TEXT,
     .offset = offsetof(struct sg_issuer_settings, audience),
     .required = true,
     .summary = "what must be in the aud of its tokens"},
    {.key = "jwks_file",
     .type = SG_FIELD_PATH,
     .offset = offsetof(struct sg_issuer_settings, jwks_file),
     .required = true,
     .summary = "its public keys, a JSON Web Key Set; read again when it changes"},
};
const struct sg_fields sg_issuer_fields = {
    .name = "token_issuers[]", ROWS(issuer_rows), .size = sizeof(struct sg_issuer_settings)};

struct issuer {
    const struct sg_issuer_settings *settings;
    struct sg_str keys;
    struct stat file; /* as it was just before it was read */
};

struct sg_issuers {
    struct sg_arena arena;
    size_t count;
    struct issuer items[];
};

/* Where a note about a key goes. */
struct note {
    struct sg_diags *diags;
    struct sg_place place;
};

static void take_note(void *arg, const char *text)
{
    const struct note *note = arg;
    sg_diags_warning(note->diags, &note->place, NULL, "%s", text);
}

static void check_names(const struct sg_issuer_settings *settings, size_t index,
                        struct sg_diags *diags)
{
    const struct sg_issuer_settings *own = &settings[index];
    const struct {
        const char *key, *value;
    } texts[] = {{"issuer", own->issuer}, {"audience", own->audience}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].value != NULL && texts[i].value[0] == '\0') {
            struct sg_place place = sg_fields_place(own, texts[i].key);
            sg_diags_error(diags, &place, "write it as it stands in the tokens",
                           "the %s of a token issuer is empty", texts[i].key);
        }
    }
    for (size_t i = 0; own->issuer != NULL && i < index; i++) {
        if (settings[i].issuer != NULL && strcmp(settings[i].issuer, own->issuer) == 0) {
            struct sg_place place = sg_fields_place(own, "issuer");
            sg_diags_error(diags, &place, "an issuer has one audience and one key set",
                           "the token issuer \"%s\" stands twice", own->issuer);
        }
    }
}

static void read_keys(struct sg_issuers *issuers, struct issuer *issuer, struct sg_diags *diags)
{
    struct note note = {.diags = diags, .place = sg_fields_place(issuer->settings, "jwks_file")};
    const char *path = issuer->settings->jwks_file;
    struct sg_error error;
    if (path == NULL) {
        return; /* the form's error stands already */
    }
    /* Before the bytes: a file that changes in between is then read again. */
    (void)stat(path, &issuer->file);
    if (sg_text_read_file(&issuers->arena, path, KEY_FILE_BYTES_MAX, &issuer->keys, &error) !=
        SG_OK) {
        sg_diags_error(diags, &note.place, "write the issuer's public keys there",
                       "cannot read the key set %s: %s", path, error.text);
        return;
    }
    struct sg_jwks *keys = sg_jwks_new(issuer->keys, take_note, &note, &error);
    if (keys == NULL) {
        sg_diags_error(diags, &note.place, "expected a JSON Web Key Set (RFC 7517)", "%s: %s", path,
                       error.text);
    }
    sg_jwks_free(keys);
}

struct sg_issuers *sg_issuers_new(const struct sg_issuer_settings *settings, size_t count,
                                  struct sg_diags *diags)
{
    size_t before = sg_diags_errors(diags);
    struct sg_issuers *issuers = calloc(1, sizeof *issuers + count * sizeof issuers->items[0]);
    if (issuers == NULL) {
        sg_diags_error(diags, NULL, NULL, "out of memory while loading the token issuers");
        return NULL;
    }
    sg_arena_init(&issuers->arena, ISSUERS_BYTES_MAX);
    issuers->count = count;
    if (count > 0 && !sg_jwt_is_built()) {
        struct sg_place place = sg_fields_place(settings, "issuer");
        sg_diags_error(diags, &place, "install libjose and configure again",
                       "JWT callers: not in this build");
    }
    for (size_t i = 0; i < count; i++) {
        issuers->items[i].settings = &settings[i];
        check_names(settings, i, diags);
        read_keys(issuers, &issuers->items[i], diags);
    }
    if (sg_diags_errors(diags) > before) {
        sg_issuers_free(issuers);
        return NULL;
    }
    return issuers;
}

void sg_issuers_free(struct sg_issuers *issuers)
{
    if (issuers != NULL) {
        sg_arena_done(&issuers->arena);
        free(issuers);
    }
}

size_t sg_issuers_count(const struct sg_issuers *issuers)
{
    return issuers->count;
}

struct sg_issuer sg_issuers_get(const struct sg_issuers *issuers, size_t index)
{
    const struct issuer *issuer = &issuers->items[index];
    return (struct sg_issuer){.name = sg_str_from(issuer->settings->issuer),
                              .audience = sg_str_from(issuer->settings->audience),
                              .keys = issuer->keys};
}

bool sg_issuers_changed(const struct sg_issuers *issuers)
{
    for (size_t i = 0; i < issuers->count; i++) {
        const struct stat *then = &issuers->items[i].file;
        struct stat now;
        if (stat(issuers->items[i].settings->jwks_file, &now) == 0 &&
            (now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
             now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
             now.st_mtim.tv_nsec != then->st_mtim.tv_nsec)) {
            return true;
        }
    }
    return false;
}
