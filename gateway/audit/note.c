#include "audit/note.h"

#include <string.h>

#include "text/encode.h"

enum { HEAD_DIGITS = 44, SIGNATURE_DIGITS = 92, NUMBER_DIGITS = 20, ALGORITHM_ED25519 = 1 };

/* An em dash and a space begin a line with a signature. */
#define DASH "\xe2\x80\x94 "

/* --- key ids ---------------------------------------------------------------------------------- */

enum sg_status sg_note_key_id(const char *stream,
                              const unsigned char public_key[SG_ED25519_PUBLIC_BYTES],
                              unsigned char ret[SG_NOTE_KEY_ID_BYTES])
{
    char bytes[128];
    unsigned char hash[SG_DIGEST_BYTES];
    const unsigned char algorithm[] = {'\n', ALGORITHM_ED25519};
    struct sg_error error;
    struct sg_buf text;
    struct sg_digest *digest = sg_digest_new(SG_DIGEST_SHA256, &error);
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    sg_buf_add_text(&text, SG_NOTE_ORIGIN);
    sg_buf_add_text(&text, stream);
    sg_buf_add(&text, algorithm, sizeof algorithm);
    sg_buf_add(&text, public_key, SG_ED25519_PUBLIC_BYTES);
    enum sg_status status = digest == NULL || sg_buf_failed(&text)
                                ? SG_INTERNAL
                                : sg_digest_run(digest, sg_buf_str(&text), hash);
    if (status == SG_OK) {
        memcpy(ret, hash, SG_NOTE_KEY_ID_BYTES);
    }
    sg_digest_free(digest);
    return status;
}

/* --- making ----------------------------------------------------------------------------------- */

static enum sg_status add_signature(const struct sg_note *note, struct sg_str text,
                                    const struct sg_ed25519_private *key, struct sg_buf *out)
{
    unsigned char public_key[SG_ED25519_PUBLIC_BYTES];
    unsigned char bytes[SG_NOTE_KEY_ID_BYTES + SG_ED25519_SIGNATURE_BYTES];
    sg_ed25519_private_public(key, public_key);
    enum sg_status status = sg_note_key_id(note->stream, public_key, bytes);
    if (status == SG_OK) {
        status = sg_ed25519_sign(key, text, bytes + SG_NOTE_KEY_ID_BYTES);
    }
    sg_buf_add_text(out, DASH SG_NOTE_ORIGIN);
    sg_buf_add_text(out, note->stream);
    sg_buf_add_char(out, ' ');
    sg_base64_encode(out, (struct sg_str){.p = (const char *)bytes, .n = sizeof bytes});
    sg_buf_add_char(out, '\n');
    return status;
}

