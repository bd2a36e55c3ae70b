// What `sluice top` shows: two snapshots in, a frame of text out. Pure.
#ifndef SLUICE_TOOLS_SLUICE_TOP_VIEW_H_
#define SLUICE_TOOLS_SLUICE_TOP_VIEW_H_

#include <cstddef>
#include <string>

#include "core/server/admin.h"

namespace sluice {

struct TopWindow {
  size_t columns = 200;
  size_t lines = 60;
};

// Lines that end in LF, no control codes: a head, the sum of all shards, then a row a shard, as far
// as the window has lines; columns that do not fit are left out, the least important first. Rates
// and percentiles are those of the `span_s` seconds between the snapshots. A server that was
// started anew between them counts from its start.
std::string RenderTop(const server::Snapshot& before, const server::Snapshot& now, double span_s,
                      const TopWindow& window);

}  // namespace sluice

#endif  // SLUICE_TOOLS_SLUICE_TOP_VIEW_H_
