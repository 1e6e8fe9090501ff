#include "http/strict.h"

#include <string.h>

#include "base/object.h"
#include "http/bytes.h"

/*
 * A head is judged a line at a time: a line is looked at once, when its CRLF is there. One table of
 * character classes serves requests and answers. Everything that two parsers could read in two ways
 * is refused: bare LF, bare CR, folded lines, space before a colon, a second Content-Length,
 * Content-Length beside Transfer-Encoding, any transfer coding but "chunked" alone.
 *
 * Limits answer as soon as they are passed, whole line or not, so that no byte more is kept than
 * they allow: 414 while the request line is not whole, 431 after it.
 */

/* The length of the run of bytes of a class at the start of s. */
static size_t run_of(struct sg_str s, unsigned class)
{
    size_t count = 0;
    while (count < s.n && sg_http_is(s.p[count], class)) {
        count++;
    }
    return count;
}

bool sg_is_token(struct sg_str s)
{
    return s.n > 0 && run_of(s, SG_HTTP_TOKEN) == s.n;
}

bool sg_list_has_token(struct sg_str list, struct sg_str token)
{
    while (list.n > 0) {
        size_t comma = sg_str_find(list, ',');
        if (sg_str_equal_fold(sg_str_trim(sg_str_slice(list, 0, comma)), token)) {
            return true;
        }
        list = sg_str_slice(list, comma + 1, list.n);
    }
    return false;
}

/* Whether a value is a list of tokens, perhaps with empty elements (RFC 9110 section 5.6.1.2). */
static bool is_token_list(struct sg_str list)
{
    while (list.n > 0) {
        size_t comma = sg_str_find(list, ',');
        struct sg_str element = sg_str_trim(sg_str_slice(list, 0, comma));
        if (element.n > 0 && !sg_is_token(element)) {
            return false;
        }
        list = sg_str_slice(list, comma + 1, list.n);
    }
    return true;
}

/* --- what requests and answers share ---------------------------------------------------------- */

/* Content-Length: digits alone, no leading zero, a number of 64 bits. */

static bool read_length(struct sg_str value, uint64_t *ret)
{
    return (value.n == 1 || (value.n > 1 && value.p[0] != '0')) &&
           sg_str_to_u64(value, UINT64_MAX, ret);
}

/* "HTTP/d.d": true with both digits. */
static bool read_version(struct sg_str text, char *ret_major, char *ret_minor)
{
    if (text.n != 8 || memcmp(text.p, "HTTP/", 5) != 0 || !sg_http_is(text.p[5], SG_HTTP_DIGIT) ||
        text.p[6] != '.' || !sg_http_is(text.p[7], SG_HTTP_DIGIT)) {
        return false;
    }
    *ret_major = text.p[5];
    *ret_minor = text.p[7];
    return true;
}

/* Split a field line; the literal says what is wrong, NULL that nothing is. */
static const char *read_field(struct sg_str line, struct sg_strict_header *ret)
{
    size_t name = run_of(line, SG_HTTP_TOKEN);
    if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
        return "a header line begins with a space: folded headers are refused";
    }
    if (name == 0 || name == line.n || line.p[name] != ':') {
        return "a header line does not begin with a name and a colon";
    }
    for (size_t i = name + 1; i < line.n; i++) {
        if (!sg_http_is_value(line.p[i])) {
            return "a header's value holds a control character";
        }
    }
    *ret = (struct sg_strict_header){
        .name = sg_str_slice(line, 0, name),
        .value = sg_str_trim(sg_str_slice(line, name + 1, line.n)),
    };
    return NULL;
}

/* The next whole line from *line_at on, without its CRLF. */
enum line_kind { LINE_MORE = 0, LINE_WHOLE, LINE_BARE };

static enum line_kind next_line(const char *bytes, size_t count, size_t *line_at, size_t *scan_at,
                                struct sg_str *ret)
{
    const char *end = count > *scan_at ? memchr(bytes + *scan_at, '\n', count - *scan_at) : NULL;
    if (end == NULL) {
        *scan_at = count;
        return LINE_MORE;
    }
    size_t at = (size_t)(end - bytes);
    if (at == *line_at || bytes[at - 1] != '\r') {
        *scan_at = at; /* the LF */
        return LINE_BARE;
    }
    *ret = (struct sg_str){.p = bytes + *line_at, .n = at - 1 - *line_at};
    *line_at = *scan_at = at + 1;
    return LINE_WHOLE;
}

