#include "credential/credential.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/digest.h"
#include "text/private_file.h"
#include "text/yaml_tree.h"

/*
 * A source finds the words of a credential and where each stands; what they may be is judged in one
 * place for all sources. Words are read into a scratch arena that is wiped whatever happens, and
 * from there copied into struct sg_secret. No error text ever holds a word, and the file of a
 * credential is never given to the diagnostics as source, so no excerpt can show one.
 */

enum { FILE_BYTES_MAX = 64 * 1024, SCRATCH_BYTES_MAX = 1 << 20 };

/* A word of a credential, how the operator calls it, and where it stands. */
struct word {
    struct sg_str text; /* empty: none */
    const char *name;
    struct sg_place place;
};

struct words {
    struct word access_key;
    struct word secret_key;
    struct word security_token;
    struct word expires_at;
};

/* --- the environment -------------------------------------------------------------------------- */

/* An empty variable says no more than one that is not there. */
static struct word from_variable(const struct sg_credential_settings *settings, const char *name,
                                 bool required, struct sg_diags *diags)
{
    const char *value = getenv(name);
    const struct word word = {
        .text = sg_str_from(value), .name = name, .place = sg_fields_place(settings, "source")};
    if (required && word.text.n == 0) {
        sg_diags_error(diags, &word.place, "set it before signgate starts",
                       "the environment variable %s is %s", name,
                       value == NULL ? "not set" : "empty");
    }
    return word;
}

static void load_environment(const struct sg_credential_settings *settings,
                             struct sg_arena *scratch, struct sg_diags *diags, struct words *ret)
{
    (void)scratch;
    ret->access_key = from_variable(settings, "HUAWEICLOUD_SDK_AK", true, diags);
    ret->secret_key = from_variable(settings, "HUAWEICLOUD_SDK_SK", true, diags);
    ret->security_token = from_variable(settings, "HUAWEICLOUD_SDK_SECURITY_TOKEN", false, diags);
}

/* --- files ------------------------------------------------------------------------------------ */

struct file_keys {
    const struct sg_yaml_node *node;
    const char *access_key;
    const char *secret_key;
    const char *security_token;
    const char *expires_at;
};

static const struct sg_field file_rows[] = {
    {.key = "access_key",
     .offset = offsetof(struct file_keys, access_key),
     .required = true,
     .summary = "names the key to the cloud"},
    {.key = "secret_key",
     .offset = offsetof(struct file_keys, secret_key),
     .required = true,
     .summary = "signs; never leaves the gateway"},
    {.key = "security_token",
     .offset = offsetof(struct file_keys, security_token),
     .nullable = true,
     .summary = "of temporary keys"},
    {.key = "expires_at",
     .offset = offsetof(struct file_keys, expires_at),
     .nullable = true,
     .summary = "end of temporary keys, such as 2026-01-31T12:00:00Z"},
};

static const struct sg_fields file_fields = {
    .name = "credential file",
    .rows = file_rows,
    .count = sizeof file_rows / sizeof *file_rows,
    .size = sizeof(struct file_keys),
};

/* Read the file when its mode is right. */
static bool read_file(const struct sg_credential_settings *settings, struct sg_arena *scratch,
                      struct sg_diags *diags, struct sg_str *ret)
{
    const struct sg_private_file file = {
        .path = settings->path,
        .place = sg_fields_place(settings, "path"),
        .help = "expected a file that the user who runs signgate can read, with access_key and "
                "secret_key",
        .max_bytes = FILE_BYTES_MAX,
    };
    return sg_private_file_read(&file, scratch, diags, ret);
}

/* In a file that someone wrote an empty value is a mistake: leave the key out, or write null. */
static struct word from_key(const struct file_keys *keys, const char *name, const char *value,
                            struct sg_diags *diags)
{
    const struct word word = {
        .text = sg_str_from(value), .name = name, .place = sg_fields_place(keys, name)};
    if (value != NULL && value[0] == '\0') {
        sg_diags_error(diags, &word.place, NULL, "\"%s\" is empty", name);
    }
    return word;
}

