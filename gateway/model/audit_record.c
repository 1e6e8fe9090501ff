#include "model/audit_record.h"

const char *sg_audit_event_name(enum sg_audit_event event)
{
    switch (event) {
    case SG_AUDIT_START:
        return "start";
    case SG_AUDIT_STOP:
        return "stop";
    case SG_AUDIT_RELOAD:
        return "reload";
    case SG_AUDIT_INTENT:
        return "intent";
    case SG_AUDIT_OUTCOME:
        return "outcome";
    case SG_AUDIT_DENIED:
        return "denied";
    case SG_AUDIT_REJECTED:
        return "rejected";
    case SG_AUDIT_CLOCK_JUMP:
        return "clock_jump";
    }
    return "rejected";
}

const char *sg_outcome_name(enum sg_outcome outcome)
{
    switch (outcome) {
    case SG_OUTCOME_NONE:
        return "";
    case SG_OUTCOME_SUCCESS:
        return "success";
    case SG_OUTCOME_FAILURE:
        return "failure";
    case SG_OUTCOME_UNKNOWN:
        return "unknown";
    }
    return "";
}
