#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/condition.h"
#include "support.h"

/* --- one condition, put together without a file ----------------------------------------------- */

static bool holds(const char *op, const char *key, const char *const *values, size_t count,
                  const struct sg_policy_request *request, bool deny)
{
    struct sg_operand operands[4];
    struct sg_operator_name name = sg_operator_parse(sg_str_from(op));
    struct sg_condition condition = {.op = name.row, .if_exists = name.if_exists};
    assert_non_null(name.row);
    assert_int_equal(name.prefix.n, 0);
    assert_true(sg_key_find(sg_str_from(key), &condition.key));
    for (size_t i = 0; i < count; i++) {
        assert_true(sg_operand_read(name.row->operands, sg_str_from(values[i]), &operands[i]));
    }
    condition.operands = operands;
    condition.operand_count = count;
    return sg_condition_holds(&condition, request, deny);
}

static bool holds_one(const char *op, const char *key, const char *value,
                      const struct sg_policy_request *request, bool deny)
{
    return holds(op, key, &value, 1, request, deny);
}

/* --- operators on a value that is there ------------------------------------------------------- */

struct value_row {
    const char *op, *key, *value;
    bool expected;
};

static void compares_what_is_there(void **state)
{
    static const struct value_row rows[] = {
        {"StringEquals", "signgate:Query/output_name", "playout-a", true},
        {"StringEquals", "signgate:Query/output_name", "Playout-A", false},
        {"StringEquals", "signgate:Query/output_name", "playout-*", false},
        {"StringEquals", "signgate:Query/output_name", "", false},
        {"StringNotEquals", "signgate:Query/output_name", "playout-a", false},
        {"StringNotEquals", "signgate:Query/output_name", "playout-b", true},
        {"StringEqualsIgnoreCase", "signgate:Query/output_name", "PLAYOUT-A", true},
        {"StringEqualsIgnoreCase", "signgate:Query/output_name", "PLAYOUT-B", false},
        {"StringNotEqualsIgnoreCase", "signgate:Query/output_name", "PLAYOUT-A", false},
        {"StringNotEqualsIgnoreCase", "signgate:Query/output_name", "PLAYOUT-B", true},
        {"StringMatch", "signgate:Query/output_name", "playout-?", true},
        {"StringMatch", "signgate:Query/output_name", "PLAYOUT-?", false},
        {"StringMatch", "signgate:Query/output_name", "*", true},
        {"StringNotMatch", "signgate:Query/output_name", "playout-?", false},
        {"StringNotMatch", "signgate:Query/output_name", "news-?", true},
        {"stringequals", "SIGNGATE:query/output_name", "playout-a", true},
        {"STRINGEQUALSIFEXISTS", "signgate:Query/output_name", "playout-b", false},
        {"StringEqualsIfExists", "signgate:Query/output_name", "playout-a", true},
        {"StringEquals", "signgate:Path/project_id", PROJECT, true},
        {"IpAddress", "g:SourceIp", "10.20.0.0", true},
        {"IpAddress", "g:SourceIp", "10.20.0.0/16", true},
        {"IpAddress", "g:SourceIp", "10.20.7.7/16", true},
        {"IpAddress", "g:SourceIp", "10.21.0.0/16", false},
        {"IpAddress", "g:SourceIp", "::ffff:10.20.0.0", true},
        {"IpAddress", "g:SourceIp", "::ffff:10.0.0.0/104", true},
        {"IpAddress", "g:SourceIp", "::/0", false},
        {"IpAddress", "g:SourceIp", "0.0.0.0/0", true},
        {"NotIpAddress", "g:SourceIp", "10.20.0.0/16", false},
        {"NotIpAddress", "g:SourceIp", "::/0", true},
        {"NotIpAddressIfExists", "g:SourceIp", "10.21.0.0/16", true},
        {"IpAddress", "signgate:Query/address", "192.0.2.0/24", true},
        {"IpAddress", "signgate:Query/address6", "192.0.2.0/24", true},
        {"NotIpAddress", "signgate:Query/address", "192.0.2.0/24", false},
        {"Bool", "g:SecureTransport", "false", true},
        {"Bool", "g:SecureTransport", "true", false},
        {"Bool", "signgate:Query/flag", "true", true},
        {"Bool", "signgate:Query/flag", "false", false},
        {"Null", "g:SourceIp", "false", true},
        {"Null", "g:SourceIp", "true", false},
        {"Null", "g:CurrentTime", "false", true},
        {"Null", "signgate:Query/output_name", "false", true},
        {"Null", "signgate:Query/empty", "true", false},
        {"StringEquals", "signgate:Query/empty", "", true},
    };
    struct example example;
    (void)state;
    example_init(&example);
    example.params[3] = (struct sg_param){
        .place = SG_PARAM_QUERY, .name = SG_STR("address"), .value = SG_STR("192.0.2.9")};
    example.params[4] = (struct sg_param){
        .place = SG_PARAM_QUERY, .name = SG_STR("address6"), .value = SG_STR("::ffff:192.0.2.9")};
    example.params[5] =
        (struct sg_param){.place = SG_PARAM_QUERY, .name = SG_STR("flag"), .value = SG_STR("true")};
    example.params[6] =
        (struct sg_param){.place = SG_PARAM_QUERY, .name = SG_STR("empty"), .value = SG_STR("")};
    example.action.param_count = 7;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int deny = 0; deny < 2; deny++) {
            if (holds_one(rows[i].op, rows[i].key, rows[i].value, &example.request, deny == 1) !=
                rows[i].expected) {
                fail_msg("%s %s %s, deny %d", rows[i].op, rows[i].key, rows[i].value, deny);
            }
        }
    }
}