/* --- requests --------------------------------------------------------------------------------- */

void sg_strict_request_init(struct sg_strict_request *head, struct sg_strict_header *headers)
{
    *head = (struct sg_strict_request){.headers = headers};
}

static enum sg_strict_result refuse(struct sg_strict_request *head, enum sg_refusal refusal,
                                    const char *detail)
{
    head->refusal = refusal;
    head->detail = detail;
    return SG_STRICT_BAD;
}

static enum sg_strict_result malformed(struct sg_strict_request *head, const char *detail)
{
    return refuse(head, SG_REFUSAL_BAD_REQUEST, detail);
}

static enum sg_strict_result read_request_line(struct sg_strict_request *head, struct sg_str line,
                                               const struct sg_strict_limits *limits)
{
    size_t method = run_of(line, SG_HTTP_TOKEN);
    if (method == 0 || method == line.n || line.p[method] != ' ') {
        return malformed(head, "the request line does not begin with a method and one space");
    }
    struct sg_str rest = sg_str_slice(line, method + 1, line.n);
    size_t target = sg_str_find(rest, ' ');
    if (target > limits->target_bytes) {
        return refuse(head, SG_REFUSAL_TARGET_TOO_LONG, "the target is longer than the limit");
    }
    if (target == 0 || target == rest.n) {
        return malformed(head, "the request line is not method, target and version with one "
                               "space between");
    }
    char major, minor;
    if (!read_version(sg_str_slice(rest, target + 1, rest.n), &major, &minor)) {
        return malformed(head, "the request line does not end in an HTTP version");
    }
    head->method = sg_str_slice(line, 0, method);
    head->target = sg_str_slice(rest, 0, target);
    head->have_line = true;
    if (major != '1' || minor > '1') {
        return refuse(head, SG_REFUSAL_HTTP_VERSION, "only HTTP/1.0 and HTTP/1.1 are served");
    }
    head->minor = (uint8_t)(minor - '0');
    if (run_of(head->target, SG_HTTP_TARGET) != head->target.n) {
        return malformed(head, "the target holds a character that must be percent-encoded");
    }
    return SG_STRICT_MORE;
}

/* host[:port] (RFC 9112 section 3.2): a name, an address, or an address in brackets. */
static bool is_host(struct sg_str value)
{
    size_t host;
    if (value.n > 0 && value.p[0] == '[') {
        host = sg_str_find(value, ']') + 1;
        if (host > value.n || host < 4) {
            return false;
        }
        for (size_t i = 1; i + 1 < host; i++) {
            if (!sg_http_is(value.p[i], SG_HTTP_HEX) && value.p[i] != ':' && value.p[i] != '.') {
                return false;
            }
        }
    } else {
        host = run_of(value, SG_HTTP_HOST);
    }
    struct sg_str port = sg_str_slice(value, host + 1, value.n);
    uint64_t number;
    return host > 0 && (host == value.n || (value.p[host] == ':' &&
                                            (port.n == 0 || sg_str_to_u64(port, 65535, &number))));
}

static enum sg_strict_result take_host(struct sg_strict_request *head, struct sg_str value)
{
    if (head->host.p != NULL) {
        return malformed(head, "Host stands twice");
    }
    if (!is_host(value)) {
        return malformed(head, "Host is not a host and perhaps a port");
    }
    head->host = value;
    return SG_STRICT_MORE;
}

static enum sg_strict_result take_content_length(struct sg_strict_request *head,
                                                 struct sg_str value)
{
    if (head->has_content_length) {
        return malformed(head, "Content-Length stands twice");
    }
    if (!read_length(value, &head->content_length)) {
        return malformed(head, "Content-Length is not a plain number");
    }
    head->has_content_length = true;
    return SG_STRICT_MORE;
}

static enum sg_strict_result take_transfer_encoding(struct sg_strict_request *head,
                                                    struct sg_str value)
{
    if (head->chunked) {
        return malformed(head, "Transfer-Encoding stands twice");
    }
    if (!sg_str_equal_fold(value, SG_STR("chunked"))) {
        return malformed(head, "Transfer-Encoding is not chunked alone");
    }
    head->chunked = true;
    return SG_STRICT_MORE;
}

static enum sg_strict_result take_content_type(struct sg_strict_request *head, struct sg_str value)
{
    if (head->content_type.p != NULL) {
        return malformed(head, "Content-Type stands twice");
    }
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] >= 0x80) {
            return malformed(head, "Content-Type holds a character that is not ASCII");
        }
    }
    head->content_type = value;
    return SG_STRICT_MORE;
}