enum sg_status sg_note_make(const struct sg_note *note,
                            const struct sg_ed25519_private *const *keys, size_t key_count,
                            struct sg_buf *out)
{
    const size_t before = out->n;
    unsigned char head[SG_DIGEST_BYTES];
    char bytes[SG_NOTE_BYTES_MAX];
    struct sg_buf text;
    enum sg_status status = SG_OK;
    if (key_count == 0 || key_count > SG_NOTE_SIGNATURES_MAX || note->time_s < 0 ||
        !sg_hex_decode((struct sg_str){.p = note->hash, .n = sizeof note->hash}, head,
                       sizeof head)) {
        return SG_INTERNAL;
    }
    sg_buf_init_fixed(&text, bytes, sizeof bytes);
    sg_buf_add_text(&text, SG_NOTE_ORIGIN);
    sg_buf_add_text(&text, note->stream);
    sg_buf_add_char(&text, '\n');
    sg_buf_add_u64(&text, note->epoch);
    sg_buf_add_char(&text, ' ');
    sg_buf_add_u64(&text, note->seq);
    sg_buf_add_char(&text, '\n');
    sg_base64_encode(&text, (struct sg_str){.p = (const char *)head, .n = sizeof head});
    sg_buf_add_char(&text, '\n');
    sg_buf_add_i64(&text, note->time_s);
    sg_buf_add_char(&text, '\n');
    sg_buf_add(&text, note->previous, sizeof note->previous);
    sg_buf_add_char(&text, '\n');
    sg_buf_add_str(out, sg_buf_str(&text));
    sg_buf_add_char(out, '\n');
    for (size_t i = 0; i < key_count && status == SG_OK; i++) {
        status = add_signature(note, sg_buf_str(&text), keys[i], out);
    }
    if (status == SG_OK && (sg_buf_failed(&text) || sg_buf_failed(out))) {
        status = sg_buf_failed(&text) ? SG_INTERNAL : SG_NO_MEMORY;
    }
    if (status != SG_OK) {
        out->n = before;
    }
    return status;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Take a line with its LF off the front; false when there is none that is whole. */
static bool take_line(struct sg_str *rest, struct sg_str *ret)
{
    size_t end = sg_str_find(*rest, '\n');
    if (end == rest->n) {
        return false;
    }
    *ret = sg_str_slice(*rest, 0, end);
    *rest = sg_str_slice(*rest, end + 1, rest->n);
    return true;
}

static bool skip(struct sg_str *rest, struct sg_str literal)
{
    if (!sg_str_starts_with(*rest, literal)) {
        return false;
    }
    *rest = sg_str_slice(*rest, literal.n, rest->n);
    return true;
}

/* A number in its one spelling: no leading zeros. */
static bool read_number(struct sg_str text, uint64_t max, uint64_t *ret)
{
    return text.n <= NUMBER_DIGITS && (text.n == 1 || !sg_str_starts_with(text, SG_STR("0"))) &&
           sg_str_to_u64(text, max, ret);
}

static bool is_lower_hex(struct sg_str text, size_t digits)
{
    for (size_t i = 0; i < text.n; i++) {
        if (sg_hex_value(text.p[i]) < 0 || (text.p[i] >= 'A' && text.p[i] <= 'F')) {
            return false;
        }
    }
    return text.n == digits;
}

/* Bytes of a size that is known from base64. */
static bool read_base64(struct sg_str text, size_t digits, unsigned char *bytes, size_t size)
{
    struct sg_buf out;
    sg_buf_init_fixed(&out, (char *)bytes, size);
    return text.n == digits && sg_base64_decode(&out, text) && out.n == size;
}

static bool parse_text(struct sg_str *rest, struct sg_note *ret)
{
    struct sg_str origin, position, head, time, previous;
    unsigned char hash[SG_DIGEST_BYTES];
    uint64_t time_s;
    if (!take_line(rest, &origin) || !take_line(rest, &position) || !take_line(rest, &head) ||
        !take_line(rest, &time) || !take_line(rest, &previous) ||
        !skip(&origin, SG_STR(SG_NOTE_ORIGIN)) || !is_lower_hex(origin, SG_CHAIN_STREAM_BYTES)) {
        return false;
    }
    size_t space = sg_str_find(position, ' ');
    if (!read_number(sg_str_slice(position, 0, space), UINT64_MAX, &ret->epoch) ||
        !read_number(sg_str_slice(position, space + 1, position.n), UINT64_MAX, &ret->seq) ||
        !read_base64(head, HEAD_DIGITS, hash, sizeof hash) ||
        !read_number(time, INT64_MAX, &time_s) || !is_lower_hex(previous, SG_DIGEST_HEX_BYTES)) {
        return false;
    }
    struct sg_buf hex;
    sg_buf_init_fixed(&hex, ret->hash, sizeof ret->hash);
    sg_buf_add_hex(&hex, hash, sizeof hash);
    memcpy(ret->stream, origin.p, origin.n);
    ret->stream[origin.n] = '\0';
    ret->time_s = (int64_t)time_s;
    memcpy(ret->previous, previous.p, previous.n);
    return true;
}

static bool parse_signature(struct sg_str line, const struct sg_note *note,
                            struct sg_note_signature *ret)
{
    unsigned char bytes[SG_NOTE_KEY_ID_BYTES + SG_ED25519_SIGNATURE_BYTES];
    if (!skip(&line, SG_STR(DASH SG_NOTE_ORIGIN)) || !skip(&line, sg_str_from(note->stream)) ||
        !skip(&line, SG_STR(" ")) || !read_base64(line, SIGNATURE_DIGITS, bytes, sizeof bytes)) {
        return false;
    }
    memcpy(ret->key_id, bytes, sizeof ret->key_id);
    memcpy(ret->bytes, bytes + sizeof ret->key_id, sizeof ret->bytes);
    return true;
}

size_t sg_note_parse(struct sg_str text, struct sg_note_parsed *ret)
{
    struct sg_note_parsed parsed = {.signature_count = 0};
    struct sg_str rest = text, line;
    if (!parse_text(&rest, &parsed.note)) {
        return 0;
    }
    parsed.text = sg_str_slice(text, 0, text.n - rest.n);
    if (!take_line(&rest, &line) || line.n != 0) {
        return 0;
    }
    /* The note ends where the text does, or at an empty line: anything else is a torn signature. */
    while (rest.n > 0 && rest.p[0] != '\n') {
        if (parsed.signature_count == SG_NOTE_SIGNATURES_MAX || !take_line(&rest, &line) ||
            !parse_signature(line, &parsed.note, &parsed.signatures[parsed.signature_count])) {
            return 0;
        }
        parsed.signature_count++;
    }
    if (parsed.signature_count == 0) {
        return 0;
    }
    *ret = parsed;
    return text.n - rest.n;
}

bool sg_note_verify(const struct sg_note_parsed *parsed,
                    const unsigned char public_key[SG_ED25519_PUBLIC_BYTES])
{
    unsigned char key_id[SG_NOTE_KEY_ID_BYTES];
    if (sg_note_key_id(parsed->note.stream, public_key, key_id) != SG_OK) {
        return false;
    }
    for (size_t i = 0; i < parsed->signature_count; i++) {
        const struct sg_note_signature *signature = &parsed->signatures[i];
        if (memcmp(signature->key_id, key_id, sizeof key_id) == 0 &&
            sg_ed25519_verify(public_key, parsed->text, signature->bytes)) {
            return true;
        }
    }
    return false;
}
