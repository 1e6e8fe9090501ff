/* What a catalog file holds, key by key: the field tables and the structs they fill. [any] */
#ifndef SG_CATALOG_TABLES_H
#define SG_CATALOG_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "text/fields.h"

struct sg_catalog_query_fields {
    const struct sg_yaml_node *node;
    const char *name;
    bool required;
    bool multi;
    int format;
    uint64_t max_length;
};

struct sg_catalog_row_fields {
    const struct sg_yaml_node *node;
    const char *operation;
    int method;
    const char *path;
    struct sg_objects query;
    int body;
    const char *action;
    const char *access_level;
    const char *source;
    const char *resource;
    const char *summary;
    const struct sg_yaml_node *headers;
};

struct sg_catalog_file_fields {
    const struct sg_yaml_node *node;
    uint64_t version;
    const char *service;
    struct sg_objects operations;
};

/* A whole file; the tables of its rows hang below. */
extern const struct sg_fields sg_catalog_file_table;

/* The methods a row may have, by the index the table gives; ended by NULL. */
extern const char *const sg_catalog_methods[];

#endif
