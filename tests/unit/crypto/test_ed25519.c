/* Ed25519: the vectors of RFC 8032, and every file that is no key of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/ed25519.h"
#include "keys.h"

struct bench {
    char folder[64];
    char path[96];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/sg-test-ed25519.XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    (void)snprintf(bench->path, sizeof bench->path, "%s/key.pem", bench->folder);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    (void)unlink(bench->path);
    assert_int_equal(rmdir(bench->folder), 0);
    free(bench);
    return 0;
}

static void hex(const char *text, unsigned char *bytes, size_t size)
{
    assert_true(sg_hex_decode(sg_str_from(text), bytes, size));
}

/* RFC 8032 section 7.1. */
static const struct {
    const char *seed, *public_key, *message, *signature;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "b"
     "bd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
     "0"
     "303dca179c138ac17ad9bef1177331a704"},
};

static void test_rfc_8032(void **state)
{
    const struct bench *bench = *state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        unsigned char seed[32], expected_key[32], key_bytes[32], expected[64], signature[64];
        unsigned char bytes[64];
        struct sg_error error = {.text = ""};
        struct sg_str message = {.p = (const char *)bytes, .n = strlen(vectors[i].message) / 2};
        hex(vectors[i].seed, seed, sizeof seed);
        hex(vectors[i].public_key, expected_key, sizeof expected_key);
        hex(vectors[i].signature, expected, sizeof expected);
        hex(vectors[i].message, bytes, message.n);
        write_private_pem(bench->path, seed, 0600);
        struct sg_ed25519_private *key = sg_ed25519_private_read(bench->path, &error);
        assert_non_null(key);
        sg_ed25519_private_public(key, key_bytes);
        assert_memory_equal(key_bytes, expected_key, sizeof key_bytes);
        assert_int_equal(sg_ed25519_sign(key, message, signature), SG_OK);
        assert_memory_equal(signature, expected, sizeof signature);
        assert_true(sg_ed25519_verify(key_bytes, message, signature));
        assert_false(sg_ed25519_verify(key_bytes, SG_STR("another text"), signature));
        for (size_t at = 0; at < sizeof signature; at++) {
            signature[at] ^= 1;
            assert_false(sg_ed25519_verify(key_bytes, message, signature));
            signature[at] ^= 1;
        }
        sg_ed25519_private_free(key);
        write_public_pem(bench->path, expected_key);
        memset(key_bytes, 0, sizeof key_bytes);
        assert_int_equal(sg_ed25519_public_read(bench->path, key_bytes, &error), SG_OK);
        assert_memory_equal(key_bytes, expected_key, sizeof key_bytes);
    }
    sg_ed25519_private_free(NULL);
}

/* What the error of a file says, as a private and as a public key; NULL: it is a good one. */
static void check(const struct bench *bench, const char *private_text, const char *public_text)
{
    struct sg_error error = {.text = ""};
    unsigned char public_key[32] = {7};
    struct sg_ed25519_private *key = sg_ed25519_private_read(bench->path, &error);
    assert_int_equal(key == NULL, private_text != NULL);
    if (private_text != NULL && strstr(error.text, private_text) == NULL) {
        fail_msg("%s: %s", private_text, error.text);
    }
    assert_true(key != NULL || strstr(error.text, bench->path) != NULL);
    sg_ed25519_private_free(key);
    error.text[0] = '\0';
    enum sg_status status = sg_ed25519_public_read(bench->path, public_key, &error);
    assert_int_equal(status != SG_OK, public_text != NULL);
    if (public_text != NULL && strstr(error.text, public_text) == NULL) {
        fail_msg("%s: %s", public_text, error.text);
    }
    assert_true(status == SG_OK || public_key[0] == 7);
}

static void test_modes(void **state)
{
    const struct bench *bench = *state;
    unsigned char seed[32] = {1};
    static const struct {
        mode_t mode;
        const char *text;
    } cases[] = {{0600, NULL},
                 {0400, NULL},
                 {0640, NULL},
                 {0440, NULL},
                 {0644, "0644"},
                 {0604, "chmod 0600"},
                 {0660, "group can change"},
                 {0700, "file to run"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_private_pem(bench->path, seed, cases[i].mode);
        check(bench, cases[i].text, "holds a private key");
    }
}

static void test_files_that_are_no_key(void **state)
{
    const struct bench *bench = *state;
    unsigned char seed[32] = {1};
    check(bench, "No such file", "No such file");
    write_key_file(bench->path, SG_STR(""), 0600);
    check(bench, "no private key", "no public key");
    write_key_file(bench->path, SG_STR("hello\n"), 0600);
    check(bench, "genpkey -algorithm ed25519", "pkey -pubout");
    write_key_file(bench->path,
                   SG_STR("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n"), 0600);
    check(bench, "no private key", "holds a private key");
    write_pem(bench->path, "PRIVATE KEY", SG_STR("\x30\x2e\x02\x01\x00"), seed, 0600);
    check(bench, "no private key", "holds a private key");
    write_public_pem(bench->path, seed);
    assert_int_equal(chmod(bench->path, 0600), 0);
    check(bench, "holds the public key", NULL);
    /* X25519: the same form, for another purpose. */
    write_pem(bench->path, "PRIVATE KEY",
              SG_STR("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20"), seed,
              0600);
    check(bench, "type X25519, not Ed25519", "holds a private key");
    write_pem(bench->path, "PUBLIC KEY", SG_STR("\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"),
              seed, 0600);
    check(bench, "holds the public key", "type X25519, not Ed25519");
    write_key_file(bench->path,
                   SG_STR("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGb\n"
                          "-----END ENCRYPTED PRIVATE KEY-----\n"),
                   0600);
    check(bench, "encrypted with a password", "holds a private key");
    assert_int_equal(unlink(bench->path), 0);
    assert_int_equal(mkdir(bench->path, 0700), 0);
    check(bench, "cannot read", "cannot read");
    assert_int_equal(rmdir(bench->path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rfc_8032, setup, teardown),
        cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_that_are_no_key, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
