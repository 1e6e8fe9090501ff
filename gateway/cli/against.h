/* sign --against: our canonical request beside the one that an APIGW.0301 answer carries. */
#ifndef SG_CLI_AGAINST_H
#define SG_CLI_AGAINST_H

#include "base/str.h"
#include "cli/cli.h"

/*
 * Find "canonicalRequest:" in a pasted answer (the JSON body, or the text of its error_msg; lines
 * stand apart by "|", "\n" or line ends) and print the first line that differs. Returns the exit
 * status: good when they are the same, failed when they differ, usage when there is none.
 */
int sg_against(struct sg_cli *cli, struct sg_str ours, struct sg_str pasted);

#endif