static void several_values_are_one_of_them_or_none_of_them(void **state)
{
    static const char *const values[] = {"playout-b", "playout-a", "playout-c"};
    static const char *const others[] = {"playout-b", "playout-c"};
    static const char *const both[] = {"true", "false"};
    struct example example;
    (void)state;
    example_init(&example);
    const char *key = "signgate:Query/output_name";
    assert_true(holds("StringEquals", key, values, 3, &example.request, false));
    assert_false(holds("StringEquals", key, others, 2, &example.request, false));
    assert_false(holds("StringNotEquals", key, values, 3, &example.request, false));
    assert_true(holds("StringNotEquals", key, others, 2, &example.request, false));
    assert_true(holds("Null", key, both, 2, &example.request, false));
    assert_true(holds("Null", "signgate:Query/none", both, 2, &example.request, true));
}

/* --- the table of what is absent or unreadable ------------------------------------------------ */

struct hole_row {
    const char *op, *value;
    bool absent_allow, absent_deny, unreadable_allow, unreadable_deny;
};

static void permits_less_where_a_value_is_absent_or_unreadable(void **state)
{
    static const struct hole_row rows[] = {
        {"StringEquals", "x", false, false, false, true},
        {"StringEqualsIfExists", "x", true, true, false, true},
        {"StringNotEquals", "x", false, true, false, true},
        {"StringNotEqualsIfExists", "x", true, true, false, true},
        {"StringEqualsIgnoreCase", "x", false, false, false, true},
        {"StringNotEqualsIgnoreCase", "x", false, true, false, true},
        {"StringMatch", "*", false, false, false, true},
        {"StringMatchIfExists", "*", true, true, false, true},
        {"StringNotMatch", "*", false, true, false, true},
        {"Bool", "true", false, false, false, true},
        {"Bool", "false", false, false, false, true},
        {"BoolIfExists", "true", true, true, false, true},
        {"IpAddress", "0.0.0.0/0", false, false, false, true},
        {"IpAddressIfExists", "0.0.0.0/0", true, true, false, true},
        {"NotIpAddress", "0.0.0.0/0", false, true, false, true},
        {"NotIpAddressIfExists", "0.0.0.0/0", true, true, false, true},
    };
    struct example example;
    (void)state;
    example_init(&example);
    /* Two values of one name: no operator without a prefix can read them. */
    example.params[3] = example.params[4] =
        (struct sg_param){.place = SG_PARAM_QUERY, .name = SG_STR("bad"), .value = SG_STR("x")};
    example.action.param_count = 5;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct hole_row *row = &rows[i];
        const char *none = "signgate:Query/none", *bad = "signgate:Query/bad";
        bool same =
            holds_one(row->op, none, row->value, &example.request, false) == row->absent_allow &&
            holds_one(row->op, none, row->value, &example.request, true) == row->absent_deny &&
            holds_one(row->op, bad, row->value, &example.request, false) == row->unreadable_allow &&
            holds_one(row->op, bad, row->value, &example.request, true) == row->unreadable_deny;
        if (!same) {
            fail_msg("%s", row->op);
        }
    }
    assert_true(holds_one("Null", "signgate:Query/bad", "false", &example.request, false));
    assert_false(holds_one("Null", "signgate:Query/bad", "true", &example.request, true));
}