static void load_file(const struct sg_credential_settings *settings, struct sg_arena *scratch,
                      struct sg_diags *diags, struct words *ret)
{
    struct sg_yaml_documents documents = {.count = 0};
    struct file_keys keys;
    struct sg_str text;
    if (settings->path == NULL) {
        struct sg_place place = sg_fields_place(settings, "path");
        sg_diags_error(diags, &place, "name the file that holds access_key and secret_key",
                       "a credential with source: file needs a path");
        return;
    }
    if (!read_file(settings, scratch, diags, &text)) {
        return;
    }
    if (sg_yaml_parse(scratch, settings->path, text, SG_YAML_SECRET, diags, &documents) != SG_OK) {
        return;
    }
    if (documents.count == 0) {
        const struct sg_place place = {.file = settings->path};
        sg_diags_error(diags, &place, "write access_key and secret_key into it",
                       "the file is empty");
        return;
    }
    sg_fields_decode(&file_fields, documents.roots[0], "", scratch, diags, &keys);
    *ret = (struct words){
        .access_key = from_key(&keys, "access_key", keys.access_key, diags),
        .secret_key = from_key(&keys, "secret_key", keys.secret_key, diags),
        .security_token = from_key(&keys, "security_token", keys.security_token, diags),
        .expires_at = from_key(&keys, "expires_at", keys.expires_at, diags),
    };
}

/* --- the sources ------------------------------------------------------------------------------ */

static const struct source {
    const char *word;
    void (*load)(const struct sg_credential_settings *settings, struct sg_arena *scratch,
                 struct sg_diags *diags, struct words *ret); /* NULL: not built */
} sources[] = {
    [SG_CREDENTIAL_ENVIRONMENT] = {"environment", load_environment},
    [SG_CREDENTIAL_FILE] = {"file", load_file},
    [SG_CREDENTIAL_PROFILE] = {"profile", NULL},
    [SG_CREDENTIAL_METADATA] = {"metadata", NULL},
};

static const char *const source_words[] = {"environment", "file", "profile", "metadata", NULL};

static const struct sg_field rows[] = {
    {.key = "name",
     .offset = offsetof(struct sg_credential_settings, name),
     .required = true,
     .summary = "what services call it"},
    {.key = "source",
     .type = SG_FIELD_WORD,
     .offset = offsetof(struct sg_credential_settings, source),
     .required = true,
     .words = source_words,
     .summary = "where the keys are: environment or file"},
    {.key = "path",
     .type = SG_FIELD_PATH,
     .offset = offsetof(struct sg_credential_settings, path),
     .summary = "of the file; mode 0600, or 0640 when its group is to read it"},
};

const struct sg_fields sg_credential_fields = {
    .name = "credentials[]",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .size = sizeof(struct sg_credential_settings),
};

/* --- judging ---------------------------------------------------------------------------------- */

/* Keys and tokens stand in header lines: visible ASCII; the access key in a list with commas. */
static void check_word(const struct word *word, bool in_list, struct sg_diags *diags)
{
    for (size_t i = 0; i < word->text.n; i++) {
        unsigned char c = (unsigned char)word->text.p[i];
        if (c <= ' ' || c >= 0x7f || (in_list && c == ',')) {
            sg_diags_error(diags, &word->place, "copy it again, without blanks and line breaks",
                           "%s holds a character that no key has", word->name);
            return;
        }
    }
}

/* Fractions of a second are cut off. */
static void check_expiry(const struct word *word, int64_t now_us, struct sg_diags *diags,
                         int64_t *ret_us)
{
    if (word->text.n == 0) {
        return;
    }
    if (!sg_clock_parse_rfc3339(word->text, ret_us)) {
        sg_diags_error(diags, &word->place, "expected a time such as 2026-01-31T12:00:00Z",
                       "%s is no time", word->name);
        return;
    }
    *ret_us -= *ret_us % 1000000;
    if (*ret_us <= now_us) {
        sg_diags_error(diags, &word->place, "put fresh keys in their place",
                       "the keys have expired");
    }
}

