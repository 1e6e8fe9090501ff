/*
 * sign: sign one request offline and show each stage.
 *
 * A tool to look at signatures with, so the request is taken as it is written and signed by the
 * code that signs for the gateway, without the gateway's own rules for targets. What is refused is
 * what cannot be sent, or would not be what the user thinks was signed. Access keys come through
 * the same door as the gateway's (credential/), from the environment or from a configuration. No
 * message repeats the value of a header: it may be a token.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/against.h"
#include "cli/cli.h"
#include "credential/credential.h"
#include "http/strict.h"
#include "signing/signer.h"
#include "snapshot/snapshot.h"
#include "text/json_out.h"
#include "text/yaml_tree.h"

enum {
    ARENA_BYTES_MAX = 64 << 20,
    BODY_BYTES_MAX = 12 << 20, /* what the cloud takes with AK/SK */
    TEXT_BYTES_MAX = 1 << 20,
    HEADERS_MAX = 64,
};

struct sign {
    struct sg_cli *cli;
    const struct sg_arguments *arguments;
    struct sg_arena arena;
    struct sg_str host; /* of the URL */
    struct sg_str path;
    struct sg_buf query; /* canonical */
    struct sg_str body;
    struct sg_str date;
    char now[SG_CLOCK_SDK_DATE_BYTES];
    struct sg_sign_header headers[HEADERS_MAX];
    size_t header_count;
    struct sg_credential own;               /* of the environment */
    struct sg_snapshot *snapshot;           /* with --credential; or NULL */
    const struct sg_credential *credential; /* the one of both that is used */
};

/* --- what is signed --------------------------------------------------------------------------- */

/* Take the scheme off; false when there is none. */
static bool take_scheme(struct sg_str url, struct sg_str *ret_rest)
{
    static const struct sg_str schemes[] = {{"https://", 8}, {"http://", 7}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (sg_str_equal_fold(sg_str_slice(url, 0, schemes[i].n), schemes[i])) {
            *ret_rest = sg_str_slice(url, schemes[i].n, url.n);
            return true;
        }
    }
    return false;
}

/* What is wrong with the characters of a URL, or NULL. */
static const char *bad_character(struct sg_str url)
{
    for (size_t i = 0; i < url.n; i++) {
        unsigned char c = (unsigned char)url.p[i];
        if (c <= ' ' || c == 0x7f) {
            return "a blank or a control character; write it as %20 or %xx";
        }
        if (c == '#') {
            return "a fragment (\"#\"); leave it out, or write it as %23";
        }
    }
    return NULL;
}

static bool read_url(struct sign *s, const char *text)
{
    struct sg_str rest;
    const char *bad = bad_character(sg_str_from(text));
    if (!take_scheme(sg_str_from(text), &rest)) {
        (void)sg_usage_error(s->cli, "\"%s\" is no URL; expected https://host/path?query", text);
        return false;
    }
    if (bad != NULL) {
        (void)sg_usage_error(s->cli, "the URL has %s", bad);
        return false;
    }
    size_t question = sg_str_find(rest, '?');
    struct sg_str before = sg_str_slice(rest, 0, question);
    size_t slash = sg_str_find(before, '/');
    s->host = sg_str_slice(before, 0, slash);
    s->path = sg_str_slice(before, slash, before.n);
    if (sg_str_find(s->host, '@') < s->host.n) {
        (void)sg_usage_error(s->cli, "the URL has a user name before its host; leave it out");
        return false;
    }
    if (s->host.n == 0) {
        (void)sg_usage_error(s->cli, "\"%s\" names no host", text);
        return false;
    }
    enum sg_status status =
        sg_sign_canonical_query(sg_str_slice(rest, question + 1, rest.n), &s->query);
    if (status != SG_OK) {
        (void)sg_usage_error(s->cli, status == SG_MALFORMED
                                         ? "the query has a \"%%\" without two hex digits"
                                         : "the query is too long");
        return false;
    }
    return true;
}

static const struct sg_sign_header *find_header(const struct sign *s, const char *name)
{
    for (size_t i = 0; i < s->header_count; i++) {
        if (sg_str_equal_fold(s->headers[i].name, sg_str_from(name))) {
            return &s->headers[i];
        }
    }
    return NULL;
}

/* A header that is signed unless the caller gave one of that name. */
static bool add_header(struct sign *s, const char *name, struct sg_str value)
{
    if (find_header(s, name) != NULL || value.n == 0) {
        return true;
    }
    if (s->header_count == HEADERS_MAX) {
        (void)sg_usage_error(s->cli, "more than %d headers", HEADERS_MAX);
        return false;
    }
    s->headers[s->header_count++] =
        (struct sg_sign_header){.name = sg_str_from(name), .value = value};
    return true;
}

