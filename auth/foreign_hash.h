// ForeignHash: a password as another server has stored it. It proves PLAIN and LOGIN and nothing
// else; when it has done so once, the user gets keys of ours and it is dropped.
//
//   {SSHA}, {SSHA256}, {SSHA512}   base64 of the digest of password and salt, and the salt
//   {ARGON2ID}                     $argon2id$v=19$m=65536,t=3,p=1$salt$hash (RFC 9106)
//   {SHA512-CRYPT}, {SHA256-CRYPT}, {BLF-CRYPT}, {CRYPT}
//                                  $6$, $5$ and $2y$ of crypt(3), checked by the system's library
//   {CRAM-MD5}                     the states of HMAC-MD5 that a record keeps for that mechanism
//
// As Dovecot writes them. Proving one may need a second of a verifier's thread and 256 MiB of
// memory, and no more: what asks for more is refused when it is read. A password is proved as it is
// prepared here (auth/prepare.h), which is as it was typed unless a sign in it has several forms.
#ifndef SLUICE_AUTH_FOREIGN_HASH_H_
#define SLUICE_AUTH_FOREIGN_HASH_H_

#include <string>

#include "auth/exchange.h"
#include "auth/record.h"
#include "core/base/bytes.h"

namespace sluice::auth {

inline constexpr uint32_t kArgon2KibMax = 256 * 1024;
inline constexpr uint32_t kArgon2KibPassesMax = 1024 * 1024;  // memory times passes: about a second
inline constexpr uint32_t kArgon2LanesMax = 64;
inline constexpr uint32_t kCryptRoundsMax = 1'000'000;  // of SHA-256 and SHA-512
inline constexpr uint32_t kBcryptCostMax = 14;

// Of these names, in upper case and without braces.
bool IsForeignScheme(ByteView scheme);
// "{SSHA512} and ...", for messages.
std::string ForeignSchemes();

// "SSHA512" of "{SSHA512}value".
ByteView SchemeOf(ByteView text);

// What is wrong with "{SCHEME}value"; empty: nothing, it can be proved.
std::string ProblemOfForeignHash(ByteView text);

// A record's CRAM-MD5 states as "{CRAM-MD5}value".
std::string ForeignHashOf(const CramMd5States& states);

// Whether `password`, prepared, is the one; kTemporary: there is no memory for it now. What has a
// problem matches nothing. Slow; any thread.
Verdict ProveForeignHash(ByteView text, ByteView password);

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_FOREIGN_HASH_H_
