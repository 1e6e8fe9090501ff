#include "server/telling.h"

enum { DIAGS_BYTES_MAX = 1 << 20 };

void sg_telling_print(FILE *to, struct sg_diags *diags)
{
    struct sg_buf text;
    sg_buf_init(&text, DIAGS_BYTES_MAX);
    sg_diags_print_text(diags, &text);
    if (text.n > 0) {
        (void)fwrite(text.p, 1, text.n, to);
    }
    sg_buf_done(&text);
}

void sg_telling_log(struct sg_log *log, struct sg_diags *diags, const char *message)
{
    struct sg_diag diag;
    for (size_t i = 0; sg_diags_get(diags, i, &diag); i++) {
        const char *file = diag.place.file != NULL ? diag.place.file : "";
        sg_log_event(log, diag.severity == SG_SEVERITY_ERROR ? SG_LOG_ERROR : SG_LOG_WARN, message,
                     SG_LOG_TEXT_FIELD("file", sg_str_from(file)),
                     SG_LOG_NUMBER_FIELD("line", diag.place.line),
                     SG_LOG_NUMBER_FIELD("column", diag.place.column),
                     SG_LOG_TEXT_FIELD("text", sg_str_from(diag.text)),
                     SG_LOG_TEXT_FIELD("help", sg_str_from(diag.help)));
    }
}