static bool read_headers(struct sign *s)
{
    for (size_t i = 0; i < s->arguments->value_count; i++) {
        if (strcmp(s->arguments->values[i].option->name, "header") != 0) {
            continue;
        }
        struct sg_str line = sg_str_from(s->arguments->values[i].value);
        size_t colon = sg_str_find(line, ':');
        struct sg_str name = sg_str_slice(line, 0, colon);
        if (colon == line.n || !sg_is_token(name)) {
            (void)sg_usage_error(s->cli, "a --header is not of the form 'Name: value'");
            return false;
        }
        if (sg_str_equal_fold(name, SG_STR("Authorization"))) {
            (void)sg_usage_error(s->cli, "--header Authorization: it is what this verb makes");
            return false;
        }
        if (s->header_count == HEADERS_MAX) {
            (void)sg_usage_error(s->cli, "more than %d headers", HEADERS_MAX);
            return false;
        }
        s->headers[s->header_count++] = (struct sg_sign_header){
            .name = name, .value = sg_str_trim(sg_str_slice(line, colon + 1, line.n))};
    }
    return true;
}

static bool is_date(struct sg_str date)
{
    static const char form[] = "ddddddddTddddddZ";
    for (size_t i = 0; i < date.n && i < sizeof form - 1; i++) {
        bool digit = date.p[i] >= '0' && date.p[i] <= '9';
        if (form[i] == 'd' ? !digit : date.p[i] != form[i]) {
            return false;
        }
    }
    return date.n == sizeof form - 1;
}

static bool choose_date(struct sign *s)
{
    const char *given = sg_option_value(s->arguments, "date", NULL);
    const struct sg_sign_header *header = find_header(s, "X-Sdk-Date");
    if (given != NULL && header != NULL && !sg_str_equal_text(header->value, given)) {
        (void)sg_usage_error(s->cli, "--date and --header X-Sdk-Date are two different dates");
        return false;
    }
    sg_clock_format_sdk_date(sg_clock_realtime_us(&sg_clock_system), s->now);
    s->date = header != NULL  ? header->value
              : given != NULL ? sg_str_from(given)
                              : (struct sg_str){.p = s->now, .n = sizeof s->now};
    if (!is_date(s->date)) {
        (void)sg_usage_error(s->cli, "\"%.*s\" is no date; expected one such as 20191115T033655Z",
                             SG_STR_ARG(s->date));
        return false;
    }
    return add_header(s, "X-Sdk-Date", s->date);
}

static bool read_body(struct sign *s)
{
    const char *path = sg_option_value(s->arguments, "body-file", NULL);
    struct sg_error error;
    if (path == NULL) {
        return true;
    }
    if (sg_text_read_file(&s->arena, path, BODY_BYTES_MAX, &s->body, &error) != SG_OK) {
        (void)sg_usage_error(s->cli, "cannot read the body %s: %s", path, error.text);
        return false;
    }
    return true;
}

/* --- whose key -------------------------------------------------------------------------------- */

/* Print what was found wrong and return the exit status. */
static int print_mistakes(struct sign *s, struct sg_diags *diags, int status)
{
    struct sg_buf text;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_diags_print_text(diags, &text);
    sg_cli_print(s->cli->err, sg_buf_str(&text));
    sg_buf_done(&text);
    return status;
}

/* Find a credential of the snapshot that was loaded from path. */
static int find_credential(struct sign *s, const char *path, const char *name)
{
    const char **names =
        sg_arena_alloc_array(&s->arena, s->snapshot->credential_count + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < s->snapshot->credential_count; i++) {
        const struct sg_credential_settings *settings = s->snapshot->settings.credentials.items;
        names[i] = settings[i].name;
        if (strcmp(names[i], name) == 0) {
            s->credential = &s->snapshot->credentials[i];
        }
    }
    if (s->credential == NULL) {
        const char *nearest =
            names != NULL ? sg_str_nearest(sg_str_from(name), names, s->snapshot->credential_count)
                          : NULL;
        return nearest != NULL
                   ? sg_usage_error(s->cli, "%s has no credential \"%s\"; did you mean \"%s\"?",
                                    path, name, nearest)
                   : sg_usage_error(s->cli, "%s has no credential \"%s\"", path, name);
    }
    /* The configuration was loaded to be looked at: then an environment may be without keys. */
    return s->credential->access_key.n > 0
               ? SG_EXIT_GOOD
               : sg_usage_error(s->cli,
                                "the credential \"%s\" is read from the environment: set "
                                "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK",
                                name);
}

static int take_from_configuration(struct sign *s, const char *name, struct sg_diags *diags)
{
    const char *path = sg_option_value(s->arguments, "config", sg_snapshot_default_path());
    enum sg_status status =
        sg_snapshot_load(path, SG_LOAD_TO_CHECK, &sg_clock_system, diags, &s->snapshot);
    return status == SG_OK ? find_credential(s, path, name)
                           : print_mistakes(s, diags, SG_EXIT_CONFIGURATION);
}

