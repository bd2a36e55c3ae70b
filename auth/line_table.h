// LineTable: a fixed table of cache lines by 64-bit key, for all threads, without locks: what
// meters (auth/meters.h) and known clients (auth/known_clients.h) are kept in.
//
// A line is its key and seven words that belong to whoever derives from the table. Open-addressed:
// a line stands within kProbes places of its key's. One whose words mean nothing any more is free
// again. Where none is free near its place, a new key is turned away, and counted as lost, or it
// takes the place of another, as the table was made.
//
// Any thread, each call, but where it says otherwise.
#ifndef SLUICE_AUTH_LINE_TABLE_H_
#define SLUICE_AUTH_LINE_TABLE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "auth/hmac_key.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace sluice::auth {

inline constexpr unsigned kLineWords = 7;

// As saved.
struct SavedLine {
  uint64_t key = 0;
  uint64_t words[kLineWords] = {};
};

enum class WhenFull : uint8_t { kLose, kReplace };

class LineTable {
 public:
  LineTable(const LineTable&) = delete;
  LineTable& operator=(const LineTable&) = delete;

  // The name of who is meant, of which keys are made: a tenth of a microsecond, so it is kept.
  // `space` keeps names of different things apart.
  uint64_t NameKey(char space, ByteView name) const;

  void ForgetAll();

  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
  uint32_t lines() const { return mask_ + 1; }

  // For keeping them over a restart: all lines that changed since the last call, in runs of
  // kSaveLines, by the first one's index. From one thread; others may go on.
  static constexpr uint32_t kSaveLines = 8;
  using Save = std::function<void(uint32_t first_line, const SavedLine (&lines)[kSaveLines])>;
  void SaveChanged(const Save& save);
  // Before anything else uses the table. What means nothing any more is left out.
  void Restore(const SavedLine& saved, WallTime now);

 protected:
  struct alignas(64) Line {
    std::atomic<uint64_t> key;
    std::atomic<uint64_t> words[kLineWords];
  };

  // `secret`: 32 octets, so that nobody can choose names whose keys meet. `lines`: rounded up to a
  // power of two; 64 octets each, which cost nothing until they are used.
  LineTable(ByteView secret, uint32_t lines, WhenFull when_full);
  virtual ~LineTable();

  // Whether any word of a line with that key still means something.
  virtual bool Means(uint64_t key, const uint64_t (&words)[kLineWords], WallTime now) const = 0;

  Line* Find(uint64_t key) const;
  // nullptr: lost. A new line's words are 0. REQUIRES: the key is greater than kKeyMin.
  Line* FindOrClaim(uint64_t key, WallTime now);
  static constexpr uint64_t kKeyMin = 0xf;
  void Touch(const Line& line);  // it has changed

 private:
  static void Copy(const Line& line, uint64_t (&words)[kLineWords]);

  const HmacKey<Sha256> name_key_;
  const WhenFull when_full_;
  const uint32_t mask_;
  Line* const lines_;  // mapped, so that the kernel zeroes them when they are used
  std::vector<std::atomic<uint8_t>> changed_;  // by kSaveLines
  std::atomic<uint64_t> lost_{0};
};

}  // namespace sluice::auth

#endif  // SLUICE_AUTH_LINE_TABLE_H_