/* Fields that frame the request or the connection; all others are only kept. */
static enum sg_strict_result interpret(struct sg_strict_request *head,
                                       const struct sg_strict_header *header, bool *keep_alive)
{
    struct sg_str name = header->name, value = header->value;
    if (sg_str_equal_fold(name, SG_STR("Host"))) {
        return take_host(head, value);
    }
    if (sg_str_equal_fold(name, SG_STR("Content-Length"))) {
        return take_content_length(head, value);
    }
    if (sg_str_equal_fold(name, SG_STR("Transfer-Encoding"))) {
        return take_transfer_encoding(head, value);
    }
    if (sg_str_equal_fold(name, SG_STR("Content-Type"))) {
        return take_content_type(head, value);
    }
    if (sg_str_equal_fold(name, SG_STR("Connection"))) {
        if (!is_token_list(value)) {
            return malformed(head, "Connection is not a list of names");
        }
        head->close = head->close || sg_list_has_token(value, SG_STR("close"));
        *keep_alive = *keep_alive || sg_list_has_token(value, SG_STR("keep-alive"));
    }
    return SG_STRICT_MORE;
}

/* The head is whole: what can only be judged then, in the order of the product. */
static enum sg_strict_result finish_request(struct sg_strict_request *head,
                                            const struct sg_strict_limits *limits)
{
    bool keep_alive = false, expectation = false, unknown_expectation = false;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct sg_strict_header *header = &head->headers[i];
        if (interpret(head, header, &keep_alive) == SG_STRICT_BAD) {
            return SG_STRICT_BAD;
        }
        if (sg_str_equal_fold(header->name, SG_STR("Expect"))) {
            unknown_expectation = unknown_expectation || expectation ||
                                  !sg_str_equal_fold(header->value, SG_STR("100-continue"));
            expectation = true;
        }
    }
    if (head->chunked && head->has_content_length) {
        return malformed(head, "Content-Length stands beside Transfer-Encoding");
    }
    if (head->chunked && head->minor == 0) {
        return malformed(head, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (head->minor == 1 && head->host.p == NULL) {
        return malformed(head, "Host is missing");
    }
    if (limits->body_bytes > 0 && head->content_length > limits->body_bytes) {
        return refuse(head, SG_REFUSAL_BODY_TOO_LARGE, "the body is larger than the limit");
    }
    if (head->minor == 1 && unknown_expectation) {
        return refuse(head, SG_REFUSAL_EXPECTATION_FAILED,
                      "only \"Expect: 100-continue\" is understood");
    }
    head->expect_continue = head->minor == 1 && expectation;
    head->close = head->close || (head->minor == 0 && !keep_alive);
    return SG_STRICT_DONE;
}

static enum sg_strict_result take_request_line_or_field(struct sg_strict_request *head,
                                                        struct sg_str line,
                                                        const struct sg_strict_limits *limits)
{
    if (!head->have_line) {
        return read_request_line(head, line, limits);
    }
    if (head->header_count >= limits->headers || head->header_count >= SG_STRICT_HEADERS_MAX) {
        return refuse(head, SG_REFUSAL_HEADERS_TOO_LARGE, "there are more headers than the limit");
    }
    const char *wrong = read_field(line, &head->headers[head->header_count]);
    if (wrong != NULL) {
        return malformed(head, wrong);
    }
    head->header_count++;
    return SG_STRICT_MORE;
}

/* A request line that is not whole yet, or will never be. */
static enum sg_strict_result judge_partial(struct sg_strict_request *head, const char *bytes,
                                           size_t count, const struct sg_strict_limits *limits)
{
    if (!head->have_line) {
        struct sg_str line = {.p = bytes, .n = count};
        size_t method = run_of(line, SG_HTTP_TOKEN);
        enum { METHOD_BYTES_MAX = 64 };
        if (method < count && (method == 0 || bytes[method] != ' ')) {
            return malformed(head, "the request line does not begin with a method and one space");
        }
        if (method > METHOD_BYTES_MAX) {
            return malformed(head, "the method is too long");
        }
        struct sg_str rest = sg_str_slice(line, method + 1, count);
        if (sg_str_find(rest, ' ') > limits->target_bytes) {
            return refuse(head, SG_REFUSAL_TARGET_TOO_LONG, "the target is longer than the limit");
        }
    }
    /* The empty line that ends the head does not count. */
    bool ending = count == head->line_at + 1 && bytes[head->line_at] == '\r';
    if (count > limits->header_bytes && count > head->line_at && !ending) {
        return refuse(head, SG_REFUSAL_HEADERS_TOO_LARGE, "the head is larger than the limit");
    }
    return SG_STRICT_MORE;
}

/*
 * Fill the table of fields from a head that is known to be good. Needed when the head came in more
 * than one feed: its bytes may have moved since, and the table is often shared by many connections.
 */
static void collect_fields(struct sg_str head, struct sg_strict_header *headers, size_t count)
{
    size_t at = sg_str_find(head, '\n') + 1;
    for (size_t i = 0; i < count; i++) {
        struct sg_str rest = sg_str_slice(head, at, head.n);
        size_t end = sg_str_find(rest, '\n');
        SG_ASSERT(end > 0 && read_field(sg_str_slice(rest, 0, end - 1), &headers[i]) == NULL);
        at += end + 1;
    }
}

/* Point method and target into the present bytes. */
static void point_at_line(struct sg_strict_request *head, const char *bytes)
{
    if (head->have_line) {
        head->method = (struct sg_str){.p = bytes, .n = head->method.n};
        head->target = (struct sg_str){.p = bytes + head->method.n + 1, .n = head->target.n};
    }
}

enum sg_strict_result sg_strict_request_feed(struct sg_strict_request *head, const char *bytes,
                                             size_t count, const struct sg_strict_limits *limits)
{
    point_at_line(head, bytes);
    for (;;) {
        struct sg_str line;
        switch (next_line(bytes, count, &head->line_at, &head->scan_at, &line)) {
        case LINE_MORE:
            head->resumed = true;
            return judge_partial(head, bytes, count, limits);
        case LINE_BARE:
            /* A limit that is passed before the LF would have answered before it came. */
            if (judge_partial(head, bytes, head->scan_at, limits) == SG_STRICT_BAD) {
                return SG_STRICT_BAD;
            }
            return malformed(head, "a line ends in LF without CR");
        case LINE_WHOLE:
            break;
        }
        if (!head->have_line) {
            enum sg_strict_result result = judge_partial(head, bytes, head->line_at, limits);
            if (result == SG_STRICT_BAD) {
                return result;
            }
        }
        if (line.n > 0 && head->line_at > limits->header_bytes) {
            return refuse(head, SG_REFUSAL_HEADERS_TOO_LARGE, "the head is larger than the limit");
        }
        if (head->have_line && line.n == 0) {
            head->head_bytes = head->line_at;
            if (head->resumed) {
                collect_fields((struct sg_str){.p = bytes, .n = head->head_bytes}, head->headers,
                               head->header_count);
            }
            return finish_request(head, limits);
        }
        if (take_request_line_or_field(head, line, limits) == SG_STRICT_BAD) {
            return SG_STRICT_BAD;
        }
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

void sg_strict_response_init(struct sg_strict_response *head, struct sg_strict_header *headers)
{
    *head = (struct sg_strict_response){.headers = headers};
}

static enum sg_strict_result bad_answer(struct sg_strict_response *head, const char *detail)
{
    head->detail = detail;
    return SG_STRICT_BAD;
}

/* HTTP/1.x SP 3DIGIT [SP reason] (RFC 9112 section 4; without the space is tolerated). */
static enum sg_strict_result read_status_line(struct sg_strict_response *head, struct sg_str line)
{
    char major, minor;
    uint64_t status;
    if (!read_version(sg_str_slice(line, 0, 8), &major, &minor) || major != '1' || minor > '1') {
        return bad_answer(head, "the answer does not begin with HTTP/1.0 or HTTP/1.1");
    }
    if (line.n < 12 || line.p[8] != ' ' ||
        !sg_str_to_u64(sg_str_slice(line, 9, 12), 999, &status) || status < 100 || status > 599 ||
        (line.n > 12 && line.p[12] != ' ')) {
        return bad_answer(head, "the answer's status is not three digits from 100 to 599");
    }
    for (size_t i = 12; i < line.n; i++) {
        if (!sg_http_is_value(line.p[i])) {
            return bad_answer(head, "the answer's reason holds a control character");
        }
    }
    head->status = (unsigned)status;
    head->minor = (uint8_t)(minor - '0');
    head->have_line = true;
    return SG_STRICT_MORE;
}

static enum sg_strict_result finish_response(struct sg_strict_response *head)
{
    bool keep_alive = false;
    for (size_t i = 0; i < head->header_count; i++) {
        struct sg_str name = head->headers[i].name, value = head->headers[i].value;
        if (sg_str_equal_fold(name, SG_STR("Content-Length"))) {
            if (head->has_content_length) {
                return bad_answer(head, "the answer has two Content-Length");
            }
            if (!read_length(value, &head->content_length)) {
                return bad_answer(head, "the answer's Content-Length is not a plain number");
            }
            head->has_content_length = true;
        } else if (sg_str_equal_fold(name, SG_STR("Transfer-Encoding"))) {
            if (head->chunked || !sg_str_equal_fold(value, SG_STR("chunked"))) {
                return bad_answer(head, "the answer's Transfer-Encoding is not chunked alone");
            }
            head->chunked = true;
        } else if (sg_str_equal_fold(name, SG_STR("Connection"))) {
            head->close = head->close || sg_list_has_token(value, SG_STR("close"));
            keep_alive = keep_alive || sg_list_has_token(value, SG_STR("keep-alive"));
        }
    }
    if (head->chunked && head->has_content_length) {
        return bad_answer(head, "the answer has Content-Length beside Transfer-Encoding");
    }
    if (head->chunked && head->minor == 0) {
        return bad_answer(head, "the answer is HTTP/1.0 with Transfer-Encoding");
    }
    head->close = head->close || (head->minor == 0 && !keep_alive);
    return SG_STRICT_DONE;
}

enum sg_strict_result sg_strict_response_feed(struct sg_strict_response *head, const char *bytes,
                                              size_t count, const struct sg_strict_limits *limits)
{
    for (;;) {
        struct sg_str line;
        switch (next_line(bytes, count, &head->line_at, &head->scan_at, &line)) {
        case LINE_MORE:
            head->resumed = true;
            return count > limits->header_bytes
                       ? bad_answer(head, "the answer's head is larger than the limit")
                       : SG_STRICT_MORE;
        case LINE_BARE:
            return bad_answer(head, "a line of the answer's head ends in LF without CR");
        case LINE_WHOLE:
            break;
        }
        if (head->line_at > limits->header_bytes) {
            return bad_answer(head, "the answer's head is larger than the limit");
        }
        if (!head->have_line) {
            if (read_status_line(head, line) == SG_STRICT_BAD) {
                return SG_STRICT_BAD;
            }
            continue;
        }
        if (line.n == 0) {
            head->head_bytes = head->line_at;
            if (head->resumed) {
                collect_fields((struct sg_str){.p = bytes, .n = head->head_bytes}, head->headers,
                               head->header_count);
            }
            return finish_response(head);
        }
        if (head->header_count >= limits->headers || head->header_count >= SG_STRICT_HEADERS_MAX) {
            return bad_answer(head, "the answer has more headers than the limit");
        }
        if (read_field(line, &head->headers[head->header_count]) != NULL) {
            return bad_answer(head, "a header line of the answer is malformed");
        }
        head->header_count++;
    }
}

/* --- chunked bodies --------------------------------------------------------------------------- */

enum chunk_state {
    SIZE = 0,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    END_CR, /* or the start of a trailer */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    WHOLE,
};

enum { CHUNK_DIGITS_MAX = 8 };

void sg_strict_chunked_init(struct sg_strict_chunked *body)
{
    *body = (struct sg_strict_chunked){.state = SIZE};
}

void sg_strict_chunked_init_answer(struct sg_strict_chunked *body)
{
    *body = (struct sg_strict_chunked){.state = SIZE, .drops_trailers = true};
}

static enum sg_strict_result bad_chunk(struct sg_strict_chunked *body, const char *detail)
{
    body->refusal = SG_REFUSAL_BAD_REQUEST;
    body->detail = detail;
    return SG_STRICT_BAD;
}

/* A byte of a chunk's size line up to its CR. */
static enum sg_strict_result take_size_byte(struct sg_strict_chunked *body, char c,
                                            uint64_t max_bytes)
{
    if (sg_http_is(c, SG_HTTP_HEX)) {
        unsigned digit = sg_http_is(c, SG_HTTP_DIGIT) ? (unsigned)(c - '0')
                                                      : (unsigned)(sg_ascii_lower(c) - 'a' + 10);
        if (++body->digits > CHUNK_DIGITS_MAX) {
            return bad_chunk(body, "a chunk size has more than 8 digits");
        }
        body->left = body->left * 16 + digit;
        return SG_STRICT_MORE;
    }
    if (c != '\r' || body->digits == 0) {
        return bad_chunk(body, "a chunk size is not hex digits alone");
    }
    if (max_bytes > 0 && body->left > max_bytes - body->total) {
        body->refusal = SG_REFUSAL_BODY_TOO_LARGE;
        body->detail = "the body is larger than the limit";
        return SG_STRICT_BAD;
    }
    body->total += body->left;
    body->state = SIZE_LF;
    return SG_STRICT_MORE;
}

static enum sg_strict_result expect_byte(struct sg_strict_chunked *body, char c, char expected,
                                         enum chunk_state next, const char *detail)
{
    if (c != expected) {
        return bad_chunk(body, detail);
    }
    body->state = (uint8_t)next;
    return SG_STRICT_MORE;
}

/* A byte behind the last chunk, of trailers or of the line that ends them. */
static enum sg_strict_result take_trailer_byte(struct sg_strict_chunked *body, char c)
{
    if (++body->trailer_bytes > SG_STRICT_TRAILER_BYTES) {
        return bad_chunk(body, "the trailers are longer than the limit");
    }
    switch ((enum chunk_state)body->state) {
    case END_CR:
        if (c == '\r') {
            body->state = END_LF;
        } else if (body->drops_trailers && sg_http_is(c, SG_HTTP_TOKEN)) {
            body->state = TRAILER_NAME;
        } else {
            return bad_chunk(body, "trailers are refused");
        }
        break;
    case TRAILER_NAME:
        if (c == ':') {
            body->state = TRAILER_VALUE;
        } else if (!sg_http_is(c, SG_HTTP_TOKEN)) {
            return bad_chunk(body, "a trailer does not begin with a name and a colon");
        }
        break;
    case TRAILER_VALUE:
        if (c == '\r') {
            body->state = TRAILER_LF;
        } else if (!sg_http_is_value(c)) {
            return bad_chunk(body, "a trailer's value holds a control character");
        }
        break;
    case TRAILER_LF:
        return expect_byte(body, c, '\n', END_CR, "a trailer does not end in CRLF");
    case END_LF:
        return expect_byte(body, c, '\n', WHOLE, "the last chunk does not end in CRLF");
    case SIZE:
    case SIZE_LF:
    case DATA:
    case DATA_CR:
    case DATA_LF:
    case WHOLE:
        break;
    }
    return SG_STRICT_MORE;
}

enum sg_strict_result sg_strict_chunked_feed(struct sg_strict_chunked *body, const char *bytes,
                                             size_t count, uint64_t max_bytes, size_t *ret_used,
                                             struct sg_str *ret_data)
{
    enum sg_strict_result result = SG_STRICT_MORE;
    size_t used = 0;
    *ret_data = (struct sg_str){.p = bytes};
    while (used < count && result == SG_STRICT_MORE && body->state != WHOLE) {
        char c = bytes[used];
        if (body->state == DATA) {
            size_t run = count - used;
            if (run > body->left) {
                run = (size_t)body->left;
            }
            *ret_data = (struct sg_str){.p = bytes + used, .n = run};
            used += run;
            body->left -= run;
            body->state = body->left == 0 ? DATA_CR : DATA;
            break; /* one run a call */
        }
        switch ((enum chunk_state)body->state) {
        case SIZE:
            result = take_size_byte(body, c, max_bytes);
            break;
        case SIZE_LF:
            result = expect_byte(body, c, '\n', body->left > 0 ? DATA : END_CR,
                                 "a chunk size line does not end in CRLF");
            body->digits = 0;
            break;
        case DATA_CR:
            result = expect_byte(body, c, '\r', DATA_LF, "a chunk does not end in CRLF");
            break;
        case DATA_LF:
            result = expect_byte(body, c, '\n', SIZE, "a chunk does not end in CRLF");
            break;
        case END_CR:
        case TRAILER_NAME:
        case TRAILER_VALUE:
        case TRAILER_LF:
        case END_LF:
            result = take_trailer_byte(body, c);
            break;
        case DATA:
        case WHOLE:
            break;
        }
        used++;
    }
    *ret_used = used;
    return result == SG_STRICT_BAD ? result
           : body->state == WHOLE  ? SG_STRICT_DONE
                                   : SG_STRICT_MORE;
}