static void set_fingerprint(struct sg_credential *credential, struct sg_diags *diags)
{
    struct sg_error error = {.status = SG_OK};
    char hex[SG_DIGEST_HEX_BYTES];
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    if (digest == NULL || sg_digest_run_hex(digest, credential->access_key, hex) != SG_OK) {
        sg_diags_error(diags, NULL, NULL, "cannot make the fingerprint of an access key: %s",
                       digest == NULL ? error.text : "OpenSSL cannot hash");
    } else {
        memcpy(credential->fingerprint, hex, SG_CREDENTIAL_FINGERPRINT_BYTES);
    }
    sg_digest_free(digest);
}

/* Copy what was found; the fingerprint's last byte stays the NUL it was made with. */
static void keep(const struct sg_credential_settings *settings, const struct words *words,
                 struct sg_arena *arena, struct sg_diags *diags, struct sg_credential *credential)
{
    credential->name = sg_arena_copy(arena, sg_str_from(settings->name));
    credential->access_key = sg_arena_copy(arena, words->access_key.text);
    if (credential->name.p == NULL || credential->access_key.p == NULL ||
        sg_secret_set(&credential->secret_key, words->secret_key.text) != SG_OK ||
        (words->security_token.text.n > 0 &&
         sg_secret_set(&credential->security_token, words->security_token.text) != SG_OK)) {
        sg_diags_error(diags, NULL, NULL, "out of memory");
        return;
    }
    set_fingerprint(credential, diags);
}

/*
 * The source of a hand-made struct is what it says; in one from a file the key may be missing or
 * no known word: then that was reported, and nothing is to be looked for.
 */
static bool source_is_known(const struct sg_credential_settings *settings)
{
    const struct sg_yaml_node *written = sg_yaml_get(settings->node, "source");
    return settings->node == NULL ||
           (written != NULL && sg_str_equal_text(written->text, sources[settings->source].word));
}

enum sg_status sg_credential_load(const struct sg_credential_settings *settings, int64_t now_us,
                                  struct sg_arena *arena, struct sg_diags *diags,
                                  struct sg_credential *ret)
{
    const size_t errors = sg_diags_errors(diags);
    struct words words = {.access_key = {.name = NULL}};
    struct sg_credential credential = {.expires_at_us = 0};
    struct sg_arena scratch;
    *ret = credential;
    if (!source_is_known(settings)) {
        return SG_CONFIG;
    }
    const struct source *source = &sources[settings->source];
    if (source->load == NULL) {
        struct sg_place place = sg_fields_place(settings, "source");
        sg_diags_error(diags, &place, "write environment or file",
                       "the credential source \"%s\" is not built yet", source->word);
        return SG_CONFIG;
    }
    if (settings->source != SG_CREDENTIAL_FILE && settings->path != NULL) {
        struct sg_place place = sg_fields_place(settings, "path");
        sg_diags_error(diags, &place, "leave it out, or write source: file",
                       "source: %s has no path", source->word);
    }
    sg_arena_init(&scratch, SCRATCH_BYTES_MAX);
    source->load(settings, &scratch, diags, &words);
    check_word(&words.access_key, true, diags);
    check_word(&words.secret_key, false, diags);
    check_word(&words.security_token, false, diags);
    check_expiry(&words.expires_at, now_us, diags, &credential.expires_at_us);
    if (sg_diags_errors(diags) == errors) {
        keep(settings, &words, arena, diags, &credential);
    }
    sg_arena_wipe(&scratch);
    if (sg_diags_errors(diags) > errors) {
        sg_credential_done(&credential);
        return SG_CONFIG;
    }
    *ret = credential;
    return SG_OK;
}

void sg_credential_done(struct sg_credential *credential)
{
    sg_secret_done(&credential->secret_key);
    sg_secret_done(&credential->security_token);
}
