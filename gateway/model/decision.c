#include "model/decision.h"

const char *sg_reason_name(enum sg_reason reason)
{
    switch (reason) {
    case SG_REASON_NO_MATCHING_ALLOW:
        return "no_matching_allow";
    case SG_REASON_ALLOWED:
        return "allowed";
    case SG_REASON_EXPLICIT_DENY:
        return "explicit_deny";
    }
    return "no_matching_allow";
}
