#include "audit/suspect.h"

#include <stdio.h>
#include <string.h>

/*
 * Let k be the number that should come next, H the hash it must name, and p the first line that
 * does not fit. Everything here follows from three questions.
 *
 * Does the true k (number k, naming H) stand further behind? Then p was put in, or lines changed
 * their places: the latter when p's own number is missed further on.
 *
 * If not, does p claim to be k? A p with the number k that names another hash than H means that the
 * line before it was changed (and its checksum made anew), or that p and what follows it come from
 * another continuation of the log. Lines that follow p in a chain of their own are taken until a
 * note or an anchor says which: it vouches for them, then the line before p was changed; or it has
 * another hash, then they are not ours. Without such a witness one seam is a changed line, and two
 * seams are a piece of something else between them.
 *
 * Else p was changed, if it is broken, or lines before it are missing, if its number is higher.
 */

static bool same(const char *a, const char *b)
{
    return memcmp(a, b, SG_DIGEST_HEX_BYTES) == 0;
}

enum sg_fit sg_fit_of(const struct sg_chain *chain, bool known, const struct sg_look *look)
{
    if (!look->is_line) {
        return SG_FIT_BROKEN;
    }
    if (strcmp(look->stream, chain->stream) != 0) {
        return SG_FIT_STREAM;
    }
    if (look->seq != chain->seq + 1) {
        return look->seq > chain->seq ? SG_FIT_AHEAD : SG_FIT_BACK;
    }
    if (!known) {
        return SG_FIT_NEXT;
    }
    bool later = look->epoch > chain->epoch, equal = look->epoch == chain->epoch;
    if (!(look->rule == SG_EPOCH_SAME    ? equal
          : look->rule == SG_EPOCH_LATER ? later
                                         : later || equal)) {
        return SG_FIT_EPOCH;
    }
    return same(look->prev, chain->prev) ? SG_FIT_NEXT : SG_FIT_PREV;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void decide(struct sg_suspect *s, const char *kind)
{
    s->mode = SG_SUSPECT_DECIDED;
    s->kind = kind;
}

static unsigned long long number(uint64_t value)
{
    return (unsigned long long)value;
}

static uint64_t expected_seq(const struct sg_suspect *s)
{
    return s->before.chain.seq + 1;
}

static void decide_edited(struct sg_suspect *s)
{
    decide(s, "edited");
    (void)snprintf(s->text, sizeof s->text,
                   s->first.is_line    ? "another line was written over record %llu"
                   : s->first.has_form ? "record %llu was changed: its checksum does not fit"
                                       : "record %llu was changed: it is no line of an audit log "
                                         "any more",
                   number(expected_seq(s)));
}

static void decide_inserted(struct sg_suspect *s)
{
    decide(s, "inserted");
    if (s->fit == SG_FIT_STREAM) {
        (void)snprintf(s->text, sizeof s->text,
                       "the line comes from another audit log, whose stream is %s",
                       s->first.stream);
    } else {
        (void)snprintf(s->text, sizeof s->text,
                       "the line was put in: it is not the record %llu that belongs here",
                       number(expected_seq(s)));
    }
}

static void decide_removed(struct sg_suspect *s)
{
    decide(s, "removed");
    if (s->first.seq == expected_seq(s) + 1) {
        (void)snprintf(s->text, sizeof s->text, "record %llu is missing before this line",
                       number(expected_seq(s)));
    } else {
        (void)snprintf(s->text, sizeof s->text, "records %llu to %llu are missing before this line",
                       number(expected_seq(s)), number(s->first.seq - 1));
    }
}

static void decide_swapped(struct sg_suspect *s)
{
    decide(s, "swapped");
    (void)snprintf(s->text, sizeof s->text, "record %llu stands before record %llu",
                   number(s->first.seq), number(expected_seq(s)));
}

static void set_hashes(struct sg_suspect *s, const char *expected, const char *found)
{
    s->has_hashes = true;
    memcpy(s->expected, expected, sizeof s->expected);
    memcpy(s->found, found, sizeof s->found);
}

/* The line before first was changed, checksum and all. */
static void decide_last_edited(struct sg_suspect *s)
{
    if (!s->before.has_last || s->before.last_attested) {
        decide(s, "edited");
        (void)snprintf(s->text, sizeof s->text,
                       "record %llu was changed: it does not name the line before it",
                       number(s->first.seq));
    } else {
        decide(s, "edited");
        s->at_last = true;
        (void)snprintf(s->text, sizeof s->text,
                       "record %llu was changed and its checksum made to fit: the line behind it "
                       "names another hash",
                       number(s->before.chain.seq));
    }
    set_hashes(s, s->first.prev, s->before.chain.prev);
}

static void decide_forked(struct sg_suspect *s)
{
    decide(s, "forked");
    s->last_unsure = !s->before.last_attested;
    (void)snprintf(s->text, sizeof s->text,
                   "from record %llu on the lines follow another line than the one before: they "
                   "come from another continuation of the log",
                   number(s->first.seq));
    set_hashes(s, s->first.prev, s->before.chain.prev);
}

/* The end of a run without a witness: a second seam, or the end of the log. */
static void decide_run(struct sg_suspect *s, bool at_seam)
{
    if (at_seam && s->taken > 1) {
        decide_forked(s);
    } else if (at_seam) {
        /* A seam on both sides of one line: that line is another. */
        decide(s, "edited");
        s->last_unsure = !s->before.last_attested;
        (void)snprintf(s->text, sizeof s->text,
                       "another line was written over record %llu: it fits neither the line before "
                       "nor the one behind",
                       number(s->first.seq));
        set_hashes(s, s->first.prev, s->before.chain.prev);
    } else {
        decide_last_edited(s);
    }
}

/* --- taking lines ----------------------------------------------------------------------------- */

static void step(struct sg_chain *chain, const struct sg_look *look)
{
    chain->seq = look->seq;
    chain->epoch = look->epoch;
    memcpy(chain->prev, look->hash, sizeof chain->prev);
}

void sg_suspect_begin(struct sg_suspect *s, const struct sg_standing *before,
                      const struct sg_look *first, enum sg_fit fit)
{
    *s = (struct sg_suspect){
        .mode = SG_SUSPECT_SEARCH, .before = *before, .first = *first, .fit = fit};
    s->run = before->chain;
    if (fit == SG_FIT_PREV) {
        s->mode = SG_SUSPECT_RUN;
        step(&s->run, first);
    }
}

void sg_suspect_begin_attested(struct sg_suspect *s, const struct sg_standing *before,
                               const struct sg_look *first, const char *attested)
{
    *s = (struct sg_suspect){.mode = SG_SUSPECT_ATTEST, .before = *before, .first = *first};
    memcpy(s->attested, attested, sizeof s->attested);
}

/* Whether this is the line that belongs where first stands. */
static bool is_true_next(const struct sg_suspect *s, const struct sg_look *look)
{
    return sg_fit_of(&s->before.chain, s->before.known, look) == SG_FIT_NEXT;
}

static void search(struct sg_suspect *s, const struct sg_look *look)
{
    const bool twice = s->fit == SG_FIT_BACK && s->taken == 1 && s->before.has_last &&
                       s->first.seq == s->before.chain.seq &&
                       same(s->first.prev, s->before.last_prev);
    if (twice && look->is_line && look->seq == expected_seq(s) && same(look->prev, s->first.hash) &&
        !same(s->first.hash, s->before.chain.prev)) {
        /* Two lines claim the last number, and this one follows the second: the first was put in.
         */
        s->at_last = true;
        decide_inserted(s);
        (void)snprintf(s->text, sizeof s->text,
                       "the line was put in: the true record %llu stands behind it",
                       number(s->first.seq));
        return;
    }
    if (!is_true_next(s, look)) {
        return;
    }
    if (s->fit != SG_FIT_AHEAD) {
        decide_inserted(s);
        return;
    }
    s->mode = SG_SUSPECT_FOLLOW;
    s->distance = s->taken;
    step(&s->run, look);
}

static void follow(struct sg_suspect *s, const struct sg_look *look)
{
    if (sg_fit_of(&s->run, true, look) == SG_FIT_NEXT) {
        if (look->seq == s->first.seq) {
            decide_inserted(s); /* first is a copy, or false: its number is there */
            return;
        }
        s->followed++;
        step(&s->run, look);
    } else if (s->run.seq + 1 == s->first.seq || (s->distance > 1 && s->followed == 0)) {
        decide_swapped(s);
    } else {
        decide_inserted(s);
    }
}

static void run(struct sg_suspect *s, const struct sg_look *look)
{
    if (is_true_next(s, look)) {
        decide_inserted(s);
        return;
    }
    enum sg_fit fit = sg_fit_of(&s->run, true, look);
    if (fit == SG_FIT_NEXT) {
        step(&s->run, look);
    } else { /* a line that is broken or of another log is no seam but one more change */
        decide_run(s, fit != SG_FIT_BROKEN && fit != SG_FIT_STREAM);
    }
}

static void decide_attested(struct sg_suspect *s, bool edited)
{
    decide(s, edited ? "edited" : "forked");
    (void)snprintf(s->text, sizeof s->text,
                   edited ? "record %llu was changed and its checksum made to fit: its hash was "
                            "signed or kept elsewhere, and the line behind it names that"
                          : "another record %llu was signed or kept elsewhere: from some line "
                            "behind the last that was, the log was written anew",
                   number(s->first.seq));
    set_hashes(s, s->attested, s->first.hash);
}

void sg_suspect_take(struct sg_suspect *s, const struct sg_look *look)
{
    s->taken++;
    s->good_behind = s->good_behind || look->is_line;
    if (s->taken == 1) {
        s->next = *look;
    }
    switch (s->mode) {
    case SG_SUSPECT_SEARCH:
        search(s, look);
        break;
    case SG_SUSPECT_FOLLOW:
        follow(s, look);
        break;
    case SG_SUSPECT_RUN:
        run(s, look);
        break;
    case SG_SUSPECT_ATTEST:
        if (!look->is_line) {
            break; /* torn off, perhaps: the next segment may know */
        }
        decide_attested(s, look->is_line && look->seq == s->first.seq + 1 &&
                               same(look->prev, s->attested));
        break;
    case SG_SUSPECT_NONE:
    case SG_SUSPECT_DECIDED:
        break;
    }
}

void sg_suspect_attest(struct sg_suspect *s, bool fits)
{
    if (s->mode != SG_SUSPECT_RUN) {
        return;
    }
    if (fits) {
        decide_last_edited(s);
    } else {
        decide_forked(s);
    }
}

/* The true next line stands nowhere in the segment. */
static void not_found(struct sg_suspect *s, const char *last_hash)
{
    const struct sg_look *next = s->taken > 0 ? &s->next : NULL;
    const bool goes_on = next != NULL && next->is_line &&
                         strcmp(next->stream, s->before.chain.stream) == 0 &&
                         next->seq == expected_seq(s) + 1;
    switch (s->fit) {
    case SG_FIT_BROKEN:
    case SG_FIT_EPOCH:
        decide_edited(s);
        break;
    case SG_FIT_AHEAD:
        if (goes_on) {
            decide_edited(s);
        } else {
            decide_removed(s);
        }
        break;
    case SG_FIT_STREAM:
        if (goes_on) {
            decide_edited(s);
        } else {
            decide_inserted(s);
        }
        break;
    case SG_FIT_BACK:
        if (goes_on) {
            decide_edited(s);
            break;
        }
        s->at_last = s->taken == 0 && last_hash != NULL && s->first.seq == s->before.chain.seq &&
                     same(last_hash, s->first.hash) && !same(last_hash, s->before.chain.prev);
        decide_inserted(s);
        break;
    case SG_FIT_NEXT:
    case SG_FIT_PREV:
        break;
    }
}

void sg_suspect_end_segment(struct sg_suspect *s, const char *last_hash)
{
    if (s->mode == SG_SUSPECT_SEARCH) {
        not_found(s, last_hash);
    } else if (s->mode == SG_SUSPECT_FOLLOW) {
        bool missed = s->run.seq + 1 == s->first.seq && same(s->first.prev, s->run.prev);
        if (missed || (s->distance > 1 && s->followed == 0)) {
            decide_swapped(s);
        } else {
            decide_inserted(s);
        }
    } else if (s->mode == SG_SUSPECT_ATTEST && last_hash != NULL) {
        decide_attested(s, same(last_hash, s->attested));
    }
}

void sg_suspect_end(struct sg_suspect *s)
{
    sg_suspect_end_segment(s, NULL);
    if (s->mode == SG_SUSPECT_RUN) {
        decide_run(s, false);
    } else if (s->mode == SG_SUSPECT_ATTEST) {
        decide_attested(s, false);
    }
}
