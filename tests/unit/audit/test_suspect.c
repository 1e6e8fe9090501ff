/*
 * Verdicts over sequences of lines: each case is what stands in a segment, a letter a line, behind
 * a good line `a`. Lines are b c d ...; what was done to one stands behind it:
 *
 *   '  its content is another, its checksum fits      !  it is broken
 *   ~  its own prev is another as well                *  of another log
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "audit/suspect.h"

static const char stream[] = "0123456789abcdef0123456789abcdef";

static void hash_of(char letter, bool other, char ret[SG_DIGEST_HEX_BYTES])
{
    memset(ret, other ? '0' + letter % 10 : letter, SG_DIGEST_HEX_BYTES);
    ret[0] = letter;
}

static const char *look_of(const char *text, size_t line, struct sg_look *ret)
{
    char letter = *text++;
    *ret = (struct sg_look){.place = {.line = line}, .is_line = true, .has_form = true, .epoch = 1};
    memcpy(ret->stream, stream, sizeof ret->stream);
    ret->seq = (uint64_t)(letter - 'a' + 1);
    hash_of(letter, false, ret->hash);
    hash_of((char)(letter - 1), false, ret->prev);
    for (; *text != '\0' && !islower((unsigned char)*text); text++) {
        if (*text == '\'') {
            hash_of(letter, true, ret->hash);
        } else if (*text == '~') {
            hash_of((char)(letter - 1), true, ret->prev);
        } else if (*text == '*') {
            ret->stream[0] = 'f';
        } else {
            ret->is_line = false;
        }
    }
    return text;
}

static void begin(struct sg_standing *standing)
{
    struct sg_look first;
    (void)look_of("a", 0, &first);
    *standing = (struct sg_standing){.known = true, .has_last = true};
    memcpy(standing->chain.stream, stream, sizeof stream);
    standing->chain.epoch = 1;
    standing->chain.seq = 1;
    memcpy(standing->chain.prev, first.hash, sizeof first.hash);
    memcpy(standing->last_prev, first.prev, sizeof first.prev);
}

static void test_verdicts(void **state)
{
    static const struct {
        const char *lines;
        const char *kind; /* NULL: good */
        size_t line;      /* from 1; the line before them is 0 */
    } cases[] = {
        {"bcdef", NULL, 0},
        /* changed */
        {"bc!def", "edited", 2},
        {"bcdef!", "edited", 5},
        {"b'cdef", "edited", 1},
        {"bc'def", "edited", 2},
        {"bcde'f", "edited", 4},
        {"bcdef~", "edited", 4}, /* the one before, for all that can be known */
        {"bc~'def", "edited", 2},
        {"bzdef", "edited", 2}, /* a later line over this one */
        {"bcbef", "edited", 3}, /* an earlier one */
        {"bc*def", "edited", 2},
        /* removed */
        {"cdef", "removed", 1},
        {"bdef", "removed", 2},
        {"bcf", "removed", 3},
        {"f", "removed", 1},
        /* put in */
        {"bbcdef", "inserted", 2},
        {"bcbdef", "inserted", 3},
        {"bcdeff", "inserted", 6},
        {"bfcdef", "inserted", 2},
        {"bzcdef", "inserted", 2},
        {"bc!cdef", "inserted", 2},
        {"bc!d!cdef", "inserted", 2},
        {"bd*cdef", "inserted", 2},
        {"bcdef*", "inserted", 5},
        {"bc~'cdef", "inserted", 2},
        {"b'bcdef", "inserted", 1}, /* a forged one before the true one */
        {"bb'cdef", "inserted", 2}, /* and behind it */
        {"bdefcdef", "inserted", 2},
        /* in another order */
        {"cbdef", "swapped", 1},
        {"bdcef", "swapped", 2},
        {"bcdfe", "swapped", 4},
        {"becdf", "swapped", 2},
        {"bfdec", "swapped", 2},
        {"bedcf", "swapped", 2},
        /* another continuation */
        {"bc~'d~'ef", "forked", 2},
        {"bd~'e", "removed", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_standing standing;
        struct sg_suspect suspect = {.mode = SG_SUSPECT_NONE};
        begin(&standing);
        size_t line = 1;
        for (const char *text = cases[i].lines; *text != '\0'; line++) {
            struct sg_look look;
            text = look_of(text, line, &look);
            if (suspect.mode != SG_SUSPECT_NONE) {
                sg_suspect_take(&suspect, &look);
                continue;
            }
            enum sg_fit fit = sg_fit_of(&standing.chain, true, &look);
            if (fit != SG_FIT_NEXT) {
                sg_suspect_begin(&suspect, &standing, &look, fit);
                continue;
            }
            standing.last = look.place;
            standing.chain.seq = look.seq;
            memcpy(standing.chain.prev, look.hash, sizeof look.hash);
            memcpy(standing.last_prev, look.prev, sizeof look.prev);
        }
        if (suspect.mode != SG_SUSPECT_NONE) {
            sg_suspect_end(&suspect);
            assert_int_equal(suspect.mode, SG_SUSPECT_DECIDED);
        }
        size_t found = suspect.at_last ? suspect.before.last.line : suspect.first.place.line;
        const char *kind = suspect.kind != NULL ? suspect.kind : "good";
        const char *expected = cases[i].kind != NULL ? cases[i].kind : "good";
        if (strcmp(kind, expected) != 0 || (cases[i].kind != NULL && found != cases[i].line)) {
            fail_msg("%s: expected %s at %zu, got %s at %zu: %s", cases[i].lines, expected,
                     cases[i].line, kind, found, suspect.text);
        }
        assert_true(suspect.kind == NULL || suspect.text[0] != '\0');
    }
}