static int take_from_environment(struct sign *s, struct sg_diags *diags)
{
    const struct sg_credential_settings settings = {.name = "environment",
                                                    .source = SG_CREDENTIAL_ENVIRONMENT};
    if (sg_option_count(s->arguments, "config") > 0) {
        return sg_usage_error(s->cli, "--config goes with --credential NAME");
    }
    if (getenv("HUAWEICLOUD_SDK_AK") == NULL || getenv("HUAWEICLOUD_SDK_SK") == NULL) {
        return sg_usage_error(s->cli, "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or use "
                                      "--credential NAME -c FILE");
    }
    if (sg_credential_load(&settings, sg_clock_realtime_us(&sg_clock_system), &s->arena, diags,
                           &s->own) != SG_OK) {
        return print_mistakes(s, diags, SG_EXIT_USAGE);
    }
    s->credential = &s->own;
    return SG_EXIT_GOOD;
}

/* Set s->credential, or return another status than SG_EXIT_GOOD. */
static int choose_key(struct sign *s)
{
    const char *name = sg_option_value(s->arguments, "credential", NULL);
    struct sg_diags *diags = sg_diags_new();
    if (diags == NULL) {
        return sg_usage_error(s->cli, "out of memory");
    }
    int status =
        name != NULL ? take_from_configuration(s, name, diags) : take_from_environment(s, diags);
    sg_diags_free(diags);
    return status;
}

/* --- showing ---------------------------------------------------------------------------------- */

