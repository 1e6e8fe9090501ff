#include "policy/keys.h"

#include <stddef.h>

/* --- readers ---------------------------------------------------------------------------------- */

/* An empty text stands for "not known" in a principal and in an action: the key is absent. */
static enum sg_presence give_text(struct sg_str text, struct sg_value *ret)
{
    if (text.n == 0) {
        return SG_PRESENCE_ABSENT;
    }
    *ret = (struct sg_value){.type = SG_VALUE_TEXT, .text = text};
    return SG_PRESENCE_ONE;
}

static enum sg_presence read_source_ip(const struct sg_key *key,
                                       const struct sg_policy_request *request,
                                       struct sg_value *ret)
{
    (void)key;
    if (request->source_ip.family == 0) {
        return SG_PRESENCE_ABSENT;
    }
    *ret = (struct sg_value){.type = SG_VALUE_IP, .address = request->source_ip};
    return SG_PRESENCE_ONE;
}

static enum sg_presence read_current_time(const struct sg_key *key,
                                          const struct sg_policy_request *request,
                                          struct sg_value *ret)
{
    (void)key;
    *ret = (struct sg_value){.type = SG_VALUE_DATE, .time_us = request->time_us};
    return SG_PRESENCE_ONE;
}

static enum sg_presence read_secure_transport(const struct sg_key *key,
                                              const struct sg_policy_request *request,
                                              struct sg_value *ret)
{
    (void)key;
    *ret = (struct sg_value){.type = SG_VALUE_BOOL, .truth = request->secure_transport};
    return SG_PRESENCE_ONE;
}

static enum sg_presence read_caller(const struct sg_key *key,
                                    const struct sg_policy_request *request, struct sg_value *ret)
{
    (void)key;
    return give_text(request->principal->caller, ret);
}

static enum sg_presence read_team(const struct sg_key *key, const struct sg_policy_request *request,
                                  struct sg_value *ret)
{
    (void)key;
    return give_text(request->principal->team, ret);
}

static enum sg_presence read_region(const struct sg_key *key,
                                    const struct sg_policy_request *request, struct sg_value *ret)
{
    (void)key;
    return give_text(request->action->region, ret);
}

static enum sg_presence read_service(const struct sg_key *key,
                                     const struct sg_policy_request *request, struct sg_value *ret)
{
    (void)key;
    return give_text(request->action->service, ret);
}

static enum sg_presence read_operation(const struct sg_key *key,
                                       const struct sg_policy_request *request,
                                       struct sg_value *ret)
{
    (void)key;
    return give_text(request->action->operation, ret);
}

static enum sg_presence read_method(const struct sg_key *key,
                                    const struct sg_policy_request *request, struct sg_value *ret)
{
    (void)key;
    return give_text(request->action->method, ret);
}

static enum sg_presence read_project_id(const struct sg_key *key,
                                        const struct sg_policy_request *request,
                                        struct sg_value *ret)
{
    (void)key;
    return give_text(request->action->project_id, ret);
}

static enum sg_presence read_access_level(const struct sg_key *key,
                                          const struct sg_policy_request *request,
                                          struct sg_value *ret)
{
    (void)key;
    return give_text(request->action->access_level, ret);
}

