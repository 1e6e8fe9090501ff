/* What the front knows of the other end of a caller's connection. Values only. */
#ifndef SG_MODEL_PEER_H
#define SG_MODEL_PEER_H

#include <stdbool.h>

#include "base/ip.h"

struct sg_peer {
    struct sg_ip address; /* family 0 on a Unix socket */
    bool secure;          /* over TLS or a Unix socket */
};

#endif