static void text_that_is_no_address_or_truth_is_unreadable(void **state)
{
    static const char *const bad[] = {
        "",         "x",    "10.0.0.0/8", "10.0.0", "fe80::1%eth0", " 1.2.3.4", "1.2.3.4 ",
        "01.2.3.4", "True", "TRUE",       "1",      "yes",          "true ",    "falsefalse"};
    struct example example;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        example_init(&example);
        example.params[2].value = sg_str_from(bad[i]);
        const char *key = "signgate:Query/output_name";
        static const char *const ops[] = {"Bool", "BoolIfExists", "IpAddress", "NotIpAddress",
                                          "IpAddressIfExists"};
        for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
            const char *value = k < 2 ? "true" : "0.0.0.0/0";
            if (holds_one(ops[k], key, value, &example.request, false) ||
                !holds_one(ops[k], key, value, &example.request, true)) {
                fail_msg("%s on \"%s\"", ops[k], bad[i]);
            }
        }
    }
}

/* --- keys ------------------------------------------------------------------------------------- */

struct key_row {
    const char *key, *value;
};

static void every_text_key_reads_its_part_of_the_request(void **state)
{
    static const struct key_row rows[] = {
        {"g:UserName", "playout-scheduler"},
        {"g:PrincipalTag/team", "playout"},
        {"G:PRINCIPALTAG/TEAM", "playout"},
        {"g:RequestedRegion", "cn-north-4"},
        {"signgate:Caller", "playout-scheduler"},
        {"signgate:Team", "playout"},
        {"signgate:Service", "live"},
        {"signgate:Operation", "DeleteFlowOutput"},
        {"signgate:Method", "DELETE"},
        {"signgate:ProjectId", PROJECT},
        {"signgate:AccessLevel", "Write"},
    };
    struct example example, empty;
    struct sg_principal nobody = {.caller = {.p = ""}};
    struct sg_action nothing = {.name = {.p = ""}};
    (void)state;
    example_init(&example);
    empty = example;
    empty.request = (struct sg_policy_request){.principal = &nobody, .action = &nothing};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!holds_one("StringEquals", rows[i].key, rows[i].value, &example.request, false) ||
            !holds_one("Null", rows[i].key, "false", &example.request, false) ||
            !holds_one("Null", rows[i].key, "true", &empty.request, false) ||
            holds_one("StringEquals", rows[i].key, "", &empty.request, true)) {
            fail_msg("%s", rows[i].key);
        }
    }
    assert_true(holds_one("Null", "g:SourceIp", "true", &empty.request, false));
    assert_true(holds_one("NotIpAddress", "g:SourceIp", "10.0.0.0/8", &empty.request, true));
    assert_true(holds_one("Bool", "g:SecureTransport", "false", &empty.request, false));
    example.request.secure_transport = true;
    assert_true(holds_one("Bool", "g:SecureTransport", "true", &example.request, false));
}

static void names_of_parameters_keep_their_case_and_place(void **state)
{
    struct example example;
    (void)state;
    example_init(&example);
    assert_true(holds_one("Null", "signgate:Query/Output_Name", "true", &example.request, false));
    assert_true(holds_one("Null", "signgate:Path/output_name", "true", &example.request, false));
    assert_true(holds_one("Null", "signgate:Query/project_id", "true", &example.request, false));
    assert_true(holds_one("Null", "SIGNGATE:PATH/project_id", "false", &example.request, false));
}

static void keys_of_the_cloud_alone_are_absent(void **state)
{
    static const char *const keys[] = {"g:DomainName",      "g:MFAPresent",       "g:TagKeys",
                                       "g:ResourceTag/env", "g:PrincipalTag/env", "g:SourceVpc"};
    struct example example;
    (void)state;
    example_init(&example);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_true(holds_one("Null", keys[i], "true", &example.request, false));
    }
}

static void finds_keys_and_their_twins(void **state)
{
    struct sg_key key;
    (void)state;
    assert_false(sg_key_find(SG_STR(""), &key));
    assert_false(sg_key_find(SG_STR("g:SourceIpx"), &key));
    assert_false(sg_key_find(SG_STR("g:SourceI"), &key));
    assert_false(sg_key_find(SG_STR("signgate:Query/"), &key));
    assert_false(sg_key_find(SG_STR("signgate:Query"), &key));
    assert_false(sg_key_find(SG_STR("aws:SourceIp"), &key));
    assert_true(sg_key_find(SG_STR("signgate:Query/a/b"), &key));
    assert_true(sg_str_equal(key.name, SG_STR("a/b")));
    assert_true(sg_key_same(SG_STR("g:sourceip"), SG_STR("g:SourceIp")));
    assert_true(sg_key_same(SG_STR("signgate:query/a"), SG_STR("signgate:Query/a")));
    assert_false(sg_key_same(SG_STR("signgate:Query/A"), SG_STR("signgate:Query/a")));
    assert_false(sg_key_same(SG_STR("signgate:Path/a"), SG_STR("signgate:Query/a")));
    assert_true(sg_key_same(SG_STR("g:ResourceTag/A"), SG_STR("g:ResourceTag/a")));
    assert_false(sg_key_same(SG_STR("g:UserName"), SG_STR("signgate:Caller")));
    assert_true(sg_key_same(SG_STR("x:Y"), SG_STR("X:y")));
    assert_string_equal(sg_key_nearest(SG_STR("g:SorceIp")), "g:SourceIp");
    assert_string_equal(sg_key_nearest(SG_STR("signgate:Qeury/name")), "signgate:Query/");
    assert_null(sg_key_nearest(SG_STR("nothing:like/it")));
}