/* A parameter is absent when it is not there; an empty one is a value. */
static enum sg_presence read_param(const struct sg_key *key,
                                   const struct sg_policy_request *request, struct sg_value *ret)
{
    const struct sg_action *action = request->action;
    const struct sg_param *found = NULL;
    for (size_t i = 0; i < action->param_count; i++) {
        const struct sg_param *param = &action->params[i];
        if (param->place == key->row->place && sg_str_equal(param->name, key->name)) {
            if (found != NULL) {
                return SG_PRESENCE_MANY;
            }
            found = param;
        }
    }
    if (found == NULL) {
        return SG_PRESENCE_ABSENT;
    }
    *ret = (struct sg_value){.type = SG_VALUE_TEXT, .text = found->value};
    return SG_PRESENCE_ONE;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct sg_key_row rows[] = {
    {.name = "g:SourceIp", .type = SG_VALUE_IP, .read = read_source_ip},
    {.name = "g:CurrentTime", .type = SG_VALUE_DATE, .read = read_current_time},
    {.name = "g:UserName", .type = SG_VALUE_TEXT, .read = read_caller},
    {.name = "g:PrincipalTag/team", .type = SG_VALUE_TEXT, .read = read_team},
    {.name = "g:SecureTransport", .type = SG_VALUE_BOOL, .read = read_secure_transport},
    {.name = "g:RequestedRegion", .type = SG_VALUE_TEXT, .read = read_region},
    {.name = "signgate:Caller", .type = SG_VALUE_TEXT, .read = read_caller},
    {.name = "signgate:Team", .type = SG_VALUE_TEXT, .read = read_team},
    {.name = "signgate:Service", .type = SG_VALUE_TEXT, .read = read_service},
    {.name = "signgate:Operation", .type = SG_VALUE_TEXT, .read = read_operation},
    {.name = "signgate:Method", .type = SG_VALUE_TEXT, .read = read_method},
    {.name = "signgate:ProjectId", .type = SG_VALUE_TEXT, .read = read_project_id},
    {.name = "signgate:AccessLevel", .type = SG_VALUE_TEXT, .read = read_access_level},
    {.name = "signgate:Path/",
     .type = SG_VALUE_ANY,
     .read = read_param,
     .exact_name = true,
     .is_param = true,
     .place = SG_PARAM_PATH},
    {.name = "signgate:Query/",
     .type = SG_VALUE_ANY,
     .read = read_param,
     .exact_name = true,
     .is_param = true,
     .place = SG_PARAM_QUERY},
    {.name = "signgate:Body/",
     .type = SG_VALUE_ANY,
     .exact_name = true,
     .refused = "conditions on the body are not built yet"},
    /* IAM keys that only the cloud knows. */
    {.name = "g:CalledVia", .type = SG_VALUE_ANY, .multi = true},
    {.name = "g:DomainId", .type = SG_VALUE_ANY},
    {.name = "g:DomainName", .type = SG_VALUE_ANY},
    {.name = "g:EnterpriseProjectId", .type = SG_VALUE_ANY},
    {.name = "g:MFAAge", .type = SG_VALUE_ANY},
    {.name = "g:MFAPresent", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalAccount", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalId", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalIsRootUser", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalIsService", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalOrgId", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalOrgManagementAccountId", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalOrgPath", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalTag/", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalType", .type = SG_VALUE_ANY},
    {.name = "g:PrincipalUrn", .type = SG_VALUE_ANY},
    {.name = "g:ProjectName", .type = SG_VALUE_ANY},
    {.name = "g:Referer", .type = SG_VALUE_ANY},
    {.name = "g:RequestTag/", .type = SG_VALUE_ANY},
    {.name = "g:ResourceTag/", .type = SG_VALUE_ANY},
    {.name = "g:SourceIdentity", .type = SG_VALUE_ANY},
    {.name = "g:SourceVpc", .type = SG_VALUE_ANY},
    {.name = "g:SourceVpce", .type = SG_VALUE_ANY},
    {.name = "g:TagKeys", .type = SG_VALUE_ANY, .multi = true},
    {.name = "g:TokenIssueTime", .type = SG_VALUE_ANY},
    {.name = "g:UserAgent", .type = SG_VALUE_ANY},
    {.name = "g:UserId", .type = SG_VALUE_ANY},
    {.name = "g:ViaService", .type = SG_VALUE_ANY},
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* --- asking ----------------------------------------------------------------------------------- */

static bool takes_name(struct sg_str name)
{
    return name.p[name.n - 1] == '/';
}

bool sg_key_find(struct sg_str text, struct sg_key *ret)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct sg_str name = sg_str_from(rows[i].name);
        if (sg_str_equal_fold(text, name) && !takes_name(name)) {
            *ret = (struct sg_key){.row = &rows[i], .name = {.p = ""}};
            return true;
        }
        if (takes_name(name) && text.n > name.n &&
            sg_str_equal_fold(sg_str_slice(text, 0, name.n), name)) {
            *ret = (struct sg_key){.row = &rows[i], .name = sg_str_slice(text, name.n, text.n)};
            return true;
        }
    }
    return false;
}

bool sg_key_same(struct sg_str a, struct sg_str b)
{
    struct sg_key key_a, key_b;
    if (!sg_key_find(a, &key_a) || !sg_key_find(b, &key_b)) {
        return sg_str_equal_fold(a, b);
    }
    return key_a.row == key_b.row &&
           (key_a.row->exact_name ? sg_str_equal(key_a.name, key_b.name)
                                  : sg_str_equal_fold(key_a.name, key_b.name));
}

const char *sg_key_nearest(struct sg_str text)
{
    const char *names[ROW_COUNT];
    for (size_t i = 0; i < ROW_COUNT; i++) {
        names[i] = rows[i].name;
    }
    const char *nearest = sg_str_nearest(text, names, ROW_COUNT);
    size_t slash = sg_str_find(text, '/');
    if (nearest == NULL && slash < text.n) {
        nearest = sg_str_nearest(sg_str_slice(text, 0, slash + 1), names, ROW_COUNT);
    }
    return nearest;
}

enum sg_presence sg_key_read(const struct sg_key *key, const struct sg_policy_request *request,
                             struct sg_value *ret)
{
    return key->row->read != NULL ? key->row->read(key, request, ret) : SG_PRESENCE_ABSENT;
}
