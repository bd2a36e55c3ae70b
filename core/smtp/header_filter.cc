#include "core/smtp/header_filter.h"

#include <cstring>

namespace sluice::smtp {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// The name of the field that `line` begins, or empty (RFC 5322 3.6.8 and 4.5.8: blanks before the
// colon).
ByteView FieldName(ByteView line) {
  size_t name_bytes = 0;
  while (name_bytes < line.size() && line[name_bytes] > ' ' && line[name_bytes] < 127 &&
         line[name_bytes] != ':') {
    name_bytes++;
  }
  size_t colon = name_bytes;
  while (colon < line.size() && IsBlank(line[colon])) colon++;
  if (colon == line.size() || line[colon] != ':') return {};
  return line.substr(0, name_bytes);
}

}  // namespace

void HeaderFilter::Scan(Buffer& body, bool end) {
  if (done_ || too_big_) return;
  char* const data = body.data();
  const size_t bytes = body.size();
  size_t read = line_start_;   // lines before this are judged
  size_t write = line_start_;  // and those kept end here
  size_t search = searched_;
  while (true) {
    const void* lf = search < bytes ? std::memchr(data + search, '\n', bytes - search) : nullptr;
    const size_t line_end =
        lf == nullptr ? bytes : static_cast<size_t>(static_cast<const char*>(lf) - data) + 1;
    const size_t line_bytes = line_end - read;
    if (write + line_bytes > bytes_max_) {
      too_big_ = true;
      break;
    }
    if (lf == nullptr && !(end && line_bytes > 0)) break;

    const Verdict verdict = Judge(ByteView(data + read, line_bytes));
    if (verdict == Verdict::kEnd) {
      done_ = true;
      break;
    }
    if (verdict == Verdict::kKeep) {
      if (write != read) std::memmove(data + write, data + read, line_bytes);
      write += line_bytes;
    }
    read = search = line_end;
  }
  if (end && !too_big_) done_ = true;

  if (write != read) {
    std::memmove(data + write, data + read, bytes - read);
    body.Truncate(bytes - (read - write));
  }
  line_start_ = static_cast<uint32_t>(write);
  searched_ = static_cast<uint32_t>(body.size());
}

HeaderFilter::Verdict HeaderFilter::Judge(ByteView line) {
  if (line == "\r\n" || line == "\n") return Verdict::kEnd;
  if (IsBlank(line.front()) && in_field_) return removing_ ? Verdict::kRemove : Verdict::kKeep;

  const ByteView name = FieldName(line);
  if (name.empty()) {
    no_field_ = true;
    return Verdict::kEnd;
  }
  in_field_ = true;
  const Verdict verdict = JudgeField(name);
  removing_ = verdict == Verdict::kRemove;
  return verdict;
}

HeaderFilter::Verdict HeaderFilter::JudgeField(ByteView name) {
  switch (name.size()) {
    case 3:
      if (EqualsIgnoreCase(name, "Bcc")) return Verdict::kRemove;
      break;
    case 4:
      if (EqualsIgnoreCase(name, "Date")) has_date_ = true;
      if (EqualsIgnoreCase(name, "From")) has_from_ = true;
      break;
    case 8:
      if (EqualsIgnoreCase(name, "Received")) received_count_++;
      break;
    case 10:
      if (EqualsIgnoreCase(name, "Message-ID")) has_message_id_ = true;
      if (EqualsIgnoreCase(name, "Resent-Bcc")) return Verdict::kRemove;
      break;
    case 11:
      if (EqualsIgnoreCase(name, "Return-Path")) return Verdict::kRemove;
      break;
    default:
      break;
  }
  return Verdict::kKeep;
}

}  // namespace sluice::smtp
