/*
 * Finding the row of a request.
 *
 * A route is a row of words: the method, then the path's segments, then an empty word if the path
 * ends in "/". A word of a row is a literal or a parameter; a parameter takes any word but the
 * empty one, so a "/" at the end is never taken for a value.
 *
 * The rows lie sorted by their words, literals by their bytes and parameters behind all literals.
 * Rows that begin alike are therefore neighbours: matching starts with the range of all rows and
 * makes it narrower with each word, by binary search, first to the rows with this very literal.
 * Rows with a parameter there are kept as the other way; when the literal's way ends nowhere, the
 * search goes back to the last word that has another way left. So literals beat parameters from
 * left to right, and since the method is a word like others, a literal path that has no row for
 * this method does not hide a row with parameters that has. There is one other way at most for each
 * word, which bounds the memory; each range is walked once, which bounds the time by the number of
 * rows. Nothing is allocated and nothing calls itself.
 */
#include "catalog/row.h"

/* --- order ------------------------------------------------------------------------------------ */

static int compare_pieces(const struct sg_catalog_piece *a, const struct sg_catalog_piece *b)
{
    if (a->is_param || b->is_param) {
        return (int)a->is_param - (int)b->is_param;
    }
    return sg_str_compare(a->text, b->text);
}

int sg_catalog_compare_routes(const struct sg_catalog_row *a, const struct sg_catalog_row *b)
{
    for (size_t i = 0; i < a->word_count && i < b->word_count; i++) {
        int order = compare_pieces(&a->words[i], &b->words[i]);
        if (order != 0) {
            return order;
        }
    }
    return a->word_count < b->word_count ? -1 : a->word_count > b->word_count;
}

/* --- matching --------------------------------------------------------------------------------- */

/* Rows [from, to) of the sorted ones. */
struct range {
    size_t from;
    size_t to;
};

static bool is_empty(struct range range)
{
    return range.from == range.to;
}

/* Where a row stands against a word, within a range whose rows are alike before it. */
enum standing { STANDS_BEFORE = 0, STANDS_AT, STANDS_BEHIND, STANDS_AS_PARAM };

static enum standing stands(const struct sg_catalog_row *row, size_t depth, struct sg_str word)
{
    if (row->word_count == depth) {
        return STANDS_BEFORE; /* it ends here */
    }
    if (row->words[depth].is_param) {
        return STANDS_AS_PARAM;
    }
    int order = sg_str_compare(row->words[depth].text, word);
    return order < 0 ? STANDS_BEFORE : order == 0 ? STANDS_AT : STANDS_BEHIND;
}

/* The first row of the range that stands at least so, or its end. */
static size_t first_standing(const struct sg_catalog *catalog, struct range range, size_t depth,
                             struct sg_str word, enum standing least)
{
    size_t low = range.from, high = range.to;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stands(catalog->routes[middle], depth, word) < least) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The words of a request, in the order of a row's. */
struct request_words {
    struct sg_str method;
    const struct sg_target *target;
    size_t count;
};

static struct sg_str word_at(const struct request_words *words, size_t index)
{
    if (index == 0) {
        return words->method;
    }
    return index <= words->target->segment_count ? words->target->segments[index - 1] : SG_STR("");
}

static const struct sg_catalog_row *find_row(const struct sg_catalog *catalog,
                                             const struct request_words *words)
{
    struct range other[SG_CATALOG_WORDS_MAX]; /* the rows with a parameter at that word */
    struct range range = {0, catalog->count};
    size_t depth = 0;
    for (;;) {
        if (depth < words->count) {
            struct sg_str word = word_at(words, depth);
            other[depth].from = first_standing(catalog, range, depth, word, STANDS_AS_PARAM);
            other[depth].to = word.n > 0 ? range.to : other[depth].from;
            size_t from = first_standing(catalog, range, depth, word, STANDS_AT);
            size_t to = first_standing(catalog, range, depth, word, STANDS_BEHIND);
            range = (struct range){from, to};
            depth++;
        } else if (!is_empty(range) && catalog->routes[range.from]->word_count == depth) {
            return catalog->routes[range.from];
        } else {
            range.to = range.from;
        }
        while (is_empty(range)) {
            if (depth == 0) {
                return NULL;
            }
            depth--;
            range = other[depth];
            other[depth].from = other[depth].to;
            if (!is_empty(range)) {
                depth++;
                break;
            }
        }
    }
}

enum sg_refusal sg_catalog_route(const struct sg_catalog *catalog, struct sg_str method,
                                 const struct sg_target *target, struct sg_route *ret)
{
    struct request_words words = {
        .method = method,
        .target = target,
        .count = 1 + target->segment_count + (target->trailing_slash ? 1 : 0),
    };
    const struct sg_catalog_row *row = find_row(catalog, &words);
    if (row == NULL) { /* no row's path ends in a slash: such a target is malformed */
        return target->trailing_slash ? SG_REFUSAL_BAD_REQUEST : SG_REFUSAL_UNKNOWN_OPERATION;
    }
    *ret = (struct sg_route){.operation = &row->operation, .project_id = SG_STR("")};
    for (size_t i = 1; i < row->word_count; i++) {
        if (!row->words[i].is_param) {
            continue;
        }
        struct sg_param *param = &ret->params[ret->param_count++];
        *param = (struct sg_param){
            .place = SG_PARAM_PATH, .name = row->words[i].text, .value = word_at(&words, i)};
        if (sg_str_equal(param->name, SG_STR("project_id"))) {
            ret->project_id = param->value;
        }
    }
    return row->operation.action.n > 0 ? SG_REFUSAL_NONE : SG_REFUSAL_UNMAPPED_OPERATION;
}
