/*
 * Notes (audit/note): any bytes. What is read as a note is, made anew from its values, the same
 * text, is bounded, and bears no signature of a key that nobody signed with.
 */
#include "audit/note.h"
#include "fuzz.h"
#include "text/encode.h"

static const unsigned char nobody[SG_ED25519_PUBLIC_BYTES] = {
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};

/* The five lines of a note's values. */
static void write_text(const struct sg_note *note, struct sg_buf *out)
{
    unsigned char head[SG_DIGEST_BYTES];
    struct sg_str hash = {.p = note->hash, .n = sizeof note->hash};
    CHECK(sg_hex_decode(hash, head, sizeof head));
    sg_buf_printf(out, "%s%s\n%llu %llu\n", SG_NOTE_ORIGIN, note->stream,
                  (unsigned long long)note->epoch, (unsigned long long)note->seq);
    sg_base64_encode(out, (struct sg_str){.p = (const char *)head, .n = sizeof head});
    sg_buf_printf(out, "\n%lld\n%.*s\n", (long long)note->time_s, (int)sizeof note->previous,
                  note->previous);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy((struct sg_str){.p = (const char *)data, .n = size});
    struct sg_str rest = {.p = copy, .n = size};
    struct sg_note_parsed parsed;
    while (rest.n > 0) {
        size_t bytes = sg_note_parse(rest, &parsed);
        if (bytes == 0) {
            (void)fuzz_take_until(&rest, '\n'); /* the next line may begin one */
            continue;
        }
        char made_bytes[SG_NOTE_BYTES_MAX];
        struct sg_buf made;
        sg_buf_init_fixed(&made, made_bytes, sizeof made_bytes);
        write_text(&parsed.note, &made);
        CHECK(!sg_buf_failed(&made) && sg_str_equal(sg_buf_str(&made), parsed.text));
        CHECK(bytes <= SG_NOTE_BYTES_MAX && bytes <= rest.n && rest.p[bytes - 1] == '\n');
        CHECK(parsed.signature_count > 0 && parsed.signature_count <= SG_NOTE_SIGNATURES_MAX);
        CHECK(!sg_note_verify(&parsed, nobody));
        rest = sg_str_slice(rest, bytes, rest.n);
    }
    free(copy);
    return 0;
}
