#include "core/smtp/body_reader.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>

namespace sluice::smtp {
namespace {

// Marks the octets at `at` that end a clean run: a LF that no CR precedes, whatever else follows a
// CR, a NUL, and a dot behind a LF. Reads at[-1].
inline __m128i Irregular16(const char* at) {
  const __m128i now = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i before = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at - 1));
  const __m128i lf = _mm_set1_epi8('\n');
  const __m128i broken_line_end =
      _mm_xor_si128(_mm_cmpeq_epi8(now, lf), _mm_cmpeq_epi8(before, _mm_set1_epi8('\r')));
  const __m128i nul = _mm_cmpeq_epi8(now, _mm_setzero_si128());
  const __m128i dot_first =
      _mm_and_si128(_mm_cmpeq_epi8(now, _mm_set1_epi8('.')), _mm_cmpeq_epi8(before, lf));
  return _mm_or_si128(_mm_or_si128(broken_line_end, nul), dot_first);
}

// The same of 32 octets.
__attribute__((target("avx2"))) inline __m256i Irregular32(const char* at) {
  const __m256i now = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256i before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at - 1));
  const __m256i lf = _mm256_set1_epi8('\n');
  const __m256i broken_line_end = _mm256_xor_si256(
      _mm256_cmpeq_epi8(now, lf), _mm256_cmpeq_epi8(before, _mm256_set1_epi8('\r')));
  const __m256i nul = _mm256_cmpeq_epi8(now, _mm256_setzero_si256());
  const __m256i dot_first = _mm256_and_si256(_mm256_cmpeq_epi8(now, _mm256_set1_epi8('.')),
                                             _mm256_cmpeq_epi8(before, lf));
  return _mm256_or_si256(_mm256_or_si256(broken_line_end, nul), dot_first);
}

// Goes on while all is regular, 64 octets at a time.
__attribute__((target("avx2"))) const char* SkipRegular(const char* at, const char* end) {
  for (; end - at >= 64; at += 64) {
    const __m256i irregular = _mm256_or_si256(Irregular32(at), Irregular32(at + 32));
    if (!_mm256_testz_si256(irregular, irregular)) break;
  }
  return at;
}

inline bool IsIrregular(const char* at) {
  return (*at == '\n') != (at[-1] == '\r') || *at == '\0' || (*at == '.' && at[-1] == '\n');
}

// The first irregular octet in [at, end), or `end`. Reads at[-1].
const char* FindIrregular(const char* at, const char* end) {
  static const bool kHasAvx2 = __builtin_cpu_supports("avx2");
  if (kHasAvx2) at = SkipRegular(at, end);
  for (; end - at >= 16; at += 16) {
    const int mask = _mm_movemask_epi8(Irregular16(at));
    if (mask != 0) return at + std::countr_zero(static_cast<unsigned>(mask));
  }
  while (at < end && !IsIrregular(at)) at++;
  return at;
}

}  // namespace

bool BodyReader::Read(ByteView& input, Buffer& out, size_t out_bytes_max) {
  while (!input.empty() && out.size() < out_bytes_max) {
    const char* at = input.data();
    const char* const end = at + std::min(input.size(), out_bytes_max - out.size());
    bool ended = false;
    while (at < end && !ended) {
      switch (state_) {
        case State::kLineStart:
          state_ = State::kText;
          if (*at == '.') {
            state_ = State::kDot;
            at++;
          }
          break;
        case State::kText:
          at = ReadText(at, end, out);
          break;
        case State::kCr:
          if (*at == '\n') {
            Keep("\r\n", out);
            state_ = State::kLineStart;
            at++;
          } else {
            Keep("\r", out);  // only to count it, as one inside a run
            Fail(BodyFault::kBareCr);
            state_ = State::kText;
          }
          break;
        case State::kDot:
          state_ =
              State::kText;  // the dot was transparency: whatever follows is text, another dot too
          if (*at == '\r') {
            state_ = State::kDotCr;
            at++;
          }
          break;
        case State::kDotCr:
          if (*at == '\n') {
            state_ = State::kLineStart;
            ended = true;
            at++;
          } else {
            Fail(BodyFault::kBareCr);
            state_ = State::kText;
          }
          break;
      }
    }
    input.remove_prefix(static_cast<size_t>(at - input.data()));
    if (ended) return true;
  }
  return false;
}

// Takes text up to `end`, or to a dot that starts a line. A dot at `at` starts none: the states
// before this one have dealt with it, or it follows a bare LF, which ends no line of the sender's
// transparency.
const char* BodyReader::ReadText(const char* at, const char* end, Buffer& out) {
  while (true) {
    const char* const start = at;
    if (*at != '\n' && *at != '\0') at = FindIrregular(at + 1, end);

    if (at == end) {
      const char last = end[-1];
      if (last == '\r') state_ = State::kCr;
      if (last == '\n') state_ = State::kLineStart;
      Keep(ByteView(start, static_cast<size_t>(end - start) - (last == '\r')), out);
      return end;
    }
    Keep(ByteView(start, static_cast<size_t>(at - start)), out);
    if (at > start && at[-1] == '\r') {
      Fail(BodyFault::kBareCr);  // and *at is looked at again, as the start of a run
    } else if (*at == '.') {
      state_ = State::kDot;
      return at + 1;
    } else {
      if (*at == '\0') {
        Fail(BodyFault::kNul);
      } else if (options_.bare_lf == BareLf::kReject) {
        Fail(BodyFault::kBareLf);
      } else {
        Keep("\r\n", out);
      }
      at++;
      if (at == end) return end;
    }
  }
}

void BodyReader::Keep(ByteView content, Buffer& out) {
  bytes_ += content.size();
  if (bytes_ > options_.bytes_max) Fail(BodyFault::kTooBig);
  if (drop_) return;
  if (options_.bare_lf == BareLf::kReject) {
    lines_ += static_cast<uint64_t>(std::count(content.begin(), content.end(), '\n'));
  }
  out.Append(content);
}

void BodyReader::Fail(BodyFault fault) {
  if (fault_ == BodyFault::kNone) fault_ = fault;
  drop_ = true;
}

}  // namespace sluice::smtp
