/* Proves that the wolfSSL just built is the one that Sluice needs, and prints one line of figures (tools/setup shows it).
 *
 * Three kinds of check: the macros say that the processor's instructions are in and that what makes sessions big is out; the
 * functions that Sluice calls are there and work; and what the macros promise is fast when it runs. The thresholds are
 * far below what any machine with AES-NI does and far above what portable code does, and the best of five counts, so
 * that a busy machine does not fail them.
 */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/md5.h>
#include <wolfssl/wolfcrypt/pwdbased.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/sha256.h>
#include <wolfssl/wolfcrypt/sha512.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if LIBWOLFSSL_VERSION_HEX < 0x05007002
#error "wolfSSL 5.7.2 or newer is needed"
#endif

#if !defined(WOLFSSL_AESNI) || !defined(USE_INTEL_SPEEDUP) || !defined(WOLFSSL_SP_X86_64_ASM) || \
    !defined(WOLFSSL_HAVE_SP_ECC) || !defined(WOLFSSL_HAVE_SP_RSA) || !defined(WOLFSSL_SP_384)
#error "the assembly is not in"
#endif
#if !defined(WOLFSSL_TLS13) || !defined(HAVE_SESSION_TICKET) || !defined(HAVE_SNI) || !defined(HAVE_ALPN) || \
    !defined(HAVE_KEYING_MATERIAL) || !defined(HAVE_EXTENDED_MASTER) || !defined(HAVE_CURVE25519) || \
    !defined(HAVE_ED25519) || !defined(HAVE_OCSP) || !defined(HAVE_CRL) || !defined(CUSTOM_RAND_GENERATE_BLOCK) || \
    !defined(WOLFSSL_ALT_NAMES) || !defined(WOLFSSL_CERT_GEN) || !defined(WOLFSSL_KEY_GEN)
#error "a feature that Sluice uses is not in"
#endif
#if defined(OPENSSL_EXTRA) || defined(OPENSSL_ALL) || defined(SESSION_CERTS) || defined(KEEP_PEER_CERT) || \
    defined(WOLF_CRYPTO_CB) || defined(WOLFSSL_POST_HANDSHAKE_AUTH) || defined(WOLFSSL_DTLS) || \
    defined(WOLFSSL_ALLOW_TLSV10) || !defined(NO_OLD_TLS) || defined(HAVE_HASHDRBG)
#error "a feature is in that makes every session bigger or weaker"
#endif

static void Check(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "probe of wolfSSL: %s\n", what);
  exit(1);
}

/* --- the hooks: Sluice gives the random octets and the clock ------------------------------------------------------- */

static unsigned long long random_state = 7;
int sluice_random_block(unsigned char* out, unsigned int bytes);
int sluice_random_block(unsigned char* out, unsigned int bytes) {
  for (unsigned int i = 0; i < bytes; i++) { /* Marsaglia's xorshift: good enough to find the primes of a test key */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    out[i] = (byte)(random_state >> 32);
  }
  return 0;
}
static time_t FakeTime(time_t* out) {
  if (out != NULL) *out = 1234567890;
  return 1234567890;
}

static void CheckHooks(void) {
  byte first[64], second[64], wanted[64];
  random_state = 7;
  sluice_random_block(wanted, sizeof(wanted));
  for (int i = 0; i < 2; i++) {
    WC_RNG rng;
    random_state = 7;
    Check(wc_InitRng(&rng) == 0, "wc_InitRng");
    Check(wc_RNG_GenerateBlock(&rng, i == 0 ? first : second, sizeof(first)) == 0, "wc_RNG_GenerateBlock");
    wc_FreeRng(&rng);
  }
  Check(memcmp(first, wanted, sizeof(first)) == 0 && memcmp(second, wanted, sizeof(second)) == 0,
        "random octets do not come from sluice_random_block");

  time_t now = 0;
  wc_SetTimeCb(FakeTime);
  Check(wc_GetTime(&now, sizeof(now)) == 0 && now == 1234567890, "the time callback is not used");
  wc_SetTimeCb(NULL);
}

/* --- what `sluice init`, auth and tls call -------------------------------------------------------------------------- */

