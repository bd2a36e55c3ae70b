#include "core/server/suspensions.h"

#include <utility>

namespace sluice::server {

void Suspensions::Refresh() {
  const uint64_t generation = store_.Generation();
  if (generation == generation_) return;
  generation_ = generation;
  anybody_ = store_.IsAnybodySuspended();
  changed_ = true;
}

bool Suspensions::Has(ByteView login) {
  Refresh();
  return anybody_ && !login.empty() && store_.IsSuspended(login);
}

bool Suspensions::TakeChange() {
  Refresh();
  return std::exchange(changed_, false);
}

}  // namespace sluice::server
