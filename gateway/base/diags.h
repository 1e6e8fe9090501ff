/*
 * Diagnostics of a load: every mistake of a run, with its place, what was expected and, where the
 * source is known, the line and a caret. Loaders add and go on; whoever started the load prints.
 *
 * A line of source that names a secret (secret_key, access_key, security_token, password) or a
 * user in an URL is shown masked from there on.
 * Out of memory is remembered and shown as one more error. [one thread at a time]
 */
#ifndef SG_BASE_DIAGS_H
#define SG_BASE_DIAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum sg_severity { SG_SEVERITY_ERROR = 0, SG_SEVERITY_WARNING };

struct sg_diags;

/* NULL when there is no memory. */
struct sg_diags *sg_diags_new(void);
void sg_diags_free(struct sg_diags *diags);

/* Copy the text of a file, so that diagnostics about it can show the line. */
void sg_diags_add_source(struct sg_diags *diags, const char *file, struct sg_str text);

/*
 * Add one diagnostic. place may be NULL. help is what stands behind the caret ("expected ...",
 * "did you mean ...") or NULL; it may hold "{}"-free plain text only. All texts are copied.
 */
void sg_diags_error(struct sg_diags *diags, const struct sg_place *place, const char *help,
                    const char *format, ...) SG_PRINTF(4, 5);
void sg_diags_warning(struct sg_diags *diags, const struct sg_place *place, const char *help,
                      const char *format, ...) SG_PRINTF(4, 5);

size_t sg_diags_errors(const struct sg_diags *diags);
size_t sg_diags_warnings(const struct sg_diags *diags);

/*
 * Print all, by file in the order in which files were first seen, then by line and column; at most
 * 50 errors, then how many more there are. Form:
 *   file:line:column: error: text
 *      7 |   - adress: 127.0.0.1:8080
 *        |     ^~~~~~ did you mean "address"?
 */
void sg_diags_print_text(struct sg_diags *diags, struct sg_buf *out);

/* One diagnostic of the same order, for JSON output; false behind the last one. Borrowed. */
struct sg_diag {
    enum sg_severity severity;
    struct sg_place place;
    const char *text;
    const char *help; /* or NULL */
};
bool sg_diags_get(struct sg_diags *diags, size_t index, struct sg_diag *ret);

/* Put the first error into *reterr and return its status SG_CONFIG; SG_OK when there is none. */
enum sg_status sg_diags_status(struct sg_diags *diags, struct sg_error *reterr);

#endif