static void CheckSelfSigned(WC_RNG* rng, ecc_key* ecc) {
  static byte der[4096], pem[8192], key_der[1024];
  Cert cert;
  Check(wc_InitCert(&cert) == 0, "wc_InitCert");
  strcpy(cert.subject.commonName, "submit.example.net");
  cert.isCA = 0;
  cert.selfSigned = 1;
  cert.sigType = CTC_SHA256wECDSA;
  static const byte names[] = {0x30, 20, 0x82, 18, 's', 'u', 'b', 'm', 'i', 't', '.',
                               'e',  'x', 'a',  'm', 'p', 'l', 'e', '.', 'n', 'e', 't'};
  memcpy(cert.altNames, names, sizeof(names));
  cert.altNamesSz = sizeof(names);
  int bytes = wc_MakeCert(&cert, der, sizeof(der), NULL, ecc, rng);
  Check(bytes > 0, "wc_MakeCert");
  bytes = wc_SignCert(cert.bodySz, cert.sigType, der, sizeof(der), NULL, ecc, rng);
  Check(bytes > 0, "wc_SignCert");
  Check(wc_DerToPem(der, (word32)bytes, pem, sizeof(pem), CERT_TYPE) > 0, "wc_DerToPem");
  int key_bytes = wc_EccKeyToDer(ecc, key_der, sizeof(key_der));
  Check(key_bytes > 0, "wc_EccKeyToDer");

  static const int kModernMinimum = WOLFSSL_TLSV1_2;
  WOLFSSL_CTX* context = wolfSSL_CTX_new(wolfTLS_server_method());
  Check(context != NULL, "wolfSSL_CTX_new");
  Check(wolfSSL_CTX_SetMinVersion(context, kModernMinimum) == WOLFSSL_SUCCESS, "wolfSSL_CTX_SetMinVersion");
  Check(wolfSSL_CTX_use_certificate_buffer(context, der, bytes, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS,
        "the self-signed certificate is not taken back");
  Check(wolfSSL_CTX_use_PrivateKey_buffer(context, key_der, key_bytes, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS,
        "the key is not taken back");
  WOLFSSL* ssl = wolfSSL_new(context);
  Check(ssl != NULL, "wolfSSL_new");
  wolfSSL_free(ssl);
  wolfSSL_CTX_free(context);
}

/* What one function leaves in the vector registers must not change what the next one computes: build_libraries mends that of
 * X25519 after ECDSA. */
static void CheckKeysAfterVerification(WC_RNG* rng, ecc_key* ecc) {
  static const byte hash[32] = {1};
  byte signature[80];
  word32 signature_bytes = sizeof(signature);
  Check(wc_ecc_sign_hash(hash, sizeof(hash), signature, &signature_bytes, rng, ecc) == 0, "wc_ecc_sign_hash");
  for (int i = 0; i < 200; i++) {
    int valid = 0;
    curve25519_key ours, theirs;
    byte one[32], other[32];
    word32 one_bytes = sizeof(one), other_bytes = sizeof(other);
    wc_curve25519_init(&ours);
    wc_curve25519_init(&theirs);
    Check(wc_curve25519_make_key(rng, 32, &theirs) == 0, "wc_curve25519_make_key");
    Check(wc_ecc_verify_hash(signature, signature_bytes, hash, sizeof(hash), &valid, ecc) == 0 && valid == 1,
          "wc_ecc_verify_hash");
    Check(wc_curve25519_make_key(rng, 32, &ours) == 0, "wc_curve25519_make_key");
    Check(wc_curve25519_shared_secret_ex(&ours, &theirs, one, &one_bytes, EC25519_LITTLE_ENDIAN) == 0 &&
              wc_curve25519_shared_secret_ex(&theirs, &ours, other, &other_bytes, EC25519_LITTLE_ENDIAN) == 0 &&
              memcmp(one, other, sizeof(one)) == 0,
          "a key of X25519 made after an ECDSA verification is wrong");
  }
}

static void CheckFunctions(WC_RNG* rng, ecc_key* p256) {
  byte out[64], in[64] = "what do ya want for nothing?";
  Check(wc_PBKDF2(out, in, 8, in, 16, 4096, 32, WC_SHA256) == 0, "wc_PBKDF2");
  Hmac hmac;
  Check(wc_HmacInit(&hmac, NULL, INVALID_DEVID) == 0 && wc_HmacSetKey(&hmac, WC_MD5, in, 16) == 0 &&
            wc_HmacUpdate(&hmac, in, 28) == 0 && wc_HmacFinal(&hmac, out) == 0,
        "HMAC-MD5");
  wc_HmacFree(&hmac);
  Check(wc_HmacInit(&hmac, NULL, INVALID_DEVID) == 0 && wc_HmacSetKey(&hmac, WC_SHA512, in, 16) == 0, "HMAC-SHA-512");
  wc_HmacFree(&hmac);
  byte text[128];
  word32 text_bytes = sizeof(text);
  Check(Base64_Encode_NoNl(in, 28, text, &text_bytes) == 0, "Base64_Encode_NoNl");
  byte key[32] = {1}, nonce[12] = {2}, tag[16];
  Check(wc_ChaCha20Poly1305_Encrypt(key, nonce, in, 16, in, 28, out, tag) == 0, "ChaCha20-Poly1305");

  ecc_key p384;
  Check(wc_ecc_init(&p384) == 0 && wc_ecc_make_key_ex(rng, 48, &p384, ECC_SECP384R1) == 0, "P-384");
  wc_ecc_free(&p384);
  curve25519_key x25519;
  Check(wc_curve25519_init(&x25519) == 0 && wc_curve25519_make_key(rng, 32, &x25519) == 0, "X25519");
  wc_curve25519_free(&x25519);
  ed25519_key ed;
  Check(wc_ed25519_init(&ed) == 0 && wc_ed25519_make_key(rng, 32, &ed) == 0, "Ed25519");
  wc_ed25519_free(&ed);
  RsaKey rsa;
  Check(wc_InitRsaKey(&rsa, NULL) == 0 && wc_MakeRsaKey(&rsa, 2048, 65537, rng) == 0, "RSA key generation");
  static byte rsa_der[4096];
  Check(wc_RsaKeyToDer(&rsa, rsa_der, sizeof(rsa_der)) > 0, "wc_RsaKeyToDer");
  wc_FreeRsaKey(&rsa);

  CheckSelfSigned(rng, p256);
}

/* --- rates ---------------------------------------------------------------------------------------------------------- */

static double Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static WC_RNG rate_rng;
static ecc_key rate_key;
static Aes rate_aes;
static byte rate_data[1 << 16];

static void SignOnce(void) {
  byte signature[128], digest[32] = {3};
  word32 bytes = sizeof(signature);
  Check(wc_ecc_sign_hash(digest, sizeof(digest), signature, &bytes, &rate_rng, &rate_key) == 0, "wc_ecc_sign_hash");
}
static void SealOnce(void) {
  byte nonce[12] = {4}, tag[16];
  Check(wc_AesGcmEncrypt(&rate_aes, rate_data, rate_data, sizeof(rate_data), nonce, 12, tag, 16, NULL, 0) == 0,
        "wc_AesGcmEncrypt");
}
static void DigestOnce(void) {
  byte digest[32];
  Check(wc_Sha256Hash(rate_data, sizeof(rate_data), digest) == 0, "wc_Sha256Hash");
}

/* Calls a second: the best of five short runs. */
static double Rate(void (*call)(void)) {
  double best = 0;
  for (int run = 0; run < 5; run++) {
    double begin = Now(), end = begin;
    int calls = 0;
    for (; end - begin < 0.04; end = Now(), calls++) call();
    double rate = calls / (end - begin);
    if (rate > best) best = rate;
  }
  return best;
}

int main(void) {
  Check(wolfSSL_Init() == WOLFSSL_SUCCESS, "wolfSSL_Init");
  CheckHooks();

  Check(wc_InitRng(&rate_rng) == 0, "wc_InitRng");
  Check(wc_ecc_init(&rate_key) == 0 && wc_ecc_make_key_ex(&rate_rng, 32, &rate_key, ECC_SECP256R1) == 0, "P-256");
  wc_ecc_set_rng(&rate_key, &rate_rng);
  CheckKeysAfterVerification(&rate_rng, &rate_key);
  CheckFunctions(&rate_rng, &rate_key);

  byte key[32] = {5};
  Check(wc_AesInit(&rate_aes, NULL, INVALID_DEVID) == 0 && wc_AesGcmSetKey(&rate_aes, key, sizeof(key)) == 0, "AES key");
  double sign = Rate(SignOnce);
  double seal = Rate(SealOnce) * sizeof(rate_data) / (1 << 20);
  double digest = Rate(DigestOnce) * sizeof(rate_data) / (1 << 20);
#if defined(WOLFSSL_HAVE_MLKEM)
  const char* groups = "with X25519MLKEM768";
#else
  const char* groups = "WITHOUT X25519MLKEM768";
#endif
  printf("wolfSSL %s %s: ECDSA P-256 sign %.0f/s, AES-256-GCM %.0f MiB/s, SHA-256 %.0f MiB/s\n", LIBWOLFSSL_VERSION_STRING,
         groups, sign, seal, digest);
  fflush(stdout);
  Check(sign > 10000, "ECDSA is slow: the SP assembly is not used");
  Check(seal > 500, "AES-GCM is slow: AES-NI is not used");
  Check(digest > 200, "SHA-256 is slow: the assembly is not used");
  wolfSSL_Cleanup();
  return 0;
}
