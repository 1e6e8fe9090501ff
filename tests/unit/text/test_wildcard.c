#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/wildcard.h"

struct row {
    const char *pattern, *text;
    bool exact, folded;
};

static void fits_as_the_table_says(void **state)
{
    static const struct row rows[] = {
        {"", "", true, true},
        {"", "a", false, false},
        {"a", "", false, false},
        {"*", "", true, true},
        {"*", "anything:at/all", true, true},
        {"**", "", true, true},
        {"?", "", false, false},
        {"?", "a", true, true},
        {"?", "ab", false, false},
        {"??", "ab", true, true},
        {"?*", "", false, false},
        {"?*", "a", true, true},
        {"*?", "a", true, true},
        {"a*", "a", true, true},
        {"a*", "ba", false, false},
        {"*a", "ba", true, true},
        {"*a", "ab", false, false},
        {"a*b*c", "abc", true, true},
        {"a*b*c", "aXbYbZc", true, true},
        {"a*b*c", "aXcYb", false, false},
        {"*ab", "aab", true, true},
        {"*aab", "aaab", true, true},
        {"*a?b", "aaxb", true, true},
        {"live:*:get*", "live:ott:getFlowDetail", true, true},
        {"live:*:get*", "live:ott:deleteFlow", false, false},
        {"LIVE:ott:*", "live:ott:x", false, true},
        {"live:ott:x", "LIVE:OTT:X", false, true},
        {"live:*:*:flowOutput:*/playout-*", "live:r::flowOutput:f1/playout-a", true, true},
        {"live:*:*:flowOutput:*/playout-*", "live:r::flowOutput:f1/news-a", false, false},
        {"live:::flow:f1", "live:r::flow:f1", false, false},
        {"live:::flow:f1", "live:::flow:f1", true, true},
        /* A character, not a byte, is what "?" takes. */
        {"?", "\xc3\xa9", true, true},
        {"??", "\xc3\xa9", false, false},
        {"?*?", "\xc3\xa9", false, false},
        {"*?", "\xc3\xa9", true, true},
        {"\xc3\xa9?", "\xc3\xa9\xf0\x9f\x98\x80", true, true},
        {"a?c",
         "a\xe2\x82\xac"
         "c",
         true, true},
        /* Only ASCII letters fold. */
        {"\xc3\x89", "\xc3\xa9", false, false},
        {"@[", "`{", false, false},
        /* Nothing else is special. */
        {"[a]", "a", false, false},
        {"a\\*", "a*", false, false},
        {"a\\*", "a\\b", true, true},
        {"%2A", "%2A", true, true},
        {".", "a", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sg_str pattern = sg_str_from(rows[i].pattern), text = sg_str_from(rows[i].text);
        if (sg_wildcard_matches(pattern, text, false) != rows[i].exact ||
            sg_wildcard_matches(pattern, text, true) != rows[i].folded) {
            fail_msg("\"%s\" on \"%s\"", rows[i].pattern, rows[i].text);
        }
    }
}

/* The definition, slow and plain: reachable[t] tells whether the pattern so far fits t letters. */
static bool defined(const char *pattern, const char *text)
{
    bool reachable[8] = {true};
    size_t n = strlen(text);
    for (const char *p = pattern; *p != '\0'; p++) {
        bool next[8] = {false};
        for (size_t t = 0; t <= n; t++) {
            if (*p == '*') {
                next[t] = reachable[t] || (t > 0 && next[t - 1]);
            } else {
                next[t] = t > 0 && reachable[t - 1] && (*p == '?' || *p == text[t - 1]);
            }
        }
        memcpy(reachable, next, sizeof reachable);
    }
    return reachable[n];
}

/* Write number in the base of the alphabet; false when it needs more than most letters. */
static bool spell(unsigned number, const char *alphabet, size_t most, char *text)
{
    unsigned base = (unsigned)strlen(alphabet);
    size_t n = 0;
    for (; number > 0; number = (number - 1) / base) {
        if (n == most) {
            return false;
        }
        text[n++] = alphabet[(number - 1) % base];
    }
    text[n] = '\0';
    return true;
}

static void equals_its_definition_on_all_short_words(void **state)
{
    char pattern[8], text[8];
    unsigned compared = 0;
    (void)state;
    for (unsigned i = 0; spell(i, "ab*?", 5, pattern); i++) {
        for (unsigned k = 0; spell(k, "ab", 5, text); k++) {
            compared++;
            if (sg_wildcard_matches(sg_str_from(pattern), sg_str_from(text), false) !=
                defined(pattern, text)) {
                fail_msg("\"%s\" on \"%s\"", pattern, text);
            }
        }
    }
    assert_int_equal(compared, 1365 * 63);
}

static void takes_slices_without_nul(void **state)
{
    (void)state;
    assert_true(sg_wildcard_matches((struct sg_str){"a*X", 2}, (struct sg_str){"abcX", 3}, false));
    assert_false(sg_wildcard_matches((struct sg_str){"abX", 2}, (struct sg_str){"abX", 3}, false));
    assert_true(sg_wildcard_matches((struct sg_str){NULL, 0}, (struct sg_str){NULL, 0}, false));
    /* A character cut short at the end is still taken whole, without reading on. */
    assert_true(
        sg_wildcard_matches((struct sg_str){"?", 1}, (struct sg_str){"\xe2\x82", 2}, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_as_the_table_says),
        cmocka_unit_test(equals_its_definition_on_all_short_words),
        cmocka_unit_test(takes_slices_without_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
