#include "base/status.h"

const char *sg_status_name(enum sg_status status)
{
    switch (status) {
    case SG_OK:
        return "ok";
    case SG_NOT_FOUND:
        return "not_found";
    case SG_DENIED:
        return "denied";
    case SG_UNAUTHENTICATED:
        return "unauthenticated";
    case SG_MALFORMED:
        return "malformed";
    case SG_TOO_LARGE:
        return "too_large";
    case SG_BUSY:
        return "busy";
    case SG_TIMEOUT:
        return "timeout";
    case SG_UPSTREAM:
        return "upstream";
    case SG_CONFIG:
        return "config";
    case SG_IO:
        return "io";
    case SG_NO_MEMORY:
        return "no_memory";
    case SG_INTERNAL:
        return "internal";
    }
    return "unknown";
}
