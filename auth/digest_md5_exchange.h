// DIGEST-MD5 (RFC 2831; historic by RFC 6331, for old clients alone): the client hashes the
// server's nonce with what it makes of its password, and the server answers in kind.
//
//   S: realm="h",nonce="NONCE",qop="auth",charset=utf-8,algorithm=md5-sess
//   C: charset=utf-8,username="alice",realm="h",nonce="NONCE",nc=00000001,cnonce="x",
//      digest-uri="smtp/h",response=32HEX,qop=auth
//   S: rspauth=32HEX              a 334 too: SMTP's 235 carries no data
//   C: (empty)
//
// Only initial authentication: a nonce serves once. A client that begins with what it said the last
// time (section 2.2) gets a new challenge, as section 2.2 has it for a server that keeps nothing.
// The name is hashed by the client as it wrote it, so it must write it as the record has it: in
// lower case.
#ifndef SLUICE_AUTH_DIGEST_MD5_EXCHANGE_H_
#define SLUICE_AUTH_DIGEST_MD5_EXCHANGE_H_

#include <string>

#include "auth/exchange.h"

namespace sluice::auth {

class DigestMd5Exchange final : public Exchange {
 public:
  // `service`: the first part of digest-uri, "smtp".
  DigestMd5Exchange(ByteView service, const ExchangeContext& context);

  Next Start(std::optional<ByteView> initial) override;
  Next Step(ByteView response) override;
  Next OnRecord(const CredentialRecord* record) override;
  Next OnVerified(Verdict verdict) override;

 private:
  enum class State : uint8_t { kStart, kResponse, kRecord, kAnswered, kDone };

  Next OnResponse(ByteView message);
  bool IsUs(ByteView uri) const;
  Next Done(Failure failure, ByteView detail = {});

  const std::string service_;
  const std::string hostname_;
  const std::string realm_;
  const std::string nonce_;
  State state_ = State::kStart;
  std::string reply_;   // the challenge
  std::string cnonce_;  // these as the client sent them
  std::string uri_;
  std::string response_;
  bool fits_ = false;  // nonce, count and realm are as they must be
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_DIGEST_MD5_EXCHANGE_H_
