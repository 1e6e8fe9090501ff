/* sign: sign one request offline and show each stage. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/cli.h"
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
    struct sg_str access_key;
    struct sg_secret secret_key;
    struct sg_str security_token;
    struct sg_snapshot *snapshot; /* whose credential is used; or NULL */
};

/* --- what is signed ------------------------------------------------------------------------------
 */

static bool read_url(struct sign *s, const char *text)
{
    struct sg_str rest = sg_str_from(text);
    if (sg_str_starts_with(rest, SG_STR("https://"))) {
        rest = sg_str_slice(rest, 8, rest.n);
    } else if (sg_str_starts_with(rest, SG_STR("http://"))) {
        rest = sg_str_slice(rest, 7, rest.n);
    } else {
        (void)sg_usage_error(s->cli, "\"%s\" is no URL; expected https://host/path?query", text);
        return false;
    }
    if (sg_str_find(rest, '#') < rest.n) {
        (void)sg_usage_error(s->cli, "a URL to sign has no fragment (\"#\")");
        return false;
    }
    size_t question = sg_str_find(rest, '?');
    struct sg_str before = sg_str_slice(rest, 0, question);
    size_t slash = sg_str_find(before, '/');
    s->host = sg_str_slice(before, 0, slash);
    s->path = sg_str_slice(before, slash, before.n);
    if (s->path.n == 0) {
        s->path = SG_STR("/");
    }
    if (s->host.n == 0) {
        (void)sg_usage_error(s->cli, "\"%s\" names no host", text);
        return false;
    }
    if (sg_sign_canonical_query(sg_str_slice(rest, question + 1, rest.n), &s->query) != SG_OK) {
        (void)sg_usage_error(s->cli, "the query of \"%s\" has a \"%%\" without two hex digits",
                             text);
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
        if (colon == line.n || colon == 0) {
            (void)sg_usage_error(s->cli, "--header \"%.*s\" is not \"Name: value\"",
                                 SG_STR_ARG(line));
            return false;
        }
        if (s->header_count == HEADERS_MAX) {
            (void)sg_usage_error(s->cli, "more than %d headers", HEADERS_MAX);
            return false;
        }
        s->headers[s->header_count++] = (struct sg_sign_header){
            .name = sg_str_slice(line, 0, colon), .value = sg_str_slice(line, colon + 1, line.n)};
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
    if (given != NULL && header != NULL) {
        (void)sg_usage_error(s->cli, "the date is given twice: --date and --header X-Sdk-Date");
        return false;
    }
    sg_clock_format_sdk_date(sg_clock_realtime_us(&sg_clock_system), s->now);
    s->date = header != NULL  ? sg_str_trim(header->value)
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

/* --- whose key
 * ------------------------------------------------------------------------------------- */

static bool take_from_configuration(struct sign *s, const char *name)
{
    const char *path = sg_option_value(s->arguments, "config", sg_snapshot_default_path());
    struct sg_diags *diags = sg_diags_new();
    struct sg_buf text;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    bool good = diags != NULL && sg_snapshot_load(path, SG_LOAD_TO_SERVE, &sg_clock_system, diags,
                                                  &s->snapshot) == SG_OK;
    if (!good && diags != NULL) {
        sg_diags_print_text(diags, &text);
        (void)fwrite(text.p, 1, text.n, s->cli->err);
    }
    sg_buf_done(&text);
    sg_diags_free(diags);
    for (size_t i = 0; good && i < s->snapshot->credential_count; i++) {
        const struct sg_credential *credential = &s->snapshot->credentials[i];
        if (sg_str_equal_text(credential->name, name)) {
            s->access_key = credential->access_key;
            s->security_token = sg_secret_reveal(&credential->security_token);
            return sg_secret_set(&s->secret_key, sg_secret_reveal(&credential->secret_key)) ==
                   SG_OK;
        }
    }
    if (good) {
        (void)sg_usage_error(s->cli, "%s has no credential \"%s\"", path, name);
    }
    return false;
}

static bool choose_key(struct sign *s)
{
    const char *name = sg_option_value(s->arguments, "credential", NULL);
    if (name != NULL) {
        return take_from_configuration(s, name);
    }
    if (sg_option_count(s->arguments, "config") > 0) {
        (void)sg_usage_error(s->cli, "--config goes with --credential NAME");
        return false;
    }
    const char *access_key = getenv("HUAWEICLOUD_SDK_AK");
    const char *secret_key = getenv("HUAWEICLOUD_SDK_SK");
    if (access_key == NULL || secret_key == NULL || access_key[0] == '\0' ||
        secret_key[0] == '\0') {
        (void)sg_usage_error(s->cli, "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or use "
                                     "--credential NAME -c FILE");
        return false;
    }
    s->access_key = sg_str_from(access_key);
    s->security_token = sg_str_from(getenv("HUAWEICLOUD_SDK_SECURITY_TOKEN"));
    return sg_secret_set(&s->secret_key, sg_str_from(secret_key)) == SG_OK;
}

/* --- showing
 * ------------------------------------------------------------------------------------------ */

static void print_json(const struct sign *s, const struct sg_sign_stages *stages)
{
    struct sg_buf text;
    struct sg_json json;
    sg_buf_init(&text, 4 * TEXT_BYTES_MAX);
    sg_json_init(&json, &text);
    sg_json_begin_object(&json, NULL);
    sg_json_string(&json, "canonical_request", sg_buf_str(&stages->canonical_request));
    sg_json_string(&json, "string_to_sign", sg_buf_str(&stages->string_to_sign));
    sg_json_string(&json, "signature", sg_buf_str(&stages->signature));
    sg_json_string(&json, "authorization", sg_buf_str(&stages->authorization));
    sg_json_begin_object(&json, "headers");
    for (size_t i = 0; i < s->header_count; i++) {
        char *name = sg_arena_text((struct sg_arena *)(uintptr_t)&s->arena, s->headers[i].name);
        if (name != NULL) {
            sg_json_string(&json, name, sg_str_trim(s->headers[i].value));
        }
    }
    sg_json_string(&json, "Authorization", sg_buf_str(&stages->authorization));
    sg_json_end_object(&json);
    sg_json_end_object(&json);
    sg_buf_add_char(&text, '\n');
    (void)fwrite(text.p, 1, text.n, s->cli->out);
    sg_buf_done(&text);
}

static void print_text(const struct sign *s, const struct sg_sign_stages *stages)
{
    FILE *out = s->cli->out;
    (void)fprintf(out, "canonical request:\n%.*s\n\n",
                  SG_STR_ARG(sg_buf_str(&stages->canonical_request)));
    (void)fprintf(out, "string to sign:\n%.*s\n\n",
                  SG_STR_ARG(sg_buf_str(&stages->string_to_sign)));
    (void)fprintf(out, "signature:\n%.*s\n\nheaders to send:\n",
                  SG_STR_ARG(sg_buf_str(&stages->signature)));
    for (size_t i = 0; i < s->header_count; i++) {
        struct sg_str value = sg_str_trim(s->headers[i].value);
        (void)fprintf(out, "%.*s: %.*s\n", SG_STR_ARG(s->headers[i].name), SG_STR_ARG(value));
    }
    (void)fprintf(out, "Authorization: %.*s\n", SG_STR_ARG(sg_buf_str(&stages->authorization)));
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
    struct sg_signer *signer = sg_signer_new(scheme, s->access_key, &s->secret_key, &error);
    if (signer == NULL || sg_signer_sign(signer, &request, s->date, &stages, &error) != SG_OK) {
        (void)sg_usage_error(s->cli, "cannot sign: %s", error.text);
    } else {
        if (s->cli->json) {
            print_json(s, &stages);
        } else {
            print_text(s, &stages);
        }
        status = SG_EXIT_GOOD;
    }
    sg_signer_free(signer);
    sg_sign_stages_done(&stages);
    return status;
}

static int run(struct sg_cli *cli, const struct sg_arguments *arguments)
{
    struct sign s = {.cli = cli, .arguments = arguments};
    const char *algorithm = sg_option_value(arguments, "algorithm", "SDK-HMAC-SHA256");
    enum sg_scheme scheme;
    if (sg_scheme_find(sg_str_from(algorithm), &scheme) != SG_OK) {
        size_t count = 0;
        while (sg_scheme_names[count] != NULL && strcmp(sg_scheme_names[count], algorithm) != 0) {
            count++;
        }
        return sg_usage_error(cli, "%s \"%s\"%s; expected SDK-HMAC-SHA256",
                              sg_scheme_names[count] != NULL ? "the algorithm"
                                                             : "there is no algorithm",
                              algorithm, sg_scheme_names[count] != NULL ? " is not built yet" : "");
    }
    sg_arena_init(&s.arena, ARENA_BYTES_MAX);
    sg_buf_init(&s.query, TEXT_BYTES_MAX);
    bool good = choose_key(&s) && read_url(&s, arguments->items[1]) && read_headers(&s) &&
                read_body(&s) && add_header(&s, "Host", s.host) && choose_date(&s) &&
                add_header(&s, "X-Project-Id", sg_str_from(getenv("HUAWEICLOUD_SDK_PROJECT_ID"))) &&
                add_header(&s, "X-Security-Token", s.security_token);
    int status = good ? sign_and_print(&s, scheme) : SG_EXIT_USAGE;
    sg_secret_done(&s.secret_key);
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
     .argument = "'NAME: VALUE'",
     .repeatable = true,
     .summary = "a header to sign; may be repeated"},
    {.name = "body-file", .argument = "FILE", .summary = "the body"},
    {.name = "algorithm", .argument = "NAME", .summary = "the scheme (SDK-HMAC-SHA256)"},
    {.name = "region", .argument = "NAME", .summary = "region", .not_built = v11_only},
    {.name = "service", .argument = "NAME", .summary = "service", .not_built = v11_only},
    {.name = "against",
     .argument = "FILE",
     .summary = "compare with a pasted APIGW.0301 answer",
     .not_built = "comparing with an answer is not built yet"},
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
