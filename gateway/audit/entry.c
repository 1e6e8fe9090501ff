#include "audit/entry.h"

#include <string.h>

#include "audit/members.h"
#include "text/json_in.h"
#include "text/json_out.h"

static const struct sg_str names[SG_ENTRY_MEMBER_COUNT] = {
#define NAME(name) {.p = #name, .n = sizeof #name - 1},
    SG_ENTRY_MEMBERS(NAME)
#undef NAME
};

const char *sg_entry_member_name(enum sg_entry_member member)
{
    return names[member].p;
}

/* Whether a name is this one; most are told apart by their length or first letter. */
static inline bool is_name(size_t member, struct sg_str name)
{
    return names[member].n == name.n && names[member].p[0] == name.p[0] &&
           memcmp(names[member].p, name.p, name.n) == 0;
}

/*
 * The number of a name, or SG_ENTRY_MEMBER_COUNT. Lines have their members in the order of the
 * table: it begins behind the one found last.
 */
static size_t find_name(struct sg_str name, size_t from)
{
    for (size_t i = from; i < SG_ENTRY_MEMBER_COUNT; i++) {
        if (is_name(i, name)) {
            return i;
        }
    }
    for (size_t i = 0; i < from; i++) {
        if (is_name(i, name)) {
            return i;
        }
    }
    return SG_ENTRY_MEMBER_COUNT;
}

/* What the chain puts around a record, and an entry leaves out. */
static bool is_frame(struct sg_str name)
{
    return sg_str_equal(name, SG_STR("schema")) || sg_str_equal(name, SG_STR("prev")) ||
           sg_str_equal(name, SG_STR("crc"));
}

/* An outcome's own time and seq beside those of its intent. */
static size_t beside_intent(size_t member)
{
    switch (member) {
    case SG_ENTRY_time:
        return SG_ENTRY_outcome_time;
    case SG_ENTRY_seq:
        return SG_ENTRY_outcome_seq;
    default:
        return member;
    }
}

static void read_line(struct sg_str line, bool outcome, struct sg_entry *ret)
{
    struct sg_str rest = sg_members_inside(line);
    struct sg_member member;
    size_t next = 0;
    while (sg_members_next(&rest, &member)) {
        size_t at = find_name(member.name, next);
        if (at == SG_ENTRY_MEMBER_COUNT) {
            continue;
        }
        next = at + 1;
        ret->values[outcome ? beside_intent(at) : at] =
            (struct sg_entry_value){.text = member.value, .is_string = member.is_string};
    }
}

void sg_entry_read(struct sg_str intent, struct sg_str line, struct sg_entry *ret)
{
    *ret = (struct sg_entry){.lines = {intent, line}};
    if (intent.n > 0) {
        read_line(intent, false, ret);
    }
    read_line(line, intent.n > 0, ret);
    struct sg_str event = ret->values[SG_ENTRY_event].text;
    ret->has_outcome = sg_str_equal(event, SG_STR("outcome"));
    ret->has_intent = intent.n > 0 || sg_str_equal(event, SG_STR("intent"));
    if (ret->has_outcome || ret->has_intent) {
        ret->kind = SG_ENTRY_CALL;
    } else if (sg_str_equal(event, SG_STR("denied")) || sg_str_equal(event, SG_STR("rejected")) ||
               sg_str_equal(event, SG_STR("dry_run"))) {
        ret->kind = SG_ENTRY_REFUSAL;
    } else {
        ret->kind = SG_ENTRY_EVENT;
    }
}

struct sg_str sg_entry_text(const struct sg_entry *entry, enum sg_entry_member member)
{
    struct sg_str text = entry->values[member].text;
    return text.p != NULL ? text : (struct sg_str){.p = ""};
}

bool sg_entry_number(const struct sg_entry *entry, enum sg_entry_member member, uint64_t *ret)
{
    return !entry->values[member].is_string &&
           sg_str_to_u64(entry->values[member].text, UINT64_MAX, ret);
}

