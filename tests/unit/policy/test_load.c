#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support.h"

#define BODY(name)                                                                           \
    "policy: " name "\nattach: {callers: [\"*\"]}\ndocument: {Version: \"5.0\", Statement: " \
    "[{Effect: Allow, Action: \"*\"}]}\n"

/* --- a folder of its own for each test -------------------------------------------------------- */

struct folder {
    char path[64];
    struct loaded loaded;
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    if (folder == NULL) {
        return -1;
    }
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/signgate-policy-XXXXXX");
    if (mkdtemp(folder->path) == NULL) {
        return -1;
    }
    loaded_init(&folder->loaded);
    *state = folder;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    loaded_done(&folder->loaded);
    int status = nftw(folder->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
    return status;
}

static void write_file(const struct folder *folder, const char *name, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void load_paths(struct folder *folder, const char *const *paths, size_t count)
{
    static const struct sg_place places[4] = {{"signgate.yaml", 9, 12, 1},
                                              {"signgate.yaml", 9, 24, 1},
                                              {"signgate.yaml", 9, 36, 1},
                                              {"signgate.yaml", 9, 48, 1}};
    folder->loaded.set =
        sg_policy_load(paths, places, count, NULL, &folder->loaded.arena, folder->loaded.diags);
}

static void load_folder(struct folder *folder)
{
    const char *paths[] = {folder->path};
    load_paths(folder, paths, 1);
}

/* Compare all messages; %s in expected stands for the folder. */
static void assert_messages(const struct folder *folder, const char *expected)
{
    char messages[4000], wanted[4000];
    size_t n = 0;
    loaded_messages(&folder->loaded, messages, sizeof messages);
    for (const char *c = expected; *c != '\0' && n + 1 < sizeof wanted; c++) {
        if (*c == '%') {
            n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s", folder->path);
        } else {
            wanted[n++] = *c;
        }
    }
    wanted[n] = '\0';
    assert_string_equal(messages, wanted);
}

static void assert_decided_by(const struct folder *folder, const char *policy)
{
    struct example example;
    struct sg_decision decision;
    example_init(&example);
    assert_non_null(folder->loaded.set);
    sg_policy_decide(folder->loaded.set, &example.request, &decision);
    assert_true(sg_str_equal_text(decision.policy, policy));
}

/* --- files and folders ------------------------------------------------------------------------ */

static void reads_yaml_and_json_right_in_a_folder_by_name(void **state)
{
    struct folder *folder = *state;
    char path[200];
    write_file(folder, "b.yaml", BODY("b1") "---\n" BODY("b2"));
    write_file(folder, "c.yaml", BODY("c"));
    write_file(folder, "a.json",
               "{\"policy\": \"a\", \"attach\": {\"teams\": [\"vod\"]}, \"document\": "
               "{\"Version\": \"5.0\", \"Statement\": [{\"Effect\": \"Allow\", \"Action\": "
               "[\"*\"]}]}}");
    write_file(folder, ".hidden.yaml", "broken: [");
    write_file(folder, "notes.txt", "broken: [");
    (void)snprintf(path, sizeof path, "%s/below", folder->path);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(folder, "below/d.yaml", "broken: [");
    load_folder(folder);
    assert_messages(folder, "");
    assert_int_equal(sg_policy_file_count(folder->loaded.set), 3);
    assert_int_equal(sg_policy_count(folder->loaded.set), 4);
    assert_int_equal(sg_policy_statement_count(folder->loaded.set), 4);
    assert_decided_by(folder, "b1");
}

static void orders_by_file_name_whatever_the_order_of_paths(void **state)
{
    struct folder *folder = *state;
    char one[100], two[100], other[100];
    (void)snprintf(one, sizeof one, "%s/1", folder->path);
    assert_int_equal(mkdir(one, 0700), 0);
    write_file(folder, "z.yaml", BODY("z"));
    write_file(folder, "1/y.yaml", BODY("y"));
    write_file(folder, "x.yaml", BODY("x"));
    (void)snprintf(two, sizeof two, "%s/z.yaml", folder->path);
    (void)snprintf(other, sizeof other, "%s/x.yaml", folder->path);
    const char *paths[] = {two, one, other};
    load_paths(folder, paths, 3);
    assert_messages(folder, "");
    assert_decided_by(folder, "x");
}

static void the_revision_is_the_digest_of_all_texts(void **state)
{
    struct folder *folder = *state;
    struct loaded text;
    write_file(folder, "a.yaml", BODY("a"));
    write_file(folder, "b.yaml", BODY("b"));
    load_folder(folder);
    assert_non_null(folder->loaded.set);
    assert_int_equal(sg_policy_revision(folder->loaded.set).n, 12);
    loaded_text(&text, BODY("a") "---\n" BODY("b"), NULL);
    assert_non_null(text.set);
    assert_false(
        sg_str_equal(sg_policy_revision(folder->loaded.set), sg_policy_revision(text.set)));
    loaded_done(&text);
    /* What sha256sum says of the text. */
    loaded_text(&text, BODY("a"), NULL);
    assert_true(sg_str_equal(sg_policy_revision(text.set), SG_STR("24a542d66dd7")));
    loaded_done(&text);
}

static void an_empty_folder_allows_nothing_and_says_so(void **state)
{
    struct folder *folder = *state;
    struct example example;
    struct sg_decision decision;
    load_folder(folder);
    assert_messages(folder, "9:12: warning: the policy folder % adds no *.yaml and no *.json "
                            "(without a policy every request is denied)\n");
    example_init(&example);
    sg_policy_decide(folder->loaded.set, &example.request, &decision);
    assert_int_equal(decision.reason, SG_REASON_NO_MATCHING_ALLOW);
}

static void says_which_path_cannot_be_read(void **state)
{
    struct folder *folder = *state;
    char missing[100], device[] = "/dev/null";
    (void)snprintf(missing, sizeof missing, "%s/missing", folder->path);
    const char *paths[] = {missing, device};
    load_paths(folder, paths, 2);
    assert_null(folder->loaded.set);
    assert_messages(folder,
                    "9:12: error: cannot read the policies %/missing: No such file or directory "
                    "(expected a policy file or a folder of them)\n"
                    "9:24: error: /dev/null is neither a file nor a folder (expected a policy file "
                    "or a folder of them)\n");
}

static void a_policy_that_cannot_be_read_stops_the_load(void **state)
{
    struct folder *folder = *state;
    char path[100];
    write_file(folder, "a.yaml", BODY("a"));
    (void)snprintf(path, sizeof path, "%s/gone.yaml", folder->path);
    assert_int_equal(symlink("nowhere", path), 0);
    (void)snprintf(path, sizeof path, "%s/folder.yaml", folder->path);
    assert_int_equal(mkdir(path, 0700), 0);
    load_folder(folder);
    assert_null(folder->loaded.set);
    assert_int_equal(sg_diags_errors(folder->loaded.diags), 2);
}

static void a_file_is_read_once(void **state)
{
    struct folder *folder = *state;
    char path[100];
    write_file(folder, "a.yaml", BODY("a"));
    (void)snprintf(path, sizeof path, "%s/a.yaml", folder->path);
    const char *paths[] = {folder->path, path};
    load_paths(folder, paths, 2);
    assert_null(folder->loaded.set);
    assert_messages(folder, "9:24: error: the policy file %/a.yaml is read already, as %/a.yaml "
                            "(name each file once, alone or by its folder)\n");
}

static void warns_of_the_other_spelling(void **state)
{
    struct folder *folder = *state;
    write_file(folder, "a.yaml", BODY("a"));
    write_file(folder, "deny.yml", BODY("b"));
    load_folder(folder);
    assert_non_null(folder->loaded.set);
    assert_messages(folder, "9:12: warning: %/deny.yml is not read: of a folder only *.yaml and "
                            "*.json are (rename it to *.yaml)\n");
}

static void a_file_without_a_policy_is_an_error(void **state)
{
    struct folder *folder = *state;
    write_file(folder, "a.yaml", BODY("a"));
    write_file(folder, "empty.yaml", "");
    write_file(folder, "comment.yaml", "# nothing\n");
    load_folder(folder);
    assert_null(folder->loaded.set);
    assert_messages(folder, "1:0: error: there is no policy in this file (write a policy, or take "
                            "the file away)\n"
                            "1:0: error: there is no policy in this file (write a policy, or take "
                            "the file away)\n");
}

static void mistakes_of_all_files_show_in_one_run(void **state)
{
    struct folder *folder = *state;
    write_file(folder, "a.yaml", "policy: [\n");
    write_file(folder, "b.yaml", BODY("B"));
    write_file(folder, "c.json", "{\"policy\": }");
    load_folder(folder);
    assert_null(folder->loaded.set);
    assert_int_equal(sg_diags_errors(folder->loaded.diags), 3);
}

static void json_must_be_json(void **state)
{
    struct folder *folder = *state;
    write_file(folder, "a.json", BODY("a"));
    load_folder(folder);
    assert_null(folder->loaded.set);
}

static void a_name_is_used_once(void **state)
{
    struct folder *folder = *state;
    write_file(folder, "a.yaml", BODY("same"));
    write_file(folder, "b.yaml", BODY("other") "---\n" BODY("same"));
    load_folder(folder);
    assert_null(folder->loaded.set);
    assert_messages(folder, "5:9: error: the policy name \"same\" is used already, in %/a.yaml:1 "
                            "(give each policy a name of its own)\n");
}

static void an_earlier_error_does_not_cost_the_set(void **state)
{
    struct folder *folder = *state;
    write_file(folder, "a.yaml", BODY("a"));
    sg_diags_error(folder->loaded.diags, NULL, NULL, "of someone else");
    load_folder(folder);
    assert_non_null(folder->loaded.set);
}

/* --- what wraps a document -------------------------------------------------------------------- */

static void text_of(char *text, size_t size, const char *wrapper)
{
    (void)snprintf(text, size,
                   "%s\ndocument: {Version: \"5.0\", Statement: [{Effect: Deny, Action: \"*\"}]}\n",
                   wrapper);
}

static void assert_wrapper(const char *wrapper, const char *expected)
{
    struct loaded loaded;
    char text[1000], messages[2000];
    text_of(text, sizeof text, wrapper);
    loaded_text(&loaded, text, NULL);
    loaded_messages(&loaded, messages, sizeof messages);
    if (strcmp(messages, expected) != 0 || (loaded.set == NULL) != (expected[0] != '\0')) {
        print_error("--- text\n%s\n--- expected\n%s--- got\n%s", text, expected, messages);
        fail();
    }
    loaded_done(&loaded);
}

static void takes_good_wrappers(void **state)
{
    (void)state;
    assert_wrapper("policy: a\nattach: {teams: [x]}", "");
    assert_wrapper("policy: 0-a-9\nattach: {teams: [], callers: [x]}\nmode: enforce\n"
                   "description: \"why: because\"\ntests: []",
                   "");
    assert_wrapper("policy: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
                   "attach: {teams: [x]}",
                   "");
    assert_wrapper("policy: a\nattach: {teams: [x]}\ntests:\n  - name: n\n    request: {caller: c, "
                   "method: GET, target: /, source_ip: \"::1\", time: \"2026-01-01T00:00:00Z\", "
                   "secure_transport: true, service: live, body: {a: [1]}}\n    expect: deny\n"
                   "    by: no_matching_allow",
                   "");
}

static void refuses_bad_wrappers(void **state)
{
    static const struct {
        const char *wrapper, *message;
    } rows[] = {
        {"policy: A\nattach: {teams: [x]}",
         "1:9: error: \"A\" is no name of a policy (expected 1 to 64 of a-z, 0-9 and \"-\")\n"},
        {"policy: \"\"\nattach: {teams: [x]}",
         "1:9: error: \"\" is no name of a policy (expected 1 to 64 of a-z, 0-9 and \"-\")\n"},
        {"policy: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
         "attach: {teams: [x]}",
         "1:9: error: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is no "
         "name of a policy (expected 1 to 64 of a-z, 0-9 and \"-\")\n"},
        {"policy: a_b\nattach: {teams: [x]}",
         "1:9: error: \"a_b\" is no name of a policy (expected 1 to 64 of a-z, 0-9 and \"-\")\n"},
        {"policy: a\nattach: {}",
         "2:9: error: the policy is attached to nobody (expected teams: [NAME], callers: [NAME], "
         "or \"*\" in one of them for everyone)\n"},
        {"policy: a\nattach: {teams: [], callers: []}",
         "2:9: error: the policy is attached to nobody (expected teams: [NAME], callers: [NAME], "
         "or \"*\" in one of them for everyone)\n"},
        {"policy: a\nattach: {teams: [\"play*\"]}",
         "2:18: error: \"play*\" is no name of a team: names are no patterns (write a name, or "
         "\"*\" alone for everyone)\n"},
        {"policy: a\nattach: {callers: [\"\"]}",
         "2:20: error: \"\" is no name of a caller: names are no patterns (write a name, or \"*\" "
         "alone for everyone)\n"},
        {"policy: a\nattach: {teams: [x]}\nmode: report",
         "3:7: error: mode: report is not built yet (write enforce, or leave it out)\n"},
        {"policy: a\nattach: {teams: [x]}\ntests:\n  - {name: n, expect: allow, request: "
         "{caller: c, method: GET, target: /, source_ip: 1.2.3}}",
         "4:86: error: \"1.2.3\" is no address (expected an address such as 10.20.0.5)\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_wrapper(rows[i].wrapper, rows[i].message);
    }
}

/* Mistakes that the field tables report: that they are errors, not how they are worded. */
static void refuses_wrong_forms(void **state)
{
    static const char *const wrappers[] = {
        "attach: {teams: [x]}",
        "policy: a",
        "policy: a\nattach: {team: [x]}",
        "policy: a\nattach: {teams: x}",
        "policy: a\nattach: x",
        "policy: a\nattach:",
        "policy: [a]\nattach: {teams: [x]}",
        "policy: a\npolicy: a\nattach: {teams: [x]}",
        "policy: a\nattach: {teams: [x]}\nmode: enforced",
        "policy: a\nattach: {teams: [x]}\nmode:",
        "policy: a\nattach: {teams: [x]}\nowner: me",
        "policy: a\nattach: {teams: [x]}\ntests: {}",
        "policy: a\nattach: {teams: [x]}\ntests: [{name: n}]",
        "policy: a\nattach: {teams: [x]}\ntests: [{name: n, expect: maybe, request: {caller: c, "
        "method: GET, target: /}}]",
        "policy: a\nattach: {teams: [x]}\ntests: [{name: n, expect: deny, request: {method: GET, "
        "target: /}}]",
        "policy: a\nattach: {teams: [x]}\ntests: [{name: n, expect: deny, request: {caller: c, "
        "method: GET, target: /, secure_transport: perhaps}}]",
        "- policy: a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        struct loaded loaded;
        char text[1000];
        text_of(text, sizeof text, wrappers[i]);
        loaded_text(&loaded, text, NULL);
        if (loaded.set != NULL || sg_diags_errors(loaded.diags) == 0) {
            fail_msg("%s", wrappers[i]);
        }
        loaded_done(&loaded);
    }
}

static void a_pasted_document_says_what_is_missing_around_it(void **state)
{
    struct loaded loaded;
    char messages[1000];
    (void)state;
    loaded_text(&loaded, "{\"Version\": \"5.0\", \"Statement\": []}", NULL);
    loaded_messages(&loaded, messages, sizeof messages);
    assert_string_equal(messages,
                        "1:1: error: this is a policy document without name and attachment (write "
                        "policy: NAME and attach: {teams: [NAME]}, and put this under "
                        "document:)\n");
    loaded_done(&loaded);
}

static void takes_pasted_json_with_tabs(void **state)
{
    struct loaded loaded;
    (void)state;
    loaded_text(&loaded,
                "{\n\t\"policy\": \"a\",\n\t\"attach\": {\"teams\": [\"\\ud83d\\ude00\"]},\n"
                "\t\"document\": {\"Version\": \"5.0\",\n\t\t\"Statement\": [{\"Effect\": "
                "\"Allow\", \"Action\": [\"*\"]}]}\n}\n",
                NULL);
    assert_non_null(loaded.set);
    loaded_done(&loaded);
}

static void the_example_policies_load(void **state)
{
    struct folder *folder = *state;
    const char *paths[] = {SG_SOURCE_DIR "/policies"};
    load_paths(folder, paths, 1);
    assert_messages(folder, "");
    assert_int_equal(sg_policy_count(folder->loaded.set), 4);
    assert_decided_by(folder, "playout-outputs");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(reads_yaml_and_json_right_in_a_folder_by_name),
        IN_FOLDER(orders_by_file_name_whatever_the_order_of_paths),
        IN_FOLDER(the_revision_is_the_digest_of_all_texts),
        IN_FOLDER(an_empty_folder_allows_nothing_and_says_so),
        IN_FOLDER(says_which_path_cannot_be_read),
        IN_FOLDER(a_policy_that_cannot_be_read_stops_the_load),
        IN_FOLDER(a_file_is_read_once),
        IN_FOLDER(warns_of_the_other_spelling),
        IN_FOLDER(a_file_without_a_policy_is_an_error),
        IN_FOLDER(mistakes_of_all_files_show_in_one_run),
        IN_FOLDER(json_must_be_json),
        IN_FOLDER(a_name_is_used_once),
        IN_FOLDER(an_earlier_error_does_not_cost_the_set),
        IN_FOLDER(the_example_policies_load),
        cmocka_unit_test(takes_good_wrappers),
        cmocka_unit_test(refuses_bad_wrappers),
        cmocka_unit_test(refuses_wrong_forms),
        cmocka_unit_test(a_pasted_document_says_what_is_missing_around_it),
        cmocka_unit_test(takes_pasted_json_with_tabs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
