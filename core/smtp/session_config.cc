#include "core/smtp/session_config.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace sluice::smtp {
namespace {

bool IsWord(ByteView text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// Its index, or names.size().
size_t Find(const std::vector<std::string>& names, ByteView name) {
  size_t i = 0;
  while (i < names.size() && !EqualsIgnoreCase(names[i], name)) i++;
  return i;
}

}  // namespace

SessionConfig::SessionConfig(SessionOptions options) : options_(std::move(options)) {
  CHECK(IsWord(options_.hostname));
  CHECK(std::all_of(options_.mechanisms.begin(), options_.mechanisms.end(), IsWord));
  CHECK(std::all_of(options_.mechanisms_clear.begin(), options_.mechanisms_clear.end(), IsWord));
  CHECK(options_.mechanisms.size() <= UINT8_MAX && options_.mechanisms_clear.size() <= UINT8_MAX);
  CHECK(options_.message_bytes_max > 0 && options_.recipients_max > 0 && options_.part_bytes > 0);

  greeting_ = "220 " + options_.hostname + " ESMTP Sluice\r\n";
  helo_ = "250 " + options_.hostname + "\r\n";
  for (const bool tls : {false, true}) {
    for (const bool authenticated : {false, true}) {
      ehlo_[tls][authenticated] = EhloText(tls, authenticated, {});
    }
  }
  for (const bool external : {false, true}) {
    for (const bool plus : {false, true}) {
      ehlo_tls_[external][plus] = EhloText(true, false, {.external = external, .plus = plus});
    }
  }
}

std::string SessionConfig::EhloText(bool tls, bool authenticated, SessionOffer offer) const {
  std::string text = "250-" + options_.hostname + "\r\n250-PIPELINING\r\n250-SIZE " +
                     std::to_string(options_.message_bytes_max) + "\r\n250-8BITMIME\r\n";
  if (!tls && options_.starttls) text += "250-STARTTLS\r\n";
  std::string names;
  for (const std::string& name : mechanisms(tls)) {
    if (name == "EXTERNAL" && !offer.external) continue;
    if (name.ends_with("-PLUS") && !offer.plus) continue;
    names += " " + name;
  }
  if (!authenticated && !names.empty()) text += "250-AUTH" + names + "\r\n";
  return text + "250 ENHANCEDSTATUSCODES\r\n";
}

SessionConfig::Offer SessionConfig::FindMechanism(bool tls, ByteView name, uint8_t& index) const {
  const size_t found = Find(mechanisms(tls), name);
  if (found < mechanisms(tls).size()) {
    index = static_cast<uint8_t>(found);
    return Offer::kOffered;
  }
  const bool tls_helps = !tls && Find(options_.mechanisms, name) < options_.mechanisms.size();
  return tls_helps ? Offer::kNeedsTls : Offer::kUnknown;
}

}  // namespace sluice::smtp