/* Lines of a fork follow each other; what a witness says of one of them decides. */
static void test_witnesses(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct sg_standing standing;
        struct sg_suspect suspect;
        struct sg_look look;
        begin(&standing);
        standing.last_attested = way == 3;
        (void)look_of("b~", 1, &look);
        assert_int_equal(sg_fit_of(&standing.chain, true, &look), SG_FIT_PREV);
        sg_suspect_begin(&suspect, &standing, &look, SG_FIT_PREV);
        (void)look_of("c", 2, &look);
        sg_suspect_take(&suspect, &look);
        assert_int_equal(suspect.mode, SG_SUSPECT_RUN);
        if (way == 0 || way == 1) {
            sg_suspect_attest(&suspect, way == 0);
        } else if (way == 2) {
            (void)look_of("d~", 3, &look); /* a second seam */
            sg_suspect_take(&suspect, &look);
        } else {
            sg_suspect_end(&suspect);
        }
        assert_int_equal(suspect.mode, SG_SUSPECT_DECIDED);
        assert_string_equal(suspect.kind, way == 0 || way == 3 ? "edited" : "forked");
        assert_int_equal(suspect.at_last, way == 0);
        assert_true(suspect.has_hashes);
        assert_int_equal(suspect.last_unsure, way == 1 || way == 2);
    }
}

static void test_a_line_that_a_witness_has_otherwise(void **state)
{
    char attested[SG_DIGEST_HEX_BYTES];
    (void)state;
    hash_of('b', false, attested);
    for (int way = 0; way < 3; way++) {
        struct sg_standing standing;
        struct sg_suspect suspect;
        struct sg_look look;
        begin(&standing);
        (void)look_of("b'", 1, &look);
        sg_suspect_begin_attested(&suspect, &standing, &look, attested);
        (void)look_of(way == 0 ? "c" : way == 1 ? "c~" : "c!", 2, &look);
        sg_suspect_take(&suspect, &look);
        assert_int_equal(suspect.mode == SG_SUSPECT_DECIDED, way < 2);
        if (way == 2) { /* torn off: the next segment names its hash */
            sg_suspect_end_segment(&suspect, attested);
        }
        assert_string_equal(suspect.kind, way == 1 ? "forked" : "edited");
        assert_false(suspect.at_last);
        assert_memory_equal(suspect.expected, attested, sizeof attested);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_witnesses),
        cmocka_unit_test(test_a_line_that_a_witness_has_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
