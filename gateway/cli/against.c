#include "cli/against.h"

#include <string.h>

#include "base/buf.h"
#include "text/json_out.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

/* The answer's canonical request with "|" between its lines; false when there is none. */
static bool find_theirs(struct sg_str pasted, struct sg_buf *ret)
{
    static const char mark[] = "canonicalRequest:";
    const char *at = pasted.n > 0 ? memmem(pasted.p, pasted.n, mark, sizeof mark - 1) : NULL;
    if (at == NULL) {
        return false;
    }
    struct sg_str rest = sg_str_slice(pasted, (size_t)(at - pasted.p) + sizeof mark - 1, pasted.n);
    for (size_t i = 0; i < rest.n && rest.p[i] != '"'; i++) {
        char c = rest.p[i];
        if (c == '\\' && i + 1 < rest.n) { /* a JSON escape: a line end, or the character itself */
            c = rest.p[++i];
            sg_buf_add_char(ret, c == 'n' ? '|' : c);
        } else if (c == '\n') {
            sg_buf_add_char(ret, '|');
        } else if (c != '\r') {
            sg_buf_add_char(ret, c);
        }
    }
    while (ret->n > 0 && (ret->p[ret->n - 1] == '|' || ret->p[ret->n - 1] == ' ')) {
        ret->n--; /* a line end behind what was pasted */
    }
    return !sg_buf_failed(ret);
}

/* The part of a text with "|" between its lines that holds a position. */
static struct sg_str line_around(struct sg_str text, size_t at, size_t *ret_start)
{
    size_t start = at < text.n ? at : text.n, end = start;
    while (start > 0 && text.p[start - 1] != '|') {
        start--;
    }
    while (end < text.n && text.p[end] != '|') {
        end++;
    }
    *ret_start = start;
    return sg_str_slice(text, start, end);
}

static size_t count_lines(struct sg_str text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++) {
        lines += text.p[i] == '|';
    }
    return lines;
}

static void print_json(struct sg_cli *cli, bool same, size_t line, struct sg_str ours,
                       struct sg_str theirs)
{
    struct sg_buf text;
    struct sg_json json;
    sg_buf_init(&text, TEXT_BYTES_MAX);
    sg_json_init(&json, &text);
    sg_json_begin_object(&json, NULL);
    sg_json_text(&json, "schema", "signgate.sign.against.1");
    sg_json_bool(&json, "same", same);
    if (!same) {
        sg_json_u64(&json, "line", line);
        sg_json_string(&json, "ours", ours);
        sg_json_string(&json, "theirs", theirs);
    }
    sg_json_end_object(&json);
    sg_buf_add_char(&text, '\n');
    sg_cli_print(cli->out, sg_buf_str(&text));
    sg_buf_done(&text);
}

static int compare(struct sg_cli *cli, struct sg_str ours, struct sg_str theirs)
{
    size_t at = 0, ours_start, theirs_start;
    while (at < ours.n && at < theirs.n && ours.p[at] == theirs.p[at]) {
        at++;
    }
    bool same = at == ours.n && at == theirs.n;
    struct sg_str our_line = line_around(ours, at, &ours_start);
    struct sg_str their_line = line_around(theirs, at, &theirs_start);
    size_t line = count_lines(sg_str_slice(ours, 0, ours_start));
    if (cli->json) {
        print_json(cli, same, line, our_line, their_line);
    } else if (same) {
        (void)fputs("the canonical requests are the same: the secret key is another one\n",
                    cli->out);
    } else {
        (void)fprintf(cli->out,
                      "first difference, canonical request line %zu of %zu:\n"
                      "  ours    %.*s\n"
                      "  theirs  %.*s\n"
                      "          %*s^\n",
                      line, count_lines(ours), SG_STR_ARG(our_line), SG_STR_ARG(their_line),
                      (int)(at - ours_start), "");
    }
    return same ? SG_EXIT_GOOD : SG_EXIT_FAILED;
}

int sg_against(struct sg_cli *cli, struct sg_str ours, struct sg_str pasted)
{
    struct sg_buf our_text, their_text;
    int status = SG_EXIT_USAGE;
    sg_buf_init(&our_text, TEXT_BYTES_MAX);
    sg_buf_init(&their_text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < ours.n; i++) {
        sg_buf_add_char(&our_text, ours.p[i] == '\n' ? '|' : ours.p[i]);
    }
    if (!find_theirs(pasted, &their_text)) {
        (void)sg_usage_error(cli,
                             "the answer has no \"canonicalRequest:\"; paste the whole body of "
                             "an APIGW.0301 answer into the file");
    } else {
        status = compare(cli, sg_buf_str(&our_text), sg_buf_str(&their_text));
    }
    sg_buf_done(&our_text);
    sg_buf_done(&their_text);
    return status;
}