/* --- operators -------------------------------------------------------------------------------- */

static void takes_operator_names_apart(void **state)
{
    struct sg_operator_name name;
    (void)state;
    name = sg_operator_parse(SG_STR("forallvalues:stringequalsIFEXISTS"));
    assert_string_equal(name.row->name, "StringEquals");
    assert_true(name.if_exists);
    assert_true(sg_str_equal(name.prefix, SG_STR("ForAllValues:")));
    name = sg_operator_parse(SG_STR("ForAnyValue:Null"));
    assert_string_equal(name.row->name, "Null");
    assert_false(name.if_exists);
    assert_null(sg_operator_parse(SG_STR("")).row);
    assert_null(sg_operator_parse(SG_STR("IfExists")).row);
    assert_null(sg_operator_parse(SG_STR("ForAllValues:")).row);
    assert_null(sg_operator_parse(SG_STR("StringEqualsIfExistsIfExists")).row);
    assert_null(sg_operator_parse(SG_STR("StringEqual")).row);
    assert_null(sg_operator_parse(SG_STR("ForAllValues:ForAnyValue:Bool")).row);
    assert_null(sg_operator_parse(SG_STR("NumberEquals")).row->fits);
}

static void assert_nearest(const char *text, const char *expected)
{
    struct sg_buf out;
    sg_buf_init(&out, 200);
    sg_operator_add_nearest(sg_str_from(text), &out);
    assert_true(sg_str_equal_text(sg_buf_str(&out), expected));
    sg_buf_done(&out);
}

static void proposes_the_nearest_operator(void **state)
{
    (void)state;
    assert_nearest("StringEqual", "StringEquals");
    assert_nearest("StringEqualIfExists", "StringEqualsIfExists");
    assert_nearest("foranyvalue:IpAdress", "ForAnyValue:IpAddress");
    assert_nearest("stringlike", "StringMatch");
    assert_nearest("NumericLessThanEquals", "NumberLessThanEquals");
    assert_nearest("Something", "");
}

static void reads_condition_values_of_each_type(void **state)
{
    struct sg_operand operand;
    (void)state;
    assert_true(sg_operand_read(SG_VALUE_TEXT, SG_STR(""), &operand));
    assert_true(sg_operand_read(SG_VALUE_BOOL, SG_STR("false"), &operand));
    assert_false(operand.truth);
    assert_true(sg_operand_read(SG_VALUE_BOOL, SG_STR("true"), &operand));
    assert_true(operand.truth);
    assert_false(sg_operand_read(SG_VALUE_BOOL, SG_STR("True"), &operand));
    assert_false(sg_operand_read(SG_VALUE_BOOL, SG_STR(""), &operand));
    assert_true(sg_operand_read(SG_VALUE_IP, SG_STR("fd00::/8"), &operand));
    assert_int_equal(operand.prefix.length, 8);
    assert_false(sg_operand_read(SG_VALUE_IP, SG_STR("10.0.0.0/33"), &operand));
    assert_false(sg_operand_read(SG_VALUE_IP, SG_STR("10.0.0.0/"), &operand));
    assert_false(sg_operand_read(SG_VALUE_IP, SG_STR("fe80::1%eth0"), &operand));
    assert_false(sg_operand_read(SG_VALUE_NUMBER, SG_STR("1"), &operand));
    assert_false(sg_operand_read(SG_VALUE_DATE, SG_STR("1"), &operand));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_what_is_there),
        cmocka_unit_test(several_values_are_one_of_them_or_none_of_them),
        cmocka_unit_test(permits_less_where_a_value_is_absent_or_unreadable),
        cmocka_unit_test(text_that_is_no_address_or_truth_is_unreadable),
        cmocka_unit_test(every_text_key_reads_its_part_of_the_request),
        cmocka_unit_test(names_of_parameters_keep_their_case_and_place),
        cmocka_unit_test(keys_of_the_cloud_alone_are_absent),
        cmocka_unit_test(finds_keys_and_their_twins),
        cmocka_unit_test(takes_operator_names_apart),
        cmocka_unit_test(proposes_the_nearest_operator),
        cmocka_unit_test(reads_condition_values_of_each_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