uint64_t sg_entry_count(const struct sg_entry *entry)
{
    uint64_t count = entry->kind != SG_ENTRY_EVENT;
    if (entry->kind == SG_ENTRY_REFUSAL) {
        (void)sg_entry_number(entry, SG_ENTRY_count, &count);
    }
    return count;
}

bool sg_entry_is_in_doubt(const struct sg_entry *entry)
{
    return entry->kind == SG_ENTRY_CALL &&
           (!entry->has_outcome ||
            sg_str_equal(sg_entry_text(entry, SG_ENTRY_outcome), SG_STR("unknown")));
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Whether the inside of a string can be copied: plain ASCII that needs no escape. */
static bool is_plain(struct sg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

static void add_string(struct sg_buf *out, struct sg_str escaped)
{
    struct sg_buf text;
    if (is_plain(escaped)) {
        sg_buf_add_char(out, '"');
        sg_buf_add_str(out, escaped);
        sg_buf_add_char(out, '"');
        return;
    }
    sg_buf_init(&text, 3 * escaped.n + 1); /* U+FFFD for what is no escape */
    sg_members_unescape(escaped, &text);
    sg_json_add_string(out, sg_buf_str(&text));
    sg_buf_done(&text);
}

static bool is_json(struct sg_str raw)
{
    struct sg_json_value *value = NULL;
    size_t control = 0;
    while (control < raw.n && (unsigned char)raw.p[control] >= 0x20 &&
           (unsigned char)raw.p[control] < 0x7f) {
        control++;
    }
    bool good = control == raw.n && sg_json_parse(raw, &value, NULL) == SG_OK;
    sg_json_free(value);
    return good;
}

static bool is_number(struct sg_str raw)
{
    uint64_t number;
    return raw.n > 0 && raw.n < 19 && (raw.n == 1 || raw.p[0] != '0') &&
           sg_str_to_u64(raw, UINT64_MAX, &number);
}

static void add_value(struct sg_buf *out, const struct sg_entry_value *value)
{
    if (!value->is_string && (is_number(value->text) || is_json(value->text))) {
        sg_buf_add_str(out, value->text);
    } else {
        add_string(out, value->text);
    }
}

/* Whether a line has a member of this name, before the place of the name when it is of that line.
 */
static bool has_member(struct sg_str line, struct sg_str name)
{
    struct sg_str rest = sg_members_inside(line);
    struct sg_member member;
    while (sg_members_next(&rest, &member) && member.name.p != name.p) {
        if (sg_str_equal(member.name, name)) {
            return true;
        }
    }
    return false;
}

/*
 * The members of a line that are not in the table, but for those that another line has as well. The
 * journal writes few; of a line that somebody made up no more than that many are looked at.
 */
static void add_unknown(struct sg_str line, struct sg_str other, struct sg_buf *out)
{
    enum { UNKNOWN_MAX = 64 };
    struct sg_str rest = sg_members_inside(line);
    struct sg_member member;
    size_t next = 0, count = 0;
    while (count < UNKNOWN_MAX && sg_members_next(&rest, &member)) {
        size_t at = find_name(member.name, next);
        if (at < SG_ENTRY_MEMBER_COUNT) {
            next = at + 1;
            continue;
        }
        count++;
        if (is_frame(member.name) || !is_plain(member.name) || has_member(line, member.name) ||
            has_member(other, member.name)) {
            continue;
        }
        const struct sg_entry_value value = {.text = member.value, .is_string = member.is_string};
        sg_buf_add_text(out, ",\"");
        sg_buf_add_str(out, member.name);
        sg_buf_add_text(out, "\":");
        add_value(out, &value);
    }
}

void sg_entry_add_json(const struct sg_entry *entry, struct sg_buf *out)
{
    for (size_t i = 0; i < SG_ENTRY_MEMBER_COUNT; i++) {
        if (entry->values[i].text.p != NULL) {
            sg_buf_add_text(out, ",\"");
            sg_buf_add_str(out, names[i]);
            sg_buf_add_text(out, "\":");
            add_value(out, &entry->values[i]);
        }
    }
    add_unknown(entry->lines[0], entry->lines[1], out);
    add_unknown(entry->lines[1], SG_STR(""), out);
}
