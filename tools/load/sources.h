// Sources: the addresses that connections come from, so that ports run out only a pair of source
// and destination. Ranges, held as such: a /64 costs as much as one address. Immutable once made;
// any thread.
#ifndef SLUICE_TOOLS_LOAD_SOURCES_H_
#define SLUICE_TOOLS_LOAD_SOURCES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/base/sock_addr.h"

namespace sluice::load {

class Sources {
 public:
  // "127.0.0.2", "127.0.0.2-127.0.0.9", "127.0.0.0/24", "2001:db8::/64": all addresses of the
  // network, its first and last too. InvalidArgument says what is expected.
  absl::Status Add(ByteView text);

  bool empty() const { return ranges_.empty(); }
  bool Has(sa_family_t family) const { return count(family) > 0; }

  // The `turn`th address of that family, from 0: they take turns. Port 0. REQUIRES: Has(family).
  SockAddr At(sa_family_t family, uint64_t turn) const;
  uint64_t count(sa_family_t family) const;  // at most 2^32 a range

 private:
  struct Range {
    SockAddr first;
    uint64_t count;
  };
  std::vector<Range> ranges_;
};

}  // namespace sluice::load

#endif  // SLUICE_TOOLS_LOAD_SOURCES_H_