static void print_json(struct sign *s, const struct sg_sign_stages *stages)
{
    struct sg_buf text;
    struct sg_json json;
    sg_buf_init(&text, 4 * TEXT_BYTES_MAX);
    sg_json_init(&json, &text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.sign.1");
    sg_json_string(&json, "canonical_request", sg_buf_str(&stages->canonical_request));
    sg_json_string(&json, "string_to_sign", sg_buf_str(&stages->string_to_sign));
    sg_json_string(&json, "signature", sg_buf_str(&stages->signature));
    sg_json_string(&json, "authorization", sg_buf_str(&stages->authorization));
    sg_json_begin_object(&json, "headers");
    for (size_t i = 0; i < s->header_count; i++) {
        /* A token needs no escapes. */
        const char *name = sg_arena_text(&s->arena, s->headers[i].name);
        if (name != NULL) {
            sg_json_string(&json, name, s->headers[i].value);
        }
    }
    sg_json_string(&json, "Authorization", sg_buf_str(&stages->authorization));
    sg_json_end_object(&json);
    sg_json_end_object(&json);
    sg_buf_add_char(&text, '\n');
    sg_cli_print(s->cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
}

static void print_text(const struct sign *s, const struct sg_sign_stages *stages)
{
    FILE *out = s->cli->out;
    (void)fprintf(out, "canonical request:\n%.*s\n\n",
                  SG_STR_ARG(sg_buf_str(&stages->canonical_request)));
    (void)fprintf(out, "string to sign:\n%.*s\n\n",
                  SG_STR_ARG(sg_buf_str(&stages->string_to_sign)));
    (void)fprintf(out, "signature:\n%.*s\n\n", SG_STR_ARG(sg_buf_str(&stages->signature)));
    (void)fprintf(out, "authorization:\n%.*s\n\nheaders to send:\n",
                  SG_STR_ARG(sg_buf_str(&stages->authorization)));
    for (size_t i = 0; i < s->header_count; i++) {
        (void)fprintf(out, "%.*s: %.*s\n", SG_STR_ARG(s->headers[i].name),
                      SG_STR_ARG(s->headers[i].value));
    }
    (void)fprintf(out, "Authorization: %.*s\n", SG_STR_ARG(sg_buf_str(&stages->authorization)));
}

/* Print the stages, or how they differ from what the cloud made of the request. */
static int show(struct sign *s, const struct sg_sign_stages *stages)
{
    const char *path = sg_option_value(s->arguments, "against", NULL);
    struct sg_str pasted;
    struct sg_error error;
    if (path != NULL) {
        if (sg_text_read_file(&s->arena, path, TEXT_BYTES_MAX, &pasted, &error) != SG_OK) {
            return sg_usage_error(s->cli, "cannot read the answer %s: %s", path, error.text);
        }
        return sg_against(s->cli, sg_buf_str(&stages->canonical_request), pasted);
    }
    if (s->cli->json) {
        print_json(s, stages);
    } else {
        print_text(s, stages);
    }
    return SG_EXIT_GOOD;
}

static int sign_and_print(struct sign *s, enum sg_scheme scheme)
{
    struct sg_sign_stages stages;
    struct sg_error error;
    const struct sg_sign_request request = {
        .method = sg_str_from(s->arguments->items[0]),
        .path = s->path,
        .query = sg_buf_str(&s->query),
        .headers = s->headers,
        .header_count = s->header_count,
        .body = s->body,
    };
    int status = SG_EXIT_USAGE;
    sg_sign_stages_init(&stages);
    struct sg_signer *signer =
        sg_signer_new(scheme, s->credential->access_key, &s->credential->secret_key, &error);
    if (signer == NULL || sg_signer_sign(signer, &request, s->date, &stages, &error) != SG_OK) {
        (void)sg_usage_error(s->cli, "cannot sign: %s", error.text);
    } else {
        status = show(s, &stages);
    }
    sg_signer_free(signer);
    sg_sign_stages_done(&stages);
    return status;
}

/* Why an algorithm is not to be had, with the nearest name that is. */
static int no_algorithm(struct sg_cli *cli, const char *name)
{
    if (sg_scheme_is_known(sg_str_from(name))) {
        return sg_usage_error(cli, "the algorithm \"%s\" is not built yet", name);
    }
    size_t count = 0;
    while (sg_scheme_names[count] != NULL) {
        count++;
    }
    const char *nearest = sg_str_nearest(sg_str_from(name), sg_scheme_names, count);
    return sg_usage_error(cli, "there is no algorithm \"%s\"; %s \"%s\"%s", name,
                          nearest != NULL ? "did you mean" : "expected",
                          nearest != NULL ? nearest : sg_scheme_names[0],
                          nearest != NULL ? "?" : "");
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    struct sign s = {.cli = cli, .arguments = arguments};
    const char *algorithm = sg_option_value(arguments, "algorithm", "SDK-HMAC-SHA256");
    enum sg_scheme scheme;
    if (sg_scheme_find(sg_str_from(algorithm), &scheme) != SG_OK) {
        return no_algorithm(cli, algorithm);
    }
    sg_arena_init(&s.arena, ARENA_BYTES_MAX);
    sg_buf_init(&s.query, TEXT_BYTES_MAX);
    int status = choose_key(&s);
    if (status != SG_EXIT_GOOD) {
        goto out;
    }
    status = SG_EXIT_USAGE;
    if (read_url(&s, arguments->items[1]) && read_headers(&s) && read_body(&s) &&
        add_header(&s, "Host", s.host) && choose_date(&s) &&
        add_header(&s, "X-Project-Id", sg_str_from(getenv("HUAWEICLOUD_SDK_PROJECT_ID"))) &&
        add_header(&s, "X-Security-Token", sg_secret_reveal(&s.credential->security_token))) {
        status = sign_and_print(&s, scheme);
    }
out:
    sg_credential_done(&s.own);
    (void)sg_snapshot_unref(s.snapshot);
    sg_buf_done(&s.query);
    sg_arena_done(&s.arena);
    return status;
}

static const char v11_only[] = "it belongs to V11-HMAC-SHA256, which is not built yet";

static const struct sg_option options[] = {
    {.name = "credential", .argument = "NAME", .summary = "a credential of the configuration"},
    {.name = "config", .letter = 'c', .argument = "FILE", .summary = "the configuration"},
    {.name = "date", .argument = "DATE", .summary = "X-Sdk-Date, such as 20191115T033655Z (now)"},
    {.name = "header",
     .argument = "LINE",
     .repeatable = true,
     .summary = "a header to sign, 'Name: value'; may be repeated"},
    {.name = "body-file", .argument = "FILE", .summary = "the body of the request"},
    {.name = "algorithm", .argument = "NAME", .summary = "the scheme (SDK-HMAC-SHA256)"},
    {.name = "region",
     .argument = "NAME",
     .summary = "region of the signature",
     .not_built = v11_only},
    {.name = "service",
     .argument = "NAME",
     .summary = "service of the signature",
     .not_built = v11_only},
    {.name = "against",
     .argument = "FILE",
     .summary = "first line that differs from an APIGW.0301 answer"},
    {.name = NULL},
};

const struct sg_verb sg_verb_sign = {
    .name = "sign",
    .summary = "sign a request offline and show each stage",
    .usage = "sign METHOD URL [options]",
    .options = options,
    .has_output = true,
    .min_arguments = 2,
    .max_arguments = 2,
    .examples = "  export HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=...\n"
                "  signgate sign GET 'https://live.cn-north-4.myhuaweicloud.com/v1/PROJECT/flows'\n"
                "Keys come from HUAWEICLOUD_SDK_AK, _SK, _SECURITY_TOKEN and _PROJECT_ID, or from\n"
                "--credential.\n",
    .run = run,
};
